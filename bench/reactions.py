"""Measure how soon a key has an effect on the screen, on a pseudo-terminal, while the backend is busy.

    python -m bench.reactions [--elements 5000] [--loads 20] [--keys 100]

While it loads: a build of so many elements is started again and again, and Ctrl-C pressed at some moment while it
loads; what counts is when the screen says that the session stops.  While it builds: Ctrl-C opens a question and "c"
closes it, in turn; what counts is when the question is there, and when the area is drawn anew.
Prints the 50th and the 99th percentile, and the worst.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .make_project import Shape, write_project

SOURCE = Path(__file__).resolve().parent.parent / "src"
# Seconds that a reaction may take before it is called none.
PATIENCE = 20.0


class Terminal:
    """A program on a pseudo-terminal of 80 columns and 24 rows."""

    def __init__(self, project: Path, home: Path, *words: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grilse", *words],
            cwd=project,
            env={
                **os.environ,
                "PYTHONPATH": str(SOURCE),
                "XDG_CACHE_HOME": str(home / "cache"),
                "XDG_CONFIG_HOME": str(home / "config"),
                "TERM": "xterm-256color",
                "LC_ALL": "C.UTF-8",
            },
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def press(self, key: bytes) -> float:
        """Press a key; the time."""
        now = time.monotonic()
        os.write(self._master, key)
        return now

    def until(self, text: bytes, patience: float = PATIENCE) -> float | None:
        """Read until a text has come; the time, or None when it has not come or the program has ended."""
        seen, deadline = b"", time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                return None
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                return None
            now = time.monotonic()
            seen = seen[-200:] + data
            if not data or text in seen:
                return now if data else None
        return None

    def end(self) -> None:
        """Let it end, and read what it has to say."""
        while self.until(b"\0", 1.0) is not None or self.process.poll() is None:
            if self.process.poll() is None:
                self.press(b"\x03")
        self.process.wait()
        os.close(self._master)


@contextmanager
def started(project: Path, home: Path, *words: str) -> Iterator[Terminal]:
    terminal = Terminal(project, home, *words)
    try:
        yield terminal
    finally:
        terminal.end()


def while_loading(project: Path, home: Path, loads: int) -> list[float]:
    chance, found = random.Random(1), []
    for _ in range(loads):
        with started(project, home, "build", "all.bst") as terminal:
            if terminal.until(b"oading elements") is None:
                continue
            # Somewhere in what follows: loading takes longer than this.
            terminal.until(b"\0", chance.uniform(0.0, 0.3))
            pressed = terminal.press(b"\x03")
            seen = terminal.until(b"Stopping")
            if seen is not None:
                found.append(seen - pressed)
    return found


def while_building(project: Path, home: Path, keys: int) -> tuple[list[float], list[float]]:
    opened: list[float] = []
    closed: list[float] = []
    with started(project, home, "build", "all.bst") as terminal:
        # A line about a job: from here on Ctrl-C asks.
        if terminal.until(b"  fetch  ", 120) is None:
            return opened, closed
        while len(opened) < keys:
            terminal.until(b"\0", 0.1)
            pressed = terminal.press(b"\x03")
            seen = terminal.until(b"Choice:", 5)
            if seen is None:
                break
            opened.append(seen - pressed)
            terminal.until(b"\0", 0.1)
            pressed = terminal.press(b"c")
            # The area is drawn anew without the question, which begins with erasing it.
            seen = terminal.until(b"\x1b[J", 5)
            if seen is None:
                break
            closed.append(seen - pressed)
    return opened, closed


def told(name: str, found: list[float]) -> str:
    if not found:
        return f"{name: <44} nothing measured"
    found = sorted(found)
    late = found[min(len(found) - 1, int(len(found) * 0.99))]
    return (
        f"{name: <44} p50 {1000 * found[len(found) // 2]:.0f} ms  p99 {1000 * late:.0f} ms  "
        f"worst {1000 * found[-1]:.0f} ms  ({len(found)} keys)"
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--elements", type=int, default=5000)
    parser.add_argument("--loads", type=int, default=20)
    parser.add_argument("--keys", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        project, home = Path(directory) / "project", Path(directory) / "home"
        write_project(project, Shape(elements=options.elements))
        loading = while_loading(project, home, options.loads)
        print(told(f"Ctrl-C while {options.elements} elements load", loading))
        opened, closed = while_building(project, home, options.keys)
        print(told("Ctrl-C while it builds: the question", opened))
        print(told("c while it builds: the question is gone", closed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
