"""A project of elements and sources that misbehave as their configuration says; see ``fixtures/bad_plugins``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psutil

from .projects import Program, write_project

PLUGINS = Path(__file__).parents[1] / "fixtures" / "bad_plugins"
CONF = """\
plugins:
- origin: local
  path: plugins
  elements: [wicked]
  sources: [wicked_source]
"""


class Bench:
    """A project of elements and sources that misbehave."""

    def __init__(self, root: Path) -> None:
        self.root = write_project(root, {}, conf=CONF)
        shutil.copytree(PLUGINS, root / "plugins")
        self.report = root / "report"
        self.programs: list[Program] = []
        self.last: Program

    def element(self, name: str, **config: str) -> str:
        lines = "".join(f"  {key}: '{value}'\n" for key, value in config.items())
        text = f"kind: wicked\nconfig:\n{lines}  report: '{self.report}'\n"
        (self.root / "elements" / f"{name}.bst").write_text(text)
        return f"{name}.bst"

    def source(self, name: str, **config: str) -> str:
        lines = "".join(f"  {key}: '{value}'\n" for key, value in config.items())
        text = f"kind: wicked\nsources:\n- kind: wicked_source\n  ref: '{name}'\n{lines}"
        (self.root / "elements" / f"{name}.bst").write_text(text)
        return f"{name}.bst"

    def start(self, *words: str, **settings: Any) -> Program:
        program = self.last = Program(self.root, "--on-error", "continue", *words, **settings)
        self.programs.append(program)
        return program

    def close(self) -> None:
        for program in self.programs:
            program.close()

    def run(self, *words: str) -> tuple[int, str, str]:
        status, out, err = self.start(*words).finish(timeout=100)
        assert "Traceback" not in err.replace("\n    Traceback", ""), err
        return status, out, err

    def failures(self) -> dict[str, dict[str, Any]]:
        """The final failures of jobs by element."""
        ends = [one for one in self.last.events() if one["event"] == "job-finished" and not one.get("will_retry")]
        return {one["element"]: one["failure"] for one in ends if one.get("failure")}

    def succeeded(self) -> set[str]:
        ends = [one for one in self.last.events() if one["event"] == "job-finished"]
        return {one["element"] for one in ends if one["status"] == "ok"}

    def reports(self) -> list[dict[str, str]]:
        """What each build found when it began, in order."""
        found = []
        for line in self.report.read_text().splitlines():
            pid, *words = line.split(" ")
            found.append({"pid": pid, **dict(word.split("=", 1) for word in words)})
        return found


def sleepers() -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "3599"]]
