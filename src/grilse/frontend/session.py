"""One session with a backend: sends the request, shows the events, ends with the status.

Knows the backend by its channels only, and a display by what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any, Protocol

from ..protocol import events
from ..protocol.channel import ChannelClosed, ProtocolError, check_hello
from ..protocol.errors import GrilseError
from ..protocol.events import Event
from ..protocol.requests import Hello, Request
from .backend_process import HELLO_TIMEOUT, BackendProcess
from .session_log import EventReader

# Seconds that events are still read for after the result, should the backend not close their channel.
DRAIN_TIMEOUT = 2.0
# Seconds that the result may come after the end of the events.
RESULT_TIMEOUT = 1.0

# Exit status of an orderly error.
FAILED = 255


class Display(Protocol):
    """What a session needs of a display."""

    def show(self, batch: Sequence[Event]) -> None:
        """Show events, in order."""

    def tick(self, now: float) -> float | None:
        """Redraw what changes with time; seconds until it wants that again, or None."""

    def pause(self) -> None:
        """Leave the terminal to somebody else."""

    def resume(self) -> None:
        """Take it back."""

    def finish(self, status: int) -> None:
        """Say last what the session ended with."""


class BackendDied(GrilseError):
    """The backend ended without a result."""


class Session:
    """A running session.

    Args:
        backend: a connected backend.
        display: shows the events.
        output: takes the bytes that are the command's result.
    """

    def __init__(self, backend: BackendProcess, display: Display, output: Any) -> None:
        self._backend = backend
        self._display = display
        self._output = output
        self._log: str | None = None
        self._reader = EventReader()
        self._result: events.Result | None = None
        self._error_seen = False
        self._events_open = True
        self._control_open = True

    def run(self, request: Request) -> int:
        """Carry out one request; returns the exit status.

        Raises:
            BackendDied: the backend ended before it had a result.
            ProtocolError: it does not speak this protocol.
        """
        try:
            self._backend.control.send(request)
        except ChannelClosed:
            raise self._died() from None
        self._greet()
        self._loop()
        if self._result is None:
            raise self._died()
        status = self._result.status
        self._display.finish(status)
        return status

    def _greet(self) -> None:
        for channel in (self._backend.control, self._backend.events):
            if not channel.poll(HELLO_TIMEOUT):
                raise BackendDied(f"The backend has said nothing for {HELLO_TIMEOUT:.0f} seconds.", reason="no-hello")
            try:
                check_hello(channel.receive(), "backend")
            except ChannelClosed:
                raise self._died() from None

    def _loop(self) -> None:
        deadline: float | None = None
        while self._events_open or self._control_open:
            wanted = [
                channel.connection
                for channel, is_open in (
                    (self._backend.events, self._events_open),
                    (self._backend.control, self._control_open),
                )
                if is_open
            ]
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return
            timeout = self._display.tick(now)
            if deadline is not None:
                timeout = deadline - now if timeout is None else min(timeout, deadline - now)
            # Without a limit while nothing is to be redrawn: the backend's end ends the wait.
            ready = wait(wanted, timeout)
            if self._backend.events.connection in ready:
                self._receive_events()
            if self._backend.control.connection in ready:
                self._receive_control()
            if deadline is None and self._result is not None:
                deadline = time.monotonic() + DRAIN_TIMEOUT
            elif deadline is None and not (self._events_open and self._control_open):
                deadline = time.monotonic() + RESULT_TIMEOUT
            if self._result is not None and not self._events_open:
                return

    def _receive_events(self) -> None:
        try:
            batch = self._backend.events.receive_many()
        except ChannelClosed:
            self._events_open = False
            return
        shown: list[Event] = []
        for event in batch:
            match event:
                case events.Output():
                    self._show(shown)
                    self._output(event.data)
                case events.CaughtUp():
                    self._show(shown)
                    self._catch_up(event)
                case Hello():
                    raise ProtocolError("The backend said hello twice.", reason="bad-message")
                case events.SessionStarted():
                    self._log = event.log
                    shown.append(event)
                case _:
                    shown.append(event)
        self._show(shown)

    def _show(self, shown: list[Event]) -> None:
        if shown:
            self._display.show(shown)
            shown.clear()

    def _catch_up(self, gap: events.CaughtUp) -> None:
        if self._log is None:
            return
        batch: list[Event] = []
        try:
            for event in self._reader.range(self._log, gap.start, gap.end):
                batch.append(event)
                if len(batch) >= 1000:
                    self._show(batch)
        except OSError:
            # The log is gone: what was left out stays left out, and the session goes on.
            pass
        self._show(batch)

    def _receive_control(self) -> None:
        try:
            messages = self._backend.control.receive_many()
        except ChannelClosed:
            self._control_open = False
            return
        for message in messages:
            if isinstance(message, events.Result):
                self._result = message

    def _died(self) -> BackendDied:
        words = self._backend.last_words()
        log = f"The session's log is {self._log}." if self._log else "It had not begun to write a log."
        return BackendDied(
            f"The backend {self._backend.cause_of_death()} before the command was done. {log}",
            reason="backend-died",
            detail=words or None,
        )
