"""Real sessions on a terminal: the whole program, with keys pressed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import SOURCE
from .terminal import VirtualTerminal

Start = Callable[..., VirtualTerminal]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two elements that can be built and one whose commands find no shell."""
    root = tmp_path / "project"
    (root / "elements").mkdir(parents=True)
    (root / "files").mkdir()
    (root / "files" / "hello").write_text("hello\n")
    (root / "project.conf").write_text("name: demo\nmin-version: 2.0\nelement-path: elements\n")
    elements = {
        "a.bst": "kind: import\nsources:\n- kind: local\n  path: files\n",
        "all.bst": "kind: stack\ndepends: [a.bst]\n",
        "broken.bst": "kind: manual\ndepends: [a.bst]\nconfig:\n  build-commands: ['true']\n",
    }
    for name, content in elements.items():
        (root / "elements" / name).write_text(content)
    return root


@pytest.fixture
def start(project: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts grilse in the project, on a virtual terminal."""
    opened: list[VirtualTerminal] = []
    environment = {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    def run(*words: str, **settings: Any) -> VirtualTerminal:
        more = settings.pop("environment", {})
        command = [sys.executable, "-m", "grilse", *words]
        terminal = VirtualTerminal(command, {**environment, **more}, directory=project, **settings)
        opened.append(terminal)
        return terminal

    yield run
    for terminal in opened:
        terminal.close()


def test_a_build_ends_with_a_summary_and_is_remembered(start: Start) -> None:
    terminal = start("build", "all.bst")
    assert terminal.wait_end() == 0, terminal.history
    assert re.search(r"✓ build  a\.bst +0\.\ds", terminal.history)
    assert re.search(r"Build done in \d", terminal.text)
    assert "User Configuration" not in terminal.history
    log = start("log", "what-ran")
    assert log.wait_end() == 0
    assert re.search(r"build +ok +a\.bst", log.text)


def test_results_are_shown_on_a_terminal_as_they_are(start: Start) -> None:
    terminal = start("show", "--format", "%{name} %{state}", "all.bst")
    assert terminal.wait_end() == 0
    assert terminal.text == "a.bst buildable\nall.bst waiting"
    assert terminal.screen.buffer[0][0].fg == "blue"
    plain = start("--no-colors", "show", "--format", "%{name}", "all.bst")
    assert plain.wait_end() == 0
    assert not re.search(rb"\x1b\[[0-9;]*m", plain.received)


def test_a_failure_is_asked_about_and_the_log_can_be_read(start: Start) -> None:
    terminal = start("build", "broken.bst", environment={"PAGER": "sh -c 'cat $0; echo end of the pages; read line'"})
    terminal.wait_for("Choice: [continue]:")
    assert "✗ build  broken.bst" in terminal.history
    terminal.press(b"l")
    terminal.wait_for("end of the pages")
    terminal.press(b"\r")
    terminal.wait_for(lambda: "Choice:" in terminal.text.partition("end of the pages")[2])
    terminal.press(b"t")
    assert terminal.wait_end() == 255
    assert terminal.restored
    assert "broken.bst" in terminal.text.partition("Build ")[2]


def test_a_failed_job_is_run_again_on_request(start: Start) -> None:
    terminal = start("build", "broken.bst")
    terminal.wait_for("Choice: [continue]:")
    terminal.press(b"r")
    terminal.wait_for(lambda: terminal.history.count("✗ build  broken.bst") == 2)
    terminal.wait_for("Choice: [continue]:")
    terminal.press(b"c")
    assert terminal.wait_end() == 255


def test_an_error_of_loading_is_told_with_its_place(start: Start, project: Path) -> None:
    (project / "elements" / "bad.bst").write_text("kind: import\ndepends: [missing.bst]\n")
    terminal = start("build", "bad.bst", columns=120)
    assert terminal.wait_end() == 255
    assert "bad.bst [line 2 column 10]" in terminal.text
    assert terminal.restored


def test_results_as_json_have_the_documented_members(project: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def result(*words: str) -> Any:
        command = [sys.executable, "-m", "grilse", "--output", "json", *words]
        done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, timeout=15)
        document = json.loads(done.stdout)
        assert (document["schema"], document["status"]) == (1, done.returncode)
        return document

    [imported, stack] = result("show", "all.bst")["result"]
    assert imported.keys() == {"name", "kind", "description", "state", "key", "strict", "workspace", "depends"}
    assert stack["depends"] == [{"name": "a.bst", "build": True, "runtime": True}]
    built = result("build", "all.bst")
    assert built["summary"]["queues"][-1]["processed"] == 2
    [artifact] = result("artifact", "show", "a.bst")["result"]
    assert (artifact["name"], artifact["state"]) == ("a.bst", "cached")
    failed = result("--on-error", "continue", "build", "broken.bst")
    assert failed["status"] == 255
    assert [failure["element"] for failure in failed["failures"]] == ["broken.bst"]
    assert result("show", "nothing.bst")["error"]["reason"] == "MISSING_FILE"
