"""Terminals, keys and signals on Windows; the names are those of ``posix_terminal``.

Keys are read by a thread, since a console cannot be waited for together with pipes; there is no job control.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

_ENABLE_VIRTUAL_TERMINAL_PROCESSING = 0x0004
_STD_OUTPUT_HANDLE = -11
_STD_ERROR_HANDLE = -12


def prepare_terminal(descriptor: int) -> bool:
    """Whether the terminal takes escape sequences; asks the console to."""
    if not os.isatty(descriptor):
        return False
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.GetStdHandle(_STD_ERROR_HANDLE if descriptor == 2 else _STD_OUTPUT_HANDLE)
    mode = ctypes.c_uint32()
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return False
    return bool(kernel.SetConsoleMode(handle, mode.value | _ENABLE_VIRTUAL_TERMINAL_PROCESSING))


def same_file(one: int, other: int) -> bool:
    """Whether two descriptors write to the same place."""
    return os.isatty(one) and os.isatty(other)


def in_background(descriptor: int) -> bool:
    """There is no job control: never."""
    return False


class SignalPort:
    """Turns Ctrl-C and Ctrl-Break into words (see ``posix_terminal.SignalPort``)."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._meanings = {int(signal.SIGINT): "interrupt", int(signal.SIGTERM): "terminate"}
        if hasattr(signal, "SIGBREAK"):
            self._meanings[int(signal.SIGBREAK)] = "terminate"
        self._handlers: dict[int, Any] = {
            number: signal.signal(number, lambda number, frame: None) for number in self._meanings
        }
        self._wakeup = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """Readable when `take` has something to give."""
        return self._here.fileno()

    def wake(self) -> None:
        """Make the port readable, from any thread."""
        try:
            self._there.send(b"\0")
        except OSError:
            pass

    def take(self) -> list[str]:
        """What has happened since, in order."""
        try:
            data = self._here.recv(4096)
        except BlockingIOError:
            return []
        return [self._meanings[number] for number in data if number in self._meanings]

    def stop_self(self) -> None:
        """There is no suspending."""

    def close(self) -> None:
        """Put the earlier handlers back."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._here.close()
        self._there.close()


def read_line(descriptor: int, port: SignalPort) -> str | None:
    """A line that somebody types, or None at the end or when interrupted; the console waits for both by itself."""
    try:
        return input()
    except (EOFError, KeyboardInterrupt):
        return None


class KeyMode:
    """Keys of the console, read by a thread once they are asked for."""

    def __init__(self, descriptor: int) -> None:
        self.usable = os.isatty(descriptor)
        self._here, self._there = socket.socketpair()
        self._thread: threading.Thread | None = None

    def quiet(self) -> None:
        """The console shows nothing while nobody reads."""

    def keys(self) -> None:
        """Begin to read keys."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="keys", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        import msvcrt

        while True:
            key = msvcrt.getwch()  # type: ignore[attr-defined]
            self._there.send(key.encode(errors="replace"))

    def restore(self) -> None:
        """Nothing was changed."""

    def fileno(self) -> int:
        """Readable when keys were pressed."""
        return self._here.fileno()

    def read(self) -> bytes:
        """The keys pressed."""
        return self._here.recv(256)


class ForegroundChild:
    """A program that shares the console (see ``posix_terminal.ForegroundChild``)."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        terminal: int | None = None,
    ) -> None:
        self._popen = subprocess.Popen(list(argv), env=environment, cwd=directory)
        self.pid = self._popen.pid
        self.stopped = False

    def give_terminal(self) -> None:
        """It shares the console already."""

    def take_terminal(self) -> None:
        """It shares the console."""

    def poll(self) -> int | None:
        """Its exit status, or None."""
        return self._popen.poll()

    def terminate(self) -> None:
        """End it."""
        self._popen.terminate()
