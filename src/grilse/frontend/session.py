"""One session with a backend: shows the events, hands over commands, ends with the status.

Knows the backend by its channels only and a display by what it takes; what a signal or a key means is decided by
``interaction``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Protocol

from ..platform.connection import wait
from ..protocol import events
from ..protocol.channel import ChannelClosed, ProtocolError, check_hello
from ..protocol.errors import GrilseError
from ..protocol.events import Event
from ..protocol.requests import Command, Hello, Terminate
from ..protocol.trail import read_trail
from .backend_process import HELLO_TIMEOUT, BackendProcess
from .session_log import EventReader

# Seconds that events are still read for after the result, should the backend not close their channel.
DRAIN_TIMEOUT = 2.0
# Seconds that the result may come after the end of the events, or of the backend.
RESULT_TIMEOUT = 0.8
# Seconds that the backend has to acknowledge that it shall stop: a plugin may keep all of its threads from running.
STOP_TIMEOUT = 3.0
# Events given to a display at a time when many are read from the log.
BATCH = 1000


class View(Protocol):
    """Somebody who looks at the events."""

    def show(self, batch: Sequence[Event]) -> None:
        """Take events, in order."""

    def output(self, data: bytes) -> None:
        """Take a piece of the command's result."""

    def finish(self, status: int) -> None:
        """The session has ended."""


class Surroundings(Protocol):
    """What else there is to wait for, and to do when it comes: see ``interaction``."""

    def sources(self) -> Sequence[Any]:
        """What may become readable: descriptors, or what has one."""

    def timeout(self, now: float) -> float | None:
        """Seconds until `step` wants to be called in any case."""

    def step(self, session: Session, ready: Sequence[Any]) -> None:
        """Do what is due; `ready` are the sources that are readable."""

    def event(self, session: Session, event: Event) -> None:
        """An event that may need more than being shown."""


class BackendDied(GrilseError):
    """The backend ended without a result."""


