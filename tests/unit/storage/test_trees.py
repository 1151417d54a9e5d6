"""Host trees go into the store and come back as they were."""

import io
import os
import socket
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grilse.protocol.errors import CasError
from grilse.storage.capture import capture_tree
from grilse.storage.checkout import export_tree, write_tar
from grilse.storage.digest import digest_bytes
from grilse.storage.messages import DirectoryNode, FileNode
from grilse.storage.store import Store

NAMES = st.text("abcé ü\n-~", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
FILES = st.tuples(st.binary(max_size=50), st.booleans())
TREES: Any = st.recursive(
    st.dictionaries(NAMES, FILES | st.text("abc/.", min_size=1, max_size=9), max_size=4),
    lambda inner: st.dictionaries(NAMES, inner | FILES, max_size=4),
    max_leaves=12,
)


# A file that is worth remembering.
LARGE = b"12" * 1_000_000


def make(path: Path, tree: Any) -> None:
    """Make a host tree: dictionaries are directories, texts links, pairs files."""
    path.mkdir()
    for name, value in tree.items():
        if isinstance(value, dict):
            make(path / name, value)
        elif isinstance(value, str):
            os.symlink(value, path / name)
        else:
            (path / name).write_bytes(value[0])
            (path / name).chmod(0o755 if value[1] else 0o644)


def look(path: Path) -> Any:
    """The inverse of `make`."""
    tree: Any = {}
    for entry in os.scandir(path):
        if entry.is_symlink():
            tree[entry.name] = os.readlink(entry.path)
        elif entry.is_dir():
            tree[entry.name] = look(path / entry.name)
        else:
            mode = stat.S_IMODE(entry.stat().st_mode)
            tree[entry.name] = ((path / entry.name).read_bytes(), bool(mode & 0o100))
    return tree


@settings(max_examples=50, deadline=None)
@given(TREES, st.booleans(), st.booleans())
def test_any_tree_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, tree: Any, hardlinks: bool, move: bool
) -> None:
    base = tmp_path_factory.mktemp("trip")
    make(base / "in", tree)
    store = Store(str(base / "cache"))
    copied = capture_tree(store, str(base / "in"))
    assert look(base / "in") == tree
    digest = capture_tree(Store(str(base / "cache2")), str(base / "in"), move=True).digest
    assert digest == copied.digest and copied.skipped == []
    export_tree(store, digest, str(base / "out"), hardlinks=hardlinks)
    assert look(base / "out") == tree
    export_tree(store, digest, str(base / "out"))
    assert look(base / "out") == tree


