"""The command: what it prints, its exit status, and comparison for CI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from grilse.audit.command import run

from .corpus import audit_home


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with objects to audit, in the working directory."""
    name = "objects_to_audit"
    (tmp_path / f"{name}.py").write_text(
        "import os, threading\n"
        "class Box:\n"
        "    def __init__(self, **attributes): self.__dict__.update(attributes)\n"
        "def good(): return Box(numbers=list(range(int(os.environ.get('COUNT', '10')))))\n"
        "def bad(): return Box(lock=threading.Lock(), pair=[Box(lock=threading.Lock()), Box(lock=threading.Lock())])\n"
        "def fails(): raise ValueError('no object today')\n"
        "a_value = {'a': 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_an_object_that_crosses_gives_status_0(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["object", f"{module}:good"]) == 0
    shown = capsys.readouterr().out
    assert "Crosses to a spawned process: yes" in shown
    assert "box.numbers" in shown


def test_an_object_that_does_not_cross_gives_status_1_and_is_told_by_pattern(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["object", f"{module}:bad"]) == 1
    shown = capsys.readouterr().out
    assert "box.lock" in shown
    assert "box.pair[0].lock and 1 more like it" in shown
    assert run(["object", "--every", f"{module}:bad"]) == 1
    shown = capsys.readouterr().out
    assert "box.pair[1].lock" in shown


def test_a_value_need_not_be_callable(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["object", "--name", "settings", f"{module}:a_value"]) == 0
    assert "Spawn audit of settings" in capsys.readouterr().out


def test_too_many_bytes_give_status_1(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["object", "--max-bytes", "10", f"{module}:good"]) == 1
    assert "more than 10" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["{}:fails", "{}:missing", "no_such_module:x", "nonsense", ":"])
def test_an_object_that_cannot_be_had_gives_status_255_and_one_line(
    module: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["object", target.format(module)]) == 255
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ERROR: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["object"],
        ["compare", "one"],
        ["object", "a:b", "--format", "tables"],
        ["object", "a:b", "--", "x"],
    ],
)
def test_a_wrong_command_line_gives_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert capsys.readouterr().err


def test_an_unknown_start_method_gives_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["start", "--methods", "teleport"]) == 2
    assert "teleport" in capsys.readouterr().err


def test_json_is_whole_and_can_be_read_back(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["object", "--format", "json", f"{module}:bad"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["kind"] == "object"
    assert [blocker["path"] for blocker in data["blockers"]] == ["box.lock", "box.pair[0].lock", "box.pair[1].lock"]
    assert {blocker["cause"] for blocker in data["blockers"]} == {"lock"}
    assert data["proposals"][0]["verified"] is True


def test_markdown_has_tables_of_equal_width(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["object", "--format", "markdown", f"{module}:bad"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# Spawn audit of box"
    width = 0
    for line in lines:
        if line.startswith("| "):
            bars = line.replace("\\|", "").count("|")
            assert width in (0, bars)
            width = bars
        else:
            width = 0


def test_html_is_well_formed_and_escaped(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Checker(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag not in ("meta", "html"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag != "html":
                assert self.open.pop() == tag

    run(["object", "--format", "html", f"{module}:bad", "--name", "<script>"])
    text = capsys.readouterr().out
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_report_can_be_written_to_a_file(module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["object", f"{module}:good", "--output", "report.txt"]) == 0
    assert capsys.readouterr().out == ""
    assert "Spawn audit" in (tmp_path / "report.txt").read_text()
    assert run(["object", f"{module}:good", "--output", "no/such/folder"]) == 255


def _json(module: str, name: str, path: Path) -> str:
    run(["object", "--format", "json", "--output", str(path), f"{module}:{name}", "--name", "box"])
    return str(path)


def test_comparison_fails_when_something_stopped_crossing(
    module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = _json(module, "good", tmp_path / "good.json"), _json(module, "bad", tmp_path / "bad.json")
    capsys.readouterr()
    assert run(["compare", good, bad]) == 1
    shown = capsys.readouterr().out
    assert "WORSE  box.lock no longer crosses: lock" in shown
    assert "box.pair[*].lock" in shown
    assert run(["compare", bad, good]) == 0
    assert "better box.lock crosses now" in capsys.readouterr().out
    assert run(["compare", good, good]) == 0
    assert capsys.readouterr().out == "Nothing has changed.\n"


def test_comparison_fails_when_something_grew(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = _json(module, "good", tmp_path / "small.json")
    monkeypatch.setenv("COUNT", "1000")
    large = _json(module, "good", tmp_path / "large.json")
    capsys.readouterr()
    assert run(["compare", small, large]) == 1
    assert "bytes of box.numbers grew" in capsys.readouterr().out
    assert run(["compare", "--bytes-tolerance", "1000", "--time-tolerance", "1e9", small, large]) == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "object", "format": 99}', "not json"])
def test_comparison_refuses_what_is_no_audit(
    module: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = _json(module, "good", tmp_path / "good.json")
    other = tmp_path / "other.json"
    other.write_text(content)
    capsys.readouterr()
    assert run(["compare", good, str(other)]) == 255
    assert capsys.readouterr().err.startswith("ERROR: ")
    assert run(["compare", good, str(tmp_path / "missing.json")]) == 255


def test_the_audit_runs_alone_without_the_rest_of_the_program_or_any_other_package(tmp_path: Path) -> None:
    import shutil

    home = Path(audit_home())
    (tmp_path / "alone" / "grilse").mkdir(parents=True)
    (tmp_path / "alone" / "grilse" / "__init__.py").write_text("")
    shutil.copytree(home / "grilse" / "audit", tmp_path / "alone" / "grilse" / "audit")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "alone")}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "grilse.audit", "object", "collections:OrderedDict"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Crosses to a spawned process: yes" in done.stdout


def test_nothing_but_the_standard_library_is_imported() -> None:
    code = (
        "import sys, grilse.audit, importlib, pkgutil\n"
        "before = set(sys.modules)\n"
        "for info in pkgutil.iter_modules(grilse.audit.__path__):\n"
        "    if info.name not in ('__main__', 'pytest_plugin'): importlib.import_module('grilse.audit.' + info.name)\n"
        "other = {n for n in set(sys.modules) - before if n.partition('.')[0] not in sys.stdlib_module_names}\n"
        "print(sorted(n for n in other if not n.startswith('grilse.audit') and n != '__mp_main__'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": audit_home()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