class Session:
    """A running session.

    Args:
        backend: a connected backend.
        views: who looks at the events.
        surroundings: terminal, keys and signals.

    Attributes:
        log: path of the session's event log, once it is known.
        acknowledged: names of the commands that the backend has acknowledged.
    """

    def __init__(self, backend: BackendProcess, views: Sequence[View], surroundings: Surroundings) -> None:
        self.backend = backend
        self.log: str | None = None
        self.acknowledged: list[str] = []
        self._views = views
        self._surroundings = surroundings
        self._reader = EventReader()
        self._result: events.Result | None = None
        self._last_gap: events.CaughtUp | None = None
        self._events_open = True
        self._control_open = True
        self._stop_limit: float | None = None
        self._killed = False

    def run(self) -> int:
        """Follow the request that the backend was sent to its end; returns the exit status.

        Raises:
            BackendDied: the backend ended before it had a result.
            ProtocolError: it does not speak this protocol.
        """
        self._greet()
        self._loop()
        if self._last_gap is not None:
            self._catch_up(self._last_gap)
        if self._result is None:
            raise self._died()
        return self._result.status

    def finish(self, status: int) -> None:
        """Tell the views that it has ended."""
        for view in self._views:
            view.finish(status)

    def send(self, command: Command) -> None:
        """Send a command; one that comes too late is forgotten."""
        if not self._control_open or self._result is not None:
            return
        if isinstance(command, Terminate) and self._stop_limit is None:
            self._stop_limit = time.monotonic() + STOP_TIMEOUT
        try:
            self.backend.control.send(command)
        except ChannelClosed:
            # Its end is noticed where it is read.
            pass

    def wait_acknowledged(self, name: str, timeout: float) -> bool:
        """Wait for the acknowledgement of a command sent before; whether it came."""
        deadline = time.monotonic() + timeout
        known = self.acknowledged.count(name)
        while self._control_open and self.acknowledged.count(name) == known:
            left = deadline - time.monotonic()
            if left <= 0 or not self.backend.control.poll(left):
                return False
            self._receive_control()
        return True

    def _greet(self) -> None:
        self.backend.adopt()
        for channel in (self.backend.control, self.backend.events):
            deadline = time.monotonic() + HELLO_TIMEOUT
            while not channel.poll(0.0):
                if time.monotonic() >= deadline:
                    raise BackendDied(
                        f"The backend has said nothing for {HELLO_TIMEOUT:.0f} seconds.", reason="no-hello"
                    )
                self._wait([channel.connection], deadline)
            try:
                check_hello(channel.receive(), "backend")
            except ChannelClosed:
                raise self._died() from None

    def _wait(self, connections: list[Any], deadline: float | None) -> list[Any]:
        now = time.monotonic()
        limits = [limit for limit in (self._surroundings.timeout(now),) if limit is not None]
        if deadline is not None:
            limits.append(max(0.0, deadline - now))
        if self._stop_limit is not None:
            limits.append(max(0.0, self._stop_limit - now))
        # Without a limit while nothing is to be drawn: the backend's end ends the wait.
        ready = wait([*connections, *self._surroundings.sources()], min(limits, default=None))
        self._surroundings.step(self, ready)
        if self._stop_limit is not None and time.monotonic() >= self._stop_limit:
            self._stop_limit = None
            self._killed = True
            self.backend.kill()
        return ready

    def _loop(self) -> None:
        deadline: float | None = None
        stream, control = self.backend.events.connection, self.backend.control.connection
        while self._events_open or self._control_open:
            if deadline is not None and time.monotonic() >= deadline:
                return
            wanted: list[Any] = [stream] if self._events_open else []
            if self._control_open:
                wanted.append(control)
            if deadline is None:
                # A dead backend's channels may be held open by what it has started.
                wanted.append(self.backend.process.sentinel)
            ready = self._wait(wanted, deadline)
            if stream in ready:
                self._receive_events()
            if control in ready and self._control_open:
                self._receive_control()
            if self._result is not None and not self._events_open:
                return
            if deadline is None and self._result is not None:
                deadline = time.monotonic() + DRAIN_TIMEOUT
            elif deadline is None and (
                self.backend.process.sentinel in ready or not (self._events_open and self._control_open)
            ):
                deadline = time.monotonic() + RESULT_TIMEOUT

    def _receive_events(self) -> None:
        try:
            batch = self.backend.events.receive_many()
        except ChannelClosed:
            self._events_open = False
            return
        shown: list[Event] = []
        for event in batch:
            if isinstance(event, events.Output):
                self._show(shown)
                for view in self._views:
                    view.output(event.data)
            elif isinstance(event, events.CaughtUp):
                self._show(shown)
                self._catch_up(event)
            elif isinstance(event, events.LoggedEvents):
                shown += self._reader.lines(event.lines)
            elif isinstance(event, Hello):
                raise ProtocolError("The backend said hello twice.", reason="bad-message")
            else:
                shown.append(event)
        self._show(shown)

    def _show(self, shown: list[Event]) -> None:
        if not shown:
            return
        for view in self._views:
            view.show(shown)
        for event in shown:
            if isinstance(event, events.SessionStarted):
                self.log = event.log
            self._surroundings.event(self, event)
        shown.clear()

    def _catch_up(self, gap: events.CaughtUp) -> None:
        if self.log is None:
            return
        batch: list[Event] = []
        try:
            for event in self._reader.range(self.log, gap.start, gap.end):
                batch.append(event)
                if len(batch) >= BATCH:
                    self._show(batch)
        except OSError:
            # The log is gone: what was left out stays left out, and the session goes on.
            pass
        self._show(batch)

    def _receive_control(self) -> None:
        try:
            messages = self.backend.control.receive_many()
        except ChannelClosed:
            self._control_open = False
            return
        for message in messages:
            match message:
                case events.Result():
                    self._result = message
                    self._stop_limit = None
                case events.CaughtUp():
                    # What the events' channel did not take in the end: read once that channel is empty.
                    self._last_gap = message
                case events.Acknowledged():
                    self.acknowledged.append(message.command)
                    if message.command == Terminate.__name__:
                        self._stop_limit = None
                case _:
                    pass

    def _died(self) -> BackendDied:
        words = self.backend.last_words()
        log = f"The session's log is {self.log}." if self.log else "It had not begun to write a log."
        how = "did not listen any more, and was killed" if self._killed else self.backend.cause_of_death()
        self.backend.sweep()
        at_work = read_trail(os.path.dirname(self.log)) if self.log else ""
        culprit = f" when it had called {at_work}" if at_work else ""
        return BackendDied(
            f"The backend {how}{culprit} before the command was done. {log}",
            reason="backend-died",
            detail=words or None,
        )