@settings(max_examples=30, deadline=None)
@given(TREES)
def test_any_tree_survives_an_archive(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    base = tmp_path_factory.mktemp("tar")
    make(base / "in", tree)
    store = Store(str(base / "cache"))
    digest = capture_tree(store, str(base / "in")).digest
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        write_tar(store, digest, archive, ".", 1321009871)
    buffer.seek(0)
    (base / "out").mkdir()
    with tarfile.open(fileobj=buffer) as archive:
        assert all(member.mtime == 1321009871 and member.uid == 0 for member in archive)
        # Not the argument "filter": early releases of Python 3.11 do not have it.
        archive.extraction_filter = lambda member, path: member
        archive.extractall(base / "out")
    assert look(base / "out") == tree


def test_the_owner_s_bit_makes_a_file_executable(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, mode in (("u", 0o744), ("g", 0o654), ("o", 0o645)):
        (tmp_path / "in" / name).write_text("x")
        (tmp_path / "in" / name).chmod(mode)
    store = Store(str(tmp_path / "cache"))
    nodes = store.listing(capture_tree(store, str(tmp_path / "in")).digest).nodes
    assert {name for name, node in nodes.items() if isinstance(node, FileNode) and node.executable} == {"u"}


def test_pipes_and_sockets_are_left_out_and_reported(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    os.mkfifo(tmp_path / "in" / "sub" / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "in" / "sock"))
        store = Store(str(tmp_path / "cache"))
        captured = capture_tree(store, str(tmp_path / "in"))
    assert sorted(captured.skipped) == ["sock", "sub/pipe"]
    assert list(store.listing(captured.digest).nodes) == ["sub"]


def test_a_name_that_is_not_utf8_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / os.fsdecode(b"b\xff")).write_text("x")
    with pytest.raises(CasError, match=r"in/b\\xff") as caught:
        capture_tree(Store(str(tmp_path / "cache")), str(tmp_path / "in"))
    assert caught.value.reason == "invalid-file-name"


def test_a_deep_tree_works_and_a_bottomless_one_is_a_clear_error(tmp_path: Path) -> None:
    from grilse.storage.capture import MAX_DEPTH
    from grilse.storage.directory import CasDirectory

    store = Store(str(tmp_path / "cache"))
    (tmp_path / "in" / "/".join("d" * MAX_DEPTH)).mkdir(parents=True)
    digest = capture_tree(store, str(tmp_path / "in")).digest
    tree = CasDirectory(store, digest)
    tree.import_files(CasDirectory(store, digest), filter_callback=lambda path: True)
    assert len(list(tree.list_relative_paths())) == MAX_DEPTH and tree.digest() == digest and tree.size() > 0
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        tree.export_to_tar(archive, "x")
    export_tree(store, digest, str(tmp_path / "out"))
    (tmp_path / "in" / "/".join("d" * (MAX_DEPTH + 1))).mkdir()
    with pytest.raises(CasError) as caught:
        capture_tree(store, str(tmp_path / "in"))
    assert caught.value.reason == "tree-too-deep"


def test_a_directory_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CasError, match="nowhere"):
        capture_tree(Store(str(tmp_path / "cache")), str(tmp_path / "nowhere"))


def test_times_are_kept_on_request_cut_to_microseconds(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a").write_text("x")
    os.utime(tmp_path / "in" / "a", ns=(0, 1_577_934_245_123_456_789))
    os.utime(tmp_path / "in" / "sub", ns=(0, -500_000_000))
    store = Store(str(tmp_path / "cache"))
    root = store.listing(capture_tree(store, str(tmp_path / "in"), mtimes=True).digest)
    assert root.mtime is None
    file, sub = root.nodes["a"], root.nodes["sub"]
    assert isinstance(file, FileNode) and file.mtime == 1_577_934_245_123_456_000
    assert isinstance(sub, DirectoryNode) and store.listing(sub.digest).mtime == -500_000_000
    digest = capture_tree(store, str(tmp_path / "in"), mtimes=True).digest
    export_tree(store, digest, str(tmp_path / "out"), hardlinks=True)
    assert (tmp_path / "out" / "a").stat().st_mtime_ns == 1_577_934_245_123_456_000
    assert (tmp_path / "out" / "sub").stat().st_mtime_ns == -500_000_000


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in"
    make(source, {"a": (b"1", False), "d": {"b": (b"2" * 3_000_000, True)}})
    old = 1_600_000_000
    store = Store(str(tmp_path / "cache"))
    # The change time cannot be set, so time itself is moved on.
    monkeypatch.setattr("time.time_ns", lambda: (old + 2_000_000_000) * 1_000_000_000)
    first = capture_tree(store, str(source), remember=True)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a file was read")

    monkeypatch.setattr(Store, "add_descriptor", refuse)
    assert capture_tree(store, str(source), remember=True) == first
    monkeypatch.undo()
    (source / "a").write_bytes(b"9")
    os.utime(source / "a", (old, old))
    changed = capture_tree(store, str(source), remember=True)
    assert changed.digest != first.digest
    assert changed == capture_tree(Store(str(tmp_path / "cache2")), str(source))


def test_a_file_as_young_as_the_clock_s_grain_is_not_trusted(tmp_path: Path) -> None:
    source = tmp_path / "in"
    make(source, {"a": (LARGE, False)})
    store = Store(str(tmp_path / "cache"))
    status = os.stat(source / "a")
    first = capture_tree(store, str(source), remember=True)
    # A write within the same tick: status as before, content another.
    (source / "a").write_bytes(LARGE[::-1])
    os.utime(source / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert capture_tree(store, str(source), remember=True).digest != first.digest


def test_a_remembered_digest_without_its_blob_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in", {"a": (LARGE, False)})
    store = Store(str(tmp_path / "cache"))
    monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000 * 1_000_000_000)
    capture_tree(store, str(tmp_path / "in"), remember=True)
    os.unlink(store.path(digest_bytes(LARGE)))
    capture_tree(store, str(tmp_path / "in"), remember=True)
    assert store.contains(digest_bytes(LARGE))


def test_a_damaged_stat_cache_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in", {"a": (LARGE, False)})
    monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000 * 1_000_000_000)
    store = Store(str(tmp_path / "cache"))
    first = capture_tree(store, str(tmp_path / "in"), remember=True)
    assert os.listdir(tmp_path / "cache" / "grilse" / "stat")
    for name in os.listdir(tmp_path / "cache" / "grilse" / "stat"):
        (tmp_path / "cache" / "grilse" / "stat" / name).write_bytes(b"\x93\xff\x00")
    assert capture_tree(store, str(tmp_path / "in"), remember=True) == first


