"""Staging and capturing without mounting anything: messages, layers and upper directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grilse.protocol.errors import CasError
from grilse.sandbox.capture import Capture
from grilse.sandbox.fill import Filler, Known
from grilse.sandbox.spec import STAGED_MTIME
from grilse.sandbox.stack import Stacks
from grilse.sandbox.upper import Upper
from grilse.sandbox.view import Kind, View
from grilse.storage.digest import EMPTY, Digest
from grilse.storage.messages import DirectoryNode, FileNode, Listing
from grilse.storage.store import Store

from .conftest import Tree, get, put

_NAMES = st.sampled_from(["a", "b", "c", "é"])
_LEAVES = st.one_of(
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["", "1"]).map(lambda text: ("x", text)),
    st.sampled_from(["a", "/b", "../c"]).map(lambda text: ("->", text)),
)
TREES = st.recursive(
    st.dictionaries(_NAMES, _LEAVES, max_size=3),
    lambda inner: st.dictionaries(_NAMES, st.one_of(_LEAVES, inner), max_size=4),
    max_leaves=12,
)


class _Root:
    """A staged root that nothing is run on."""

    def __init__(self, store: Store, path: Path, layers: list[Digest]) -> None:
        path.mkdir()
        self.store = store
        self.stacks = Stacks(store)
        self.lower = tuple(dict.fromkeys(reversed(layers)))
        self.known = Known()
        self.path = str(path)
        self.upper = Upper(self.stacks, Filler(store, self.known), self.path)
        self.view = View(self.stacks, self.lower, self.path)
        self.seen = self.lower or (EMPTY,)

    def stage(self, digest: Digest) -> None:
        self.upper.bring(self.lower, self.seen, digest)
        self.seen = (digest,)

    def captured(self, **options: bool) -> Digest:
        return Capture(self.stacks, self.known, **options).directory(self.lower, self.path)

    def looked_at(self, path: str = "/") -> Tree:
        place = self.view.find(path)
        assert place is not None
        tree: Tree = {}
        for child in self.view.children(place):
            name = os.path.basename(child.path)
            if child.kind is Kind.DIRECTORY:
                tree[name] = self.looked_at(child.path)
            elif child.kind is Kind.SYMLINK:
                tree[name] = ("->", child.target)
            else:
                content = Path(child.upper).read_text()
                tree[name] = ("x", content) if child.executable else content
        return tree


def overlaid(trees: list[Tree]) -> Tree:
    """What an overlay of trees shows, bottom first, worked out on the dictionaries."""
    result: Tree = {}
    for tree in trees:
        for name, value in tree.items():
            below = result.get(name)
            if isinstance(value, dict):
                result[name] = overlaid([below, value]) if isinstance(below, dict) else value
            else:
                result[name] = value
    return result


_EACH = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_EACH
@given(layers=st.lists(TREES, max_size=4))
def test_a_stack_of_directories_shows_what_an_overlay_shows(layers: list[Tree], store: Store) -> None:
    stacks = Stacks(store)
    digest = stacks.digest(tuple(dict.fromkeys(put(store, tree) for tree in reversed(layers))) or (EMPTY,))
    assert get(store, digest) == overlaid(layers)


@_EACH
@given(layers=st.lists(TREES, max_size=3), wanted=st.lists(TREES, min_size=1, max_size=3))
def test_whatever_lies_below_what_is_staged_is_what_is_seen_and_captured(
    layers: list[Tree], wanted: list[Tree], store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = _Root(store, tmp_path_factory.mktemp("root") / "upper", [put(store, tree) for tree in layers])
    for tree in wanted:
        digest = put(store, tree)
        root.stage(digest)
        assert root.looked_at() == tree
        assert root.captured() == digest


def test_a_root_that_the_layers_show_already_costs_no_writing(store: Store, tmp_path: Path) -> None:
    low, high = put(store, {"a": {"x": "1"}, "b": "2"}), put(store, {"a": {"y": "3"}})
    root = _Root(store, tmp_path / "upper", [low, high])
    root.stage(put(store, {"a": {"x": "1", "y": "3"}, "b": "2"}))
    assert os.listdir(root.path) == []


def test_staged_files_have_the_modes_and_times_of_bst(store: Store, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        root = _Root(store, tmp_path / "upper", [])
        root.stage(put(store, {"d": {"f": "1", "p": ("x", "2"), "l": ("->", "f")}}))
    finally:
        os.umask(before)
    modes = {name: os.lstat(f"{root.path}/{name}").st_mode & 0o777 for name in ("d", "d/f", "d/p")}
    assert modes == {"d": 0o755, "d/f": 0o644, "d/p": 0o755}
    for name in ("", "d", "d/f", "d/p", "d/l"):
        assert os.lstat(f"{root.path}/{name}").st_mtime == STAGED_MTIME, name


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(store: Store, tmp_path: Path) -> None:
    root = _Root(store, tmp_path / "upper", [])
    root.stage(put(store, {"same": "1", "changed": "2"}))
    status = os.stat(f"{root.path}/changed")
    with open(f"{root.path}/changed", "w") as file:
        file.write("3")
    # Only the change time tells.
    os.utime(f"{root.path}/changed", ns=(status.st_atime_ns, status.st_mtime_ns))
    capture = Capture(root.stacks, root.known)
    assert get(store, capture.directory((), root.path)) == {"same": "1", "changed": "3"}
    assert capture.files == 1


def test_what_cannot_be_kept_is_dropped_and_modes_are_reduced(store: Store, tmp_path: Path) -> None:
    root = _Root(store, tmp_path / "upper", [])
    os.mkfifo(f"{root.path}/pipe")
    for name, mode in (("none", 0), ("owner", 0o100), ("group", 0o010), ("setuid", 0o4755), ("private", 0o600)):
        with open(f"{root.path}/{name}", "w") as file:
            file.write(name)
        os.chmod(f"{root.path}/{name}", mode)
    os.mkdir(f"{root.path}/closed")
    (tmp_path / "upper/closed/in").write_text("in")
    os.chmod(f"{root.path}/closed", 0)
    wanted: Tree = {
        "none": "none",
        "owner": ("x", "owner"),
        "group": "group",
        "setuid": ("x", "setuid"),
        "private": "private",
        "closed": {"in": "in"},
    }
    assert get(store, root.captured()) == wanted


def test_what_was_captured_and_stays_looks_as_if_it_had_been_staged(store: Store, tmp_path: Path) -> None:
    root = _Root(store, tmp_path / "upper", [put(store, {"gone": "1"})])
    os.mkfifo(f"{root.path}/gone")
    (tmp_path / "upper/f").write_text("2")
    os.chmod(f"{root.path}/f", 0o4711)
    digest = root.captured(settle=True)
    assert get(store, digest) == {"f": ("x", "2")}
    assert root.looked_at() == {"f": ("x", "2")}
    status = os.stat(f"{root.path}/f")
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o755, STAGED_MTIME)


def test_what_was_captured_and_stays_has_no_hard_links(store: Store, tmp_path: Path) -> None:
    root = _Root(store, tmp_path / "upper", [])
    (tmp_path / "upper/f").write_text("1")
    for name in ("g", "h"):
        os.link(f"{root.path}/f", f"{root.path}/{name}")
    for _ in range(2):
        assert get(store, root.captured(settle=True)) == {"f": "1", "g": "1", "h": "1"}
        assert {os.stat(f"{root.path}/{name}").st_nlink for name in "fgh"} == {1}
        assert {os.stat(f"{root.path}/{name}").st_mtime for name in "fgh"} == {STAGED_MTIME}


def test_new_files_are_moved_into_the_store_when_nothing_runs_any_more(store: Store, tmp_path: Path) -> None:
    root = _Root(store, tmp_path / "upper", [])
    (tmp_path / "upper/f").write_text("content")
    inode = os.stat(f"{root.path}/f").st_ino
    digest = root.captured(move=True)
    assert get(store, digest) == {"f": "content"}
    assert os.stat(store.path(store.listing(digest).nodes["f"].digest)).st_ino == inode  # type: ignore[union-attr]


def test_a_name_that_no_message_can_hold_is_an_orderly_error(store: Store, tmp_path: Path) -> None:
    root = _Root(store, tmp_path / "upper", [])
    os.mkdir(os.fsencode(root.path) + b"/\xff")
    with pytest.raises(CasError) as caught:
        root.captured()
    assert caught.value.reason == "invalid-file-name"


def test_a_tree_deeper_than_the_interpreter_recurses_is_merged(store: Store) -> None:
    digest = put(store, {"f": "bottom"})
    other = put(store, {"g": "bottom"})
    for _ in range(1100):
        digest, other = _wrap(store, digest), _wrap(store, other)
    stacks = Stacks(store)
    assert stacks.digest((digest, other)) not in (digest, other)


def _wrap(store: Store, inner: Digest) -> Digest:
    return store.add_listing(Listing({"d": DirectoryNode(inner)}))


def test_times_that_a_tree_holds_are_staged_and_captured_again(store: Store, tmp_path: Path) -> None:
    file = FileNode(store.add_bytes(b"1"), False, 1_000_002_000)
    inner = store.add_listing(Listing({"f": file}, None, 2_000_003_000))
    wanted = store.add_listing(Listing({"d": DirectoryNode(inner), "g": file}, None, 3_000_004_000))
    for number, layers in enumerate(([], [put(store, {"d": {"f": "1"}, "g": "1"})])):
        root = _Root(store, tmp_path / f"upper{number}", layers)
        root.stage(wanted)
        times = [os.stat(f"{root.path}/{name}").st_mtime_ns for name in ("d/f", "d", "g", "")]
        assert times == [1_000_002_000, 2_000_003_000, 1_000_002_000, 3_000_004_000]
        for _ in range(2):
            assert root.captured(mtimes=True, settle=True) == wanted
        assert get(store, root.captured()) == {"d": {"f": "1"}, "g": "1"}
