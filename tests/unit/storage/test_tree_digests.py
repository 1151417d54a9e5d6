"""The digest of a host tree is remembered exactly as long as nothing in it has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grilse.storage import treedigests
from grilse.storage.capture import capture_tree
from grilse.storage.store import Store
from grilse.storage.treedigests import TreeDigests


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree old enough to be remembered."""
    root = tmp_path / "root" / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_text("one\n")
    (root / "sub" / "b").write_text("two\n")
    (root / "link").symlink_to("a")
    return root


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time have passed since the tree was written."""
    monkeypatch.setattr(treedigests.time, "time_ns", lambda: 1 << 62)


def test_the_digest_is_that_of_the_captured_tree(tree: Path, tmp_path: Path) -> None:
    digest = TreeDigests(None, str(tmp_path)).find(str(tree))
    assert digest == capture_tree(Store(str(tmp_path / "cache")), str(tree)).digest


def test_times_are_part_of_the_digest_only_on_request(tree: Path, tmp_path: Path) -> None:
    digests = TreeDigests(None, str(tmp_path))
    assert digests.find(str(tree)) != digests.find(str(tree), mtimes=True)


def test_nothing_is_read_again_when_nothing_changed(
    tree: Path, tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = str(tmp_path / "cache")
    first = TreeDigests(cache, str(tmp_path))
    digest = first.find(str(tree))
    first.save()
    second = TreeDigests(cache, str(tmp_path))
    monkeypatch.setattr(treedigests, "capture_tree", None)
    assert second.find(str(tree)) == digest


@pytest.mark.parametrize("what", ["content", "mode", "new", "gone", "link", "name"])
def test_every_change_is_seen(tree: Path, tmp_path: Path, settled: None, what: str) -> None:
    cache = str(tmp_path / "cache")
    first = TreeDigests(cache, str(tmp_path))
    before = first.find(str(tree))
    first.save()
    file = tree / "sub" / "b"
    if what == "content":
        status = file.stat()
        file.write_text("six\n")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif what == "mode":
        file.chmod(0o755)
    elif what == "new":
        (tree / "sub" / "c").mkdir()
    elif what == "gone":
        file.unlink()
    elif what == "link":
        (tree / "link").unlink()
        (tree / "link").symlink_to("b")
    else:
        file.rename(tree / "sub" / "c")
    assert TreeDigests(cache, str(tmp_path)).find(str(tree)) != before


def test_a_file_written_just_now_is_not_trusted(tree: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    (tree / "a").write_text("new\n")
    first = TreeDigests(cache, str(tmp_path))
    first.find(str(tree))
    first.save()
    assert not (tmp_path / "cache").exists()


def test_a_file_is_the_only_entry_of_its_tree(tree: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "a").write_text("one\n")
    digests = TreeDigests(None, str(tmp_path))
    assert digests.find(str(tree / "a")) == digests.find(str(alone))


def test_damaged_memory_is_ignored(tree: Path, tmp_path: Path, settled: None) -> None:
    cache = tmp_path / "cache"
    first = TreeDigests(str(cache), str(tmp_path))
    digest = first.find(str(tree))
    first.save()
    (kept,) = (cache / "grilse" / "trees").iterdir()
    kept.write_bytes(b"\x93nonsense")
    assert TreeDigests(str(cache), str(tmp_path)).find(str(tree)) == digest
