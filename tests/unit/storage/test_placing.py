"""What is put in the place of what a user has is there as a whole, and what cannot be put there changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grilse.platform.files import exchange
from grilse.storage import placing
from grilse.storage.placing import move_into, put_in_place, replace_tree
from grilse.storage.userfiles import write_user_file


def tree(root: Path, **files: str) -> Path:
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (root / name.replace("__", "/")).write_text(text)
    return root


def texts(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(params=[True, False], ids=["exchanging", "renaming"])
def can_exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    """Both ways: at once, and where the system or the file system has no way to let paths change places."""
    if not request.param:
        monkeypatch.setattr(placing, "exchange", lambda one, other: False)
    elif not exchange(str(tree(tmp_path / "x")), str(tree(tmp_path / "y"))):
        pytest.skip("paths cannot change places here")
    return bool(request.param)


def test_entries_are_merged_and_replace_files_links_and_empty_directories(tmp_path: Path, can_exchange: bool) -> None:
    new = tree(tmp_path / "new", both__a="new", both__b="new", file="new", empty="new", link__inside="new")
    old = tree(tmp_path / "old", both__a="old", both__mine="old", file="old", mine="old", elsewhere__x="old")
    (old / "empty").mkdir()
    (old / "link").symlink_to("elsewhere")
    move_into(str(new), str(old))
    assert texts(old) == {
        "both/a": "new",
        "both/b": "new",
        "both/mine": "old",
        "elsewhere/x": "old",
        "empty": "new",
        "file": "new",
        "link/inside": "new",
        "mine": "old",
    }
    assert not (old / "link").is_symlink()


def test_a_file_does_not_replace_a_directory_that_holds_something(tmp_path: Path) -> None:
    new = tree(tmp_path / "new", a="new", place="new")
    old = tree(tmp_path / "old", a="old", place__mine="old")
    before = texts(old)
    with pytest.raises(FileExistsError, match=r"place' is a directory that is not empty"):
        move_into(str(new), str(old))
    assert texts(old) == before


@pytest.mark.parametrize("made", [True, False])
def test_a_new_directory_appears_at_once(tmp_path: Path, made: bool) -> None:
    new, place = tree(tmp_path / "new", a="new", d__b="new"), tmp_path / "place"
    if made:
        place.mkdir()
    put_in_place(str(new), str(place))
    assert texts(place) == {"a": "new", "d/b": "new"} and not new.exists()


def test_a_replaced_directory_is_kept_aside(tmp_path: Path, can_exchange: bool) -> None:
    new, old = tree(tmp_path / "new", a="new", d__b="new"), tree(tmp_path / "old", a="old", mine__x="old")
    replace_tree(str(new), str(old), str(tmp_path / "aside"))
    assert texts(old) == {"a": "new", "d/b": "new"}
    assert texts(tmp_path / "aside") == {"a": "old", "mine/x": "old"}


def test_a_directory_is_replaced_from_within(tmp_path: Path) -> None:
    """As it is done where the directory above cannot be written to, or something is mounted on this one."""
    old = tree(tmp_path / "old", a="old", mine__x="old")
    new = tree(old / ".grilse-checkout-1", tree__a="new", tree__d__b="new") / "tree"
    replace_tree(str(new), str(old), str(new.parent / "aside"))
    assert {name: text for name, text in texts(old).items() if "checkout" not in name} == {"a": "new", "d/b": "new"}
    assert texts(new.parent / "aside") == {"a": "old", "mine/x": "old"}


def test_a_file_of_the_user_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "real" / "file"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("real/file")
    write_user_file(str(tmp_path / "link"), b"new")
    assert path.read_text() == "new" and (tmp_path / "link").is_symlink()
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_is_as_before_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_user_file(str(path), b"new")
    monkeypatch.undo()
    assert texts(tmp_path) == {"file": "old"}


def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    source = "import os, sys\nfrom grilse.storage import userfiles\n"
    wait = "os.write(1, b'x'), sys.stdin.read()"
    words = f"{source}userfiles.os.fsync = lambda d: ({wait})\nuserfiles.write_user_file(sys.argv[1], b'x')"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", words, str(tmp_path / f"other{number}")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.read(1) == b"x"
        assert len(os.listdir(tmp_path)) == 2
        writers[0].kill()
        writers[0].wait(10)
        write_user_file(str(tmp_path / "file"), b"new")
        assert len(os.listdir(tmp_path)) == 2
        writers[1].communicate(b"", 10)
        assert sorted(os.listdir(tmp_path)) == ["file", "other1"]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
