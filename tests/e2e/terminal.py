"""A virtual terminal with a program on it: what is on the screen, keys, size, speed and job control."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

JOB_SHELL = Path(__file__).parent / "fake" / "job_shell.py"
# Seconds that a test waits for anything.
PATIENCE = 15.0


class VirtualTerminal:
    """Runs a command on a terminal of its own.

    Attributes:
        received: all bytes that were written to the terminal.
        status: exit status, once it has ended.
        restored: whether the terminal's modes were as before when it last stopped or ended.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: dict[str, str],
        *,
        columns: int = 80,
        rows: int = 24,
        rate: float | None = None,
        directory: Path | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        self._size(columns, rows)
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self.screen)
        self._rate = rate
        self.received = bytearray()
        self.status: int | None = None
        self.restored: bool | None = None
        self.stops = 0
        self._told, told = os.pipe()
        orders, self._orders = os.pipe()
        self._lines = b""
        self.process = subprocess.Popen(
            [sys.executable, str(JOB_SHELL), os.ttyname(slave), str(told), str(orders), *argv],
            env={**environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            pass_fds=(told, orders),
            start_new_session=True,
            cwd=directory,
        )
        os.close(told)
        os.close(orders)
        # Kept open until the job shell has opened it: without any writer the master would report the end.
        self._slave: int | None = slave

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a user does with a window."""
        self.screen.resize(rows, columns)
        self._size(columns, rows)

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def foreground(self) -> None:
        """What ``fg`` does."""
        os.write(self._orders, b"f")

    @property
    def text(self) -> str:
        """The screen, trailing blanks left out."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def history(self) -> str:
        """What has scrolled away, and the screen."""
        gone = ["".join(line[column].data for column in range(self.screen.columns)) for line in self.screen.history.top]
        return "\n".join([*(line.rstrip() for line in gone), self.text])

    def pump(self, seconds: float) -> None:
        """Let time pass: take what is written, and what the job shell says."""
        readable, _, _ = select.select([self._master, self._told], [], [], seconds)
        if self._master in readable:
            try:
                data = os.read(self._master, 1024)
            except OSError:
                data = b""
            self.received += data
            self._stream.feed(data)
            if self._rate and data:
                time.sleep(len(data) / self._rate)
        if self._told in readable:
            data = os.read(self._told, 1024)
            if data and self._slave is not None:
                os.close(self._slave)
                self._slave = None
            self._lines += data
            while b"\n" in self._lines:
                line, _, self._lines = self._lines.partition(b"\n")
                words = line.decode().split()
                self.restored = words[-1] == "True"
                if words[0] == "ended":
                    self.status = int(words[1])
                else:
                    self.stops += 1

    def wait_for(self, condition: str | Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until a text is on the screen, or a condition holds."""
        deadline = time.monotonic() + seconds
        holds = condition if callable(condition) else lambda: condition in self.text
        while not holds():
            assert time.monotonic() < deadline, f"not seen in {seconds} s: {condition}\n--- screen\n{self.history}"
            self.pump(0.05)

    def wait_end(self, seconds: float = PATIENCE) -> int:
        """Wait until the program has ended and all it wrote was taken; its exit status."""
        self.wait_for(lambda: self.status is not None, seconds)
        while select.select([self._master], [], [], 0.05)[0]:
            before = len(self.received)
            self.pump(0)
            if len(self.received) == before:
                break
        assert self.status is not None
        return self.status

    def close(self) -> None:
        """End whatever is left."""
        if self.process.poll() is None:
            for pid in (*_children(self.process.pid), self.process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        for descriptor in (self._master, self._told, self._orders, self._slave):
            if descriptor is not None:
                os.close(descriptor)


def _children(pid: int) -> list[int]:
    path = f"/proc/{pid}/task/{pid}/children"
    try:
        return [int(word) for word in Path(path).read_text().split()]
    except OSError:
        return []
