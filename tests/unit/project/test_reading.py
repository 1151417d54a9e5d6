"""YAML becomes nodes with places; what was parsed is kept by content and never trusted when damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from grilse.plugin.node import FileInfo, MappingNode
from grilse.project import parsed_cache, yaml_reader
from grilse.project.files import YamlFiles
from grilse.project.yaml_reader import read_yaml
from grilse.protocol.errors import LoadError

TEXT = """# comment
kind: manual
variables:
  a: ' x '
  b: |
    one
    two
list:
- c
- - d
- e: f
(?):
- debug: {}
"""


def read(text: str | bytes) -> MappingNode:
    file = FileInfo("/p/a.bst", "a.bst", "a.bst")
    return read_yaml(text.encode() if isinstance(text, str) else text, file)


def test_every_node_knows_its_place() -> None:
    node = read(TEXT)
    places = {
        "variables": "a.bst [line 4 column 2]",
        "list": "a.bst [line 9 column 0]",
        "kind": "a.bst [line 2 column 6]",
    }
    assert {key: str(node.get_node(key).get_provenance()) for key in places} == places
    assert node.file.conditionals
    assert not node.file.directives
    assert not node.file.includes


def test_scalars_are_stripped_text() -> None:
    node = read("a: ' x '\nb: |\n  one\n  two\nc: 1\nd: yes\ne: ~\nf:\n")
    assert node.strip_node_info() == {"a": "x", "b": "one\ntwo", "c": "1", "d": "yes", "e": "~", "f": ""}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a: 1\nb: \xff\n", "a.bst [line 2 column 0]"),
        (b"\xff\xfea\x00:\x00", "a.bst [line 1 column 0]"),
        (b"a: " + b"[" * 20_000, "a.bst [line 1"),
        (b"a: \x00", "a.bst"),
    ],
)
def test_bytes_that_are_no_yaml_are_refused_with_a_place(data: bytes, place: str) -> None:
    with pytest.raises(LoadError) as caught:
        read(data)
    assert caught.value.reason == "INVALID_YAML"
    assert caught.value.where.startswith(place)


def test_files_beyond_the_bounds_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(yaml_reader, "MAX_NODES", 10)
    with pytest.raises(LoadError, match="more than 10 values"):
        read("a: [" + "b, " * 20 + "]")
    monkeypatch.setattr("grilse.project.files.MAX_BYTES", 10)
    (tmp_path / "a.bst").write_text("description: long\n")
    with pytest.raises(LoadError, match="larger than 10 bytes"):
        YamlFiles(None).load(str(tmp_path / "a.bst"))


def _directory(path: Path) -> str:
    path.mkdir()
    return str(path)


def _pipe(path: Path) -> str:
    os.mkfifo(path)
    return str(path)


def _circular_link(path: Path) -> str:
    path.symlink_to(path)
    return str(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_directory, "LOADING_DIRECTORY"),
        pytest.param(_pipe, "MISSING_FILE", marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")),
        (_circular_link, "MISSING_FILE"),
        (str, "MISSING_FILE"),
        (lambda path: f"{path}\0", "MISSING_FILE"),
    ],
)
def test_what_is_no_file_is_refused_at_once(make: Callable[[Path], str], reason: str, tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        YamlFiles(None).load(make(tmp_path / "x"))
    assert caught.value.reason == reason


def loaded_twice(tmp_path: Path, between: Callable[[Path], None] = lambda cache: None) -> tuple[YamlFiles, MappingNode]:
    """Load a file, save, do something to the cache, and load the file again in a new session."""
    path = tmp_path / "a.bst"
    if not path.exists():
        path.write_text(TEXT)
    first = YamlFiles(str(tmp_path / "cache"))
    first.load(str(path), "a.bst", owner=str(tmp_path))
    first.save()
    between(tmp_path / "cache")
    second = YamlFiles(str(tmp_path / "cache"))
    return second, second.load(str(path), "a.bst", owner=str(tmp_path), project="the project")


def test_what_was_parsed_is_reused_with_every_place(tmp_path: Path) -> None:
    files, node = loaded_twice(tmp_path)
    assert (files.parsed, files.reused) == (0, 1)
    assert node.strip_node_info() == read(TEXT).strip_node_info()
    assert str(node.get_mapping("variables").get_node("b").get_provenance()) == "a.bst [line 5 column 5]"
    assert node.file.conditionals
    assert node.file.project == "the project"
    assert node.file.toplevel is node


def test_a_changed_file_is_parsed_again(tmp_path: Path) -> None:
    files, node = loaded_twice(tmp_path, lambda cache: (tmp_path / "a.bst").write_text("kind: x\n") and None)
    assert (files.parsed, files.reused) == (1, 0)
    assert node.get_str("kind") == "x"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-3],
        lambda data: b"grilse parsed yaml 0\n" + data[21:],
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    ],
    ids=["empty", "cut", "other version", "flipped bit"],
)
def test_a_damaged_cache_is_ignored(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    def spoil(cache: Path) -> None:
        for pack in cache.iterdir():
            pack.write_bytes(damage(pack.read_bytes()))

    files, node = loaded_twice(tmp_path, spoil)
    assert files.parsed == 1
    assert node.get_str("kind") == "manual"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    files, node = loaded_twice(tmp_path)
    assert files.parsed == 1
    assert node.get_str("kind") == "manual"


def test_sessions_that_save_one_after_the_other_keep_each_others_entries(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.bst").write_text(f"kind: {name}\n")
    sessions = [YamlFiles(str(tmp_path / "cache")) for _ in range(2)]
    for session, name in zip(sessions, "ab", strict=True):
        session.load(str(tmp_path / f"{name}.bst"), owner="p")
    for session in sessions:
        session.save()
    last = YamlFiles(str(tmp_path / "cache"))
    for name in "ab":
        last.load(str(tmp_path / f"{name}.bst"), owner="p")
    assert last.reused == 2


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_cache, "MAX_PACKS", 3)
    (tmp_path / "a.bst").write_text(TEXT)
    for number in range(6):
        files = YamlFiles(str(tmp_path / "cache"))
        files.load(str(tmp_path / "a.bst"), owner=f"p{number}")
        files.save()
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_pack_that_grows_too_large_keeps_what_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_cache, "MAX_PACK_BYTES", 2000)
    for number in range(20):
        (tmp_path / "a.bst").write_text(f"kind: x\ndescription: {number:0200d}\n")
        files = YamlFiles(str(tmp_path / "cache"))
        files.load(str(tmp_path / "a.bst"), owner="p")
        files.save()
    [pack] = (tmp_path / "cache").iterdir()
    assert pack.stat().st_size < 2500
    again = YamlFiles(str(tmp_path / "cache"))
    again.load(str(tmp_path / "a.bst"), owner="p")
    assert again.reused == 1
