"""The store keeps blobs whole, whatever happens to it."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from grilse.protocol.errors import CasError, ErrorDomain
from grilse.storage.digest import EMPTY, Digest, digest_bytes
from grilse.storage.store import Store

BIG = bytes(range(256)) * 8192  # 2 MiB, above what is read at once


def leftovers(store: Store) -> list[str]:
    return os.listdir(store.tmpdir) if os.path.isdir(store.tmpdir) else []


def test_what_is_added_is_read_back_from_bst_s_layout(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    digest = store.add_bytes(b"hello")
    assert digest == digest_bytes(b"hello")
    path = tmp_path / "cas" / "objects" / digest.hash[:2] / digest.hash[2:]
    assert path.read_bytes() == b"hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert store.contains(digest) and store.read(digest, verify=True) == b"hello"
    assert leftovers(store) == []


@pytest.mark.parametrize("content", [b"", b"x", BIG])
def test_a_file_is_added_and_stays(tmp_path: Path, content: bytes) -> None:
    store = Store(str(tmp_path / "cache"))
    (tmp_path / "file").write_bytes(content)
    digest = store.add_file(str(tmp_path / "file"))
    assert digest == digest_bytes(content) and store.read(digest, verify=True) == content
    assert (tmp_path / "file").read_bytes() == content
    assert leftovers(store) == []


@pytest.mark.parametrize("content", [b"", b"x", BIG])
def test_a_moved_file_is_taken_without_being_copied(tmp_path: Path, content: bytes) -> None:
    store = Store(str(tmp_path / "cache"))
    (tmp_path / "file").write_bytes(content)
    inode = (tmp_path / "file").stat().st_ino
    digest = store.add_file(str(tmp_path / "file"), move=True)
    assert os.stat(store.path(digest)).st_ino == inode
    assert stat.S_IMODE(os.stat(store.path(digest)).st_mode) == 0o444


def test_a_file_with_other_names_is_not_moved(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "cache"))
    (tmp_path / "file").write_bytes(b"x")
    os.link(tmp_path / "file", tmp_path / "other")
    digest = store.add_file(str(tmp_path / "file"), move=True)
    (tmp_path / "other").write_bytes(b"changed")
    assert store.read(digest, verify=True) == b"x"


@pytest.mark.parametrize("damage", [b"", b"hel", b"hello, and more"])
def test_a_blob_of_the_wrong_size_is_absent_and_repaired_by_adding(tmp_path: Path, damage: bytes) -> None:
    store = Store(str(tmp_path))
    digest = store.add_bytes(b"hello")
    os.chmod(store.path(digest), 0o644)
    Path(store.path(digest)).write_bytes(damage)
    assert not store.contains(digest)
    assert store.missing([digest, EMPTY, digest]) == [digest]
    with pytest.raises(CasError) as caught:
        store.read(digest)
    assert caught.value.reason == "missing-blob" and caught.value.domain is ErrorDomain.CAS
    store.add_bytes(b"hello")
    assert store.read(digest, verify=True) == b"hello"


def test_other_content_of_the_right_size_is_found_when_asked_for(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    digest = store.add_bytes(b"hello")
    os.chmod(store.path(digest), 0o644)
    Path(store.path(digest)).write_bytes(b"jello")
    assert store.read(digest) == b"jello"
    with pytest.raises(CasError) as caught:
        store.read(digest, verify=True)
    assert caught.value.reason == "corrupt-blob"


def test_an_absent_blob_is_an_error_that_names_it(tmp_path: Path) -> None:
    digest = digest_bytes(b"x")
    with pytest.raises(CasError, match=digest.hash) as caught:
        Store(str(tmp_path)).read(digest)
    assert caught.value.reason == "missing-blob"


def test_the_blob_of_no_bytes_is_never_missing(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert store.missing([EMPTY]) == []
    assert store.read(EMPTY, verify=True) == b""


def test_a_received_blob_is_checked(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    digest = digest_bytes(b"hello")
    with store.receive(digest) as file:
        file.write(b"hel")
        file.write(b"lo")
    assert store.read(digest, verify=True) == b"hello"
    other = digest_bytes(b"other")
    with pytest.raises(CasError) as caught, store.receive(other) as file:
        file.write(b"hello")
    assert caught.value.reason == "corrupt-blob" and not store.contains(other)
    with pytest.raises(KeyboardInterrupt), store.receive(other) as file:
        file.write(b"other")
        raise KeyboardInterrupt
    assert not store.contains(other) and leftovers(store) == []


def test_many_threads_add_the_same_blobs(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait(10)
        for number in range(100):
            store.add_bytes(b"%d" % number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.missing([digest_bytes(b"%d" % number) for number in range(100)]) == []
    assert leftovers(store) == []


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    store.add_bytes(b"before")

    def full(descriptor: int, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CasError, match="no space left") as caught:
        store.add_bytes(b"after")
    monkeypatch.undo()
    assert caught.value.reason == "cache-too-full" and caught.value.domain is ErrorDomain.CAS
    assert not store.contains(digest_bytes(b"after")) and leftovers(store) == []


def test_a_cache_directory_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(CasError, match="cache"):
        Store(str(tmp_path / "cache")).add_bytes(b"x")


def test_an_unreadable_source_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CasError, match="nowhere"):
        Store(str(tmp_path)).add_file(str(tmp_path / "nowhere"))
    with pytest.raises(CasError):
        Store(str(tmp_path / "cache")).add_file(str(tmp_path))


def test_a_strict_umask_does_not_make_blobs_unreadable(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        store = Store(str(tmp_path))
        digest = store.add_bytes(b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(os.stat(store.path(digest)).st_mode) == 0o444


def test_use_makes_a_blob_recent_once(tmp_path: Path) -> None:
    digest = Store(str(tmp_path)).add_bytes(b"x")
    path = Store(str(tmp_path)).path(digest)
    os.utime(path, (1, 1))
    store = Store(str(tmp_path))
    absent = Digest("0" * 64, 1)
    assert store.use([digest, absent]) == [absent]
    assert os.stat(path).st_mtime > 1


def test_what_casd_noted_of_the_total_is_dropped_when_it_becomes_wrong(tmp_path: Path) -> None:
    (tmp_path / "cas").mkdir()
    (tmp_path / "cas" / "disk_usage").write_text("123")
    store = Store(str(tmp_path))
    store.contains(EMPTY)
    store.add_bytes(b"x")
    assert not (tmp_path / "cas" / "disk_usage").exists()


def test_decoded_directories_are_kept_within_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grilse.storage import store as module
    from grilse.storage.messages import Listing, SymlinkNode

    monkeypatch.setattr(module, "_LISTING_BUDGET", 100)
    store = Store(str(tmp_path))
    digests = [store.add_listing(Listing({f"{number}": SymlinkNode("x")})) for number in range(100)]
    assert len(store._listings) < 40
    assert [list(store.listing(digest).nodes) for digest in digests] == [[f"{number}"] for number in range(100)]
