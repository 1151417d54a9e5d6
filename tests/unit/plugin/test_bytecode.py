"""Compiled plugins are kept by content, and never trusted when damaged."""

from __future__ import annotations

from pathlib import Path
from types import CodeType

import pytest

from grilse.plugin import bytecode
from grilse.plugin.bytecode import compiled


def value(directory: Path, source: str, path: str = "/p/plugin.py", *, fresh: bool) -> object:
    """What the code defines; `fresh` says whether it should have had to be compiled."""
    calls: list[str] = []

    def compile_source() -> CodeType:
        calls.append(source)
        return compile(source, path, "exec")

    namespace: dict[str, object] = {}
    code = compiled(str(directory), path, source.encode(), compile_source)
    assert code.co_filename == path
    exec(code, namespace)
    assert bool(calls) is fresh
    return namespace["x"]


def test_code_is_compiled_once_for_each_content_and_place(tmp_path: Path) -> None:
    directory = tmp_path / "cache" / "bytecode"
    assert value(directory, "x = 1", fresh=True) == 1
    assert value(directory, "x = 1", fresh=False) == 1
    assert value(directory, "x = 2", fresh=True) == 2
    assert value(directory, "x = 1", path="/q/plugin.py", fresh=True) == 1


@pytest.mark.parametrize("damage", [b"", b"x" * 100, None])
def test_damaged_entries_are_compiled_again(damage: bytes | None, tmp_path: Path) -> None:
    value(tmp_path, "x = 1", fresh=True)
    [entry] = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:-1] if damage is None else damage)
    assert value(tmp_path, "x = 1", fresh=True) == 1
    assert value(tmp_path, "x = 1", fresh=False) == 1


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert value(tmp_path / "file", "x = 1", fresh=True) == 1


def test_the_oldest_entries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "MAX_ENTRIES", 8)
    for number in range(20):
        value(tmp_path, f"x = {number}", fresh=True)
    assert len(list(tmp_path.iterdir())) <= 8
    assert value(tmp_path, "x = 19", fresh=False) == 19


def test_sources_that_do_not_compile_say_so(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError):
        value(tmp_path, "x =", fresh=True)
    assert not list(tmp_path.iterdir())