def test_nothing_is_remembered_of_what_is_quickly_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in", {"a": (b"1", False)})
    make(tmp_path / "many", {str(number): (b"1", False) for number in range(40)})
    monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000 * 1_000_000_000)
    store = Store(str(tmp_path / "cache"))
    capture_tree(store, str(tmp_path / "in"), remember=True)
    assert not (tmp_path / "cache" / "grilse" / "stat").exists()
    capture_tree(store, str(tmp_path / "many"), remember=True)
    assert len(os.listdir(tmp_path / "cache" / "grilse" / "stat")) == 1


def test_hard_links_share_the_blob_except_where_that_would_change_it(tmp_path: Path) -> None:
    make(tmp_path / "in", {"plain": (b"1", False), "run": (b"2", True)})
    store = Store(str(tmp_path / "cache"))
    digest = capture_tree(store, str(tmp_path / "in")).digest
    export_tree(store, digest, str(tmp_path / "out"), hardlinks=True)
    assert (tmp_path / "out" / "plain").stat().st_ino == os.stat(store.path(digest_bytes(b"1"))).st_ino
    assert (tmp_path / "out" / "run").stat().st_ino != os.stat(store.path(digest_bytes(b"2"))).st_ino
    assert stat.S_IMODE(os.stat(store.path(digest_bytes(b"2"))).st_mode) == 0o444


def test_a_link_in_the_way_is_replaced_and_never_followed(tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": (b"1", False), "d": {"b": (b"2", False)}})
    make(tmp_path / "elsewhere", {"b": (b"mine", False)})
    make(tmp_path / "out", {"a": "../elsewhere/b", "d": "../elsewhere"})
    store = Store(str(tmp_path / "cache"))
    export_tree(store, capture_tree(store, str(tmp_path / "in")).digest, str(tmp_path / "out"))
    assert look(tmp_path / "out") == look(tmp_path / "in")
    assert look(tmp_path / "elsewhere") == {"b": (b"mine", False)}


def test_a_checkout_without_a_blob_is_a_clear_error(tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": (b"1", False)})
    store = Store(str(tmp_path / "cache"))
    digest = capture_tree(store, str(tmp_path / "in")).digest
    os.unlink(store.path(digest_bytes(b"1")))
    with pytest.raises(CasError) as caught:
        export_tree(store, digest, str(tmp_path / "out"))
    assert caught.value.reason == "missing-blob"
