"""Small projects written by tests, and sessions of the real program on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from .conftest import SOURCE

# Seconds within which anything a test waits for must happen.
PATIENCE = 15.0


def write_project(root: Path, elements: dict[str, str], *, name: str = "small", conf: str = "") -> Path:
    """A project with these element files."""
    (root / "elements").mkdir(parents=True, exist_ok=True)
    (root / "project.conf").write_text(f"name: {name}\nmin-version: 2.0\nelement-path: elements\n{conf}")
    for path, text in elements.items():
        place = root / "elements" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def write_imports(root: Path, count: int, *, chain: bool = False) -> Path:
    """A project of `count` imports and a stack ``all.bst`` of them."""
    elements = {}
    for index in range(count):
        folder = root / "files" / str(index)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{index}").write_text(f"content {index}\n")
        below = f"depends: [e{index - 1}.bst]\n" if chain and index else ""
        elements[f"e{index}.bst"] = f"kind: import\n{below}sources:\n- kind: local\n  path: files/{index}\n"
    names = "".join(f"- e{index}.bst\n" for index in range(count))
    elements["all.bst"] = f"kind: stack\ndepends:\n{names}"
    return write_project(root, elements)


# A plugin whose build waits until a file appears, and says when it has begun.
WAITING_PLUGIN = """
import os, time
from buildstream import Element

class WaitElement(Element):
    BST_MIN_VERSION = "2.0"
    BST_RUN_COMMANDS = False
    def configure(self, node): self.path = node.get_str("path")
    def preflight(self): pass
    def get_unique_key(self): return {"path": self.path}
    def configure_sandbox(self, sandbox): pass
    def stage(self, sandbox): pass
    def assemble(self, sandbox):
        open(self.path + ".begun", "w").close()
        while not os.path.exists(self.path + ".go"):
            time.sleep(0.01)
        sandbox.get_virtual_directory().open_directory("out", create=True)
        return "/out"

def setup(): return WaitElement
"""


def write_waiting(root: Path, count: int = 1) -> Path:
    """A project whose elements ``w0.bst``... build until ``<root>/N.go`` appears."""
    (root / "plugins").mkdir(parents=True)
    (root / "plugins" / "wait.py").write_text(WAITING_PLUGIN)
    conf = "plugins:\n- origin: local\n  path: plugins\n  elements: [wait]\n"
    elements = {f"w{index}.bst": f"kind: wait\nconfig:\n  path: {root}/{index}\n" for index in range(count)}
    return write_project(root, elements, conf=conf)


class Program:
    """A session of the real program, in a process group of its own.

    Args:
        root: the project.
        words: the command line.
        home: of its user; below `root` if none is given.
        before: words before those of the command line, such as a wrapper's.
        quiet: what it says goes to the null device.
        settings: for `subprocess.Popen`.
    """

    def __init__(
        self,
        root: Path,
        *words: str,
        home: Path | None = None,
        before: tuple[str, ...] = (),
        quiet: bool = False,
        **settings: Any,
    ) -> None:
        home = home or root / "home"
        home.mkdir(exist_ok=True)
        self.events_file = home / f"events-{time.monotonic_ns()}.jsonl"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "HOME": str(home),
            "GRILSE_EVENTS": str(self.events_file),
        }
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "grilse", *words],
            cwd=root,
            env=self.environment,
            text=True,
            start_new_session=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.DEVNULL if quiet else subprocess.PIPE,
                "stderr": subprocess.DEVNULL if quiet else subprocess.PIPE,
                **settings,
            },
        )
        self.cachedir = home / "cache" / "buildstream"

    def finish(self, timeout: float = PATIENCE * 2) -> tuple[int, str, str]:
        """Wait for the end: status, standard output and error."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err

    def close(self) -> None:
        """Kill it if it still runs, and close its pipes."""
        if self.process.poll() is None:
            for process in self.family():
                process.kill()
        self.process.communicate()

    def backend(self) -> psutil.Process:
        """The backend's process."""
        return until(lambda: next(iter(psutil.Process(self.process.pid).children()), None))

    def family(self) -> list[psutil.Process]:
        """Frontend, backend and everything below."""
        front = psutil.Process(self.process.pid)
        return [front, *front.children(recursive=True)]

    def events(self) -> list[dict[str, Any]]:
        """What was written to the event file so far."""
        if not self.events_file.exists():
            return []
        return [json.loads(line) for line in self.events_file.read_bytes().splitlines() if line.endswith(b"}")]


def until(condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Wait for something to become true; gives what it became."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            pass
    return found


def run(root: Path, *words: str, home: Path | None = None) -> tuple[int, str, str]:
    """Run the program to its end."""
    program = Program(root, *words, home=home)
    try:
        return program.finish()
    finally:
        program.close()
