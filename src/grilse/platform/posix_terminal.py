"""Terminals, keys and signals on POSIX systems.

Knows nothing of what is shown or of what a key means.
"""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

# What a signal means to whoever owns the terminal.
_MEANINGS = {
    signal.SIGINT: "interrupt",
    signal.SIGTERM: "terminate",
    signal.SIGHUP: "hangup",
    signal.SIGQUIT: "abandon",
    signal.SIGTSTP: "suspend",
    signal.SIGCONT: "continue",
    signal.SIGWINCH: "resize",
    signal.SIGCHLD: "child",
}


def prepare_terminal(descriptor: int) -> bool:
    """Whether the terminal takes escape sequences."""
    return os.isatty(descriptor) and os.environ.get("TERM", "dumb") not in ("", "dumb")


def same_file(one: int, other: int) -> bool:
    """Whether two descriptors write to the same place, so that their order matters."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def in_background(descriptor: int) -> bool:
    """Whether the terminal at this descriptor is this process's own, and another job has it now."""
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:
        # Not the terminal that controls this process: nobody else's job can have it.
        return False


class SignalPort:
    """Turns signals into words that are read where one waits for everything else.

    Make it in the main thread; `close` puts the earlier handlers back.
    """

    def __init__(self) -> None:
        from _socket import socketpair

        self._here, self._there = socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._handlers: dict[int, Any] = {}
        for number in _MEANINGS:
            before = signal.getsignal(number)
            # Somebody who ignores hang-ups for us (nohup) goes on doing so.
            if number == signal.SIGHUP and before is signal.SIG_IGN:
                continue
            self._handlers[number] = signal.signal(number, _nothing)
        self._wakeup = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """Readable when `take` has something to give."""
        return self._here.fileno()

    def wake(self) -> None:
        """Make the port readable, from any thread."""
        try:
            self._there.send(b"\0")
        except BlockingIOError:
            # Full of other reasons to wake up.
            pass
        except OSError:
            # Closed: nobody waits any more.
            pass

    def take(self) -> list[str]:
        """What has happened since, in order: "interrupt", "terminate", "hangup", "abandon", "suspend", "continue",
        "resize" or "child"."""
        try:
            data = self._here.recv(4096)
        except BlockingIOError:
            return []
        return [_MEANINGS[signal.Signals(number)] for number in data if number in self._handlers]

    def stop_self(self) -> None:
        """Stop this process as the terminal's suspend key does; returns when it is continued."""
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, _nothing)

    def close(self) -> None:
        """Put the earlier handlers back."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._here.close()
        self._there.close()


def _nothing(number: int, frame: FrameType | None) -> None:
    # The wake-up descriptor has been written to; that is all.
    pass


def read_line(descriptor: int, port: SignalPort) -> str | None:
    """A line that somebody types, without its end; None when there will be none, or somebody wants an end of it.

    ``input()`` would miss an interrupt that comes just before it begins to wait: the port holds it.
    """
    from .posix_connection import wait

    typed = b""
    while not typed.endswith(b"\n"):
        # No limit: somebody thinks.
        if port.fileno() in wait([descriptor, port.fileno()]):
            words = port.take()
            if {"interrupt", "terminate", "hangup", "abandon"} & set(words):
                return None
            if "suspend" in words:
                port.stop_self()
            continue
        try:
            data = os.read(descriptor, 4096)
        except OSError:
            return None
        if not data:
            return None
        typed += data
    return typed[:-1].decode(errors="replace")


class KeyMode:
    """The modes of a terminal: quiet (typed characters are not shown), keys (each is readable at once), as it was."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None

    @property
    def usable(self) -> bool:
        """Whether it is a terminal that this process may set the modes of: one in the background may not."""
        try:
            return os.isatty(self._descriptor) and os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return False

    def quiet(self) -> None:
        """Do not show what is typed, and leave it for whoever reads next."""
        self._set(termios.ICANON, drop_input=False)

    def keys(self) -> None:
        """Make each key readable at once; what was typed before is forgotten, lest it answers a question unseen."""
        self._set(0, drop_input=True)

    def _set(self, canonical: int, *, drop_input: bool) -> None:
        if not self.usable:
            return
        try:
            if self._before is None:
                self._before = termios.tcgetattr(self._descriptor)
            modes = termios.tcgetattr(self._descriptor)
            modes[3] = (self._before[3] & ~(termios.ICANON | termios.ECHO)) | canonical
            modes[6] = list(self._before[6])
            modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
            if canonical:
                modes[6] = list(self._before[6])
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH if drop_input else termios.TCSANOW, modes)
        except termios.error:
            # The terminal is gone: there is nothing left to set.
            pass

    def restore(self) -> None:
        """Put the modes back as they were."""
        if self._before is not None and self.usable:
            try:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            except termios.error:
                pass
        self._before = None

    def fileno(self) -> int:
        """Readable when keys were pressed."""
        return self._descriptor

    def read(self) -> bytes:
        """The keys pressed; b"" when the terminal is gone."""
        try:
            return os.read(self._descriptor, 256)
        except OSError:
            return b""


class ForegroundChild:
    """A program that has the terminal, with job control, until it ends or is stopped.

    Args:
        argv: its command line.
        environment: its whole environment, or None for this process's.
        directory: its working directory, or None.
        terminal: descriptor of the terminal to hand over, or None when there is none.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        terminal: int | None = None,
    ) -> None:
        import subprocess

        self._terminal = terminal
        self._popen = subprocess.Popen(
            list(argv), env=environment, cwd=directory, process_group=None if terminal is None else 0
        )
        self.pid = self._popen.pid
        self.stopped = False
        self._status: int | None = None
        self.give_terminal()

    def give_terminal(self) -> None:
        """Hand it the terminal, and let it go on if it was stopped."""
        self.stopped = False
        if self._terminal is not None:
            _set_foreground(self._terminal, self.pid)
            # It may have asked for the terminal before it had it, and been stopped for that.
            self._kill_group(signal.SIGCONT)

    def take_terminal(self) -> None:
        """Take the terminal back."""
        if self._terminal is not None:
            _set_foreground(self._terminal, os.getpgrp())

    def poll(self) -> int | None:
        """Its exit status as a shell would give it, or None; sets `stopped` when it was stopped by its user."""
        if self._status is not None:
            return self._status
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            self._status = 0
            return 0
        if not pid:
            return None
        if os.WIFSTOPPED(status):
            self.stopped = True
            return None
        code = os.waitstatus_to_exitcode(status)
        self._status = self._popen.returncode = code if code >= 0 else 128 - code
        return self._status

    def terminate(self) -> None:
        """Ask it to end."""
        if self._status is None:
            self._kill_group(signal.SIGTERM)
            self._kill_group(signal.SIGCONT)

    def _kill_group(self, number: int) -> None:
        try:
            if self._terminal is None:
                os.kill(self.pid, number)
            else:
                os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def _set_foreground(terminal: int, group: int) -> None:
    # A process in the background that sets the foreground group is stopped, unless it ignores the signal for that.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(terminal, group)
    except OSError:
        # The child is gone already, or the terminal is not ours.
        pass
    finally:
        signal.signal(signal.SIGTTOU, before)
