"""Where everything in the backend reports to: events go to the log and to the frontend, spans are timed.

Knows nothing of scheduling or of how events are shown.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ..protocol import events
from ..protocol.errors import GrilseError
from ..protocol.message import Failure
from .clock import Clock
from .eventlog import EventLog
from .outbox import COALESCED, Outbox

# Bytes of results that may wait for the frontend before the command that makes them is held back.
OUTPUT_LIMIT = 32 * 1024 * 1024


class Phase(msgspec.Struct):
    """What may be said of a phase at its end, if that is a good one: `detail`, a line or more."""

    detail: str | None = None


class Reporter:
    """Emits events; may be used from any thread."""

    def __init__(self, log: EventLog, outbox: Outbox, clock: Clock) -> None:
        self.log = log
        self.outbox = outbox
        self.clock = clock
        self.phases: dict[str, float] = {}
        self._spans = 0

    def emit(self, event: events.Event) -> None:
        """Write an event to the log and send it."""
        line, start = self.log.append(event)
        if isinstance(event, COALESCED):
            self.outbox.replace(event)
        else:
            self.outbox.post_lines(line, start)

    def relay(self, lines: bytes) -> None:
        """Write to the log and send what a worker has encoded; at the latest when the main loop goes to sleep."""
        self.outbox.post_lines(lines, self.log.append_lines(lines), wake=False)

    def flush(self) -> None:
        """Hand on what is still here: called before the main loop goes to sleep."""
        self.log.flush()
        self.outbox.wake()

    def text(
        self,
        kind: str,
        text: str,
        *,
        detail: str | None = None,
        element: str | None = None,
        key: str | None = None,
        action: str = "main",
        log: str | None = None,
        elapsed: float | None = None,
    ) -> None:
        """Emit a message for people."""
        self.emit(
            events.Text(
                time=time.time(),
                kind=kind,
                text=text,
                detail=detail,
                element=element,
                key=key,
                action=action,
                log=log,
                elapsed=self.clock.elapsed() if elapsed is None else elapsed,
            )
        )

    @contextmanager
    def span(self, name: str, *, element: str | None = None, announce: bool = True) -> Iterator[Phase]:
        """Time a phase; with `announce` it is also told as START and SUCCESS (or FAILURE) messages."""
        self._spans += 1
        span, started = self._spans, self.clock.elapsed()
        self.emit(events.SpanStarted(time=time.time(), span=span, name=name, element=element))
        if announce:
            self.text("start", name, element=element, elapsed=0.0)
        ok, phase = False, Phase()
        try:
            yield phase
            ok = True
        finally:
            seconds = self.clock.elapsed() - started
            self.phases[name] = self.phases.get(name, 0.0) + seconds
            self.emit(events.SpanEnded(time=time.time(), span=span, seconds=seconds, ok=ok))
            if announce:
                detail = phase.detail if ok else None
                self.text("success" if ok else "failure", name, element=element, elapsed=seconds, detail=detail)

    def output(self, data: bytes | str) -> None:
        """Send a piece of the command's result; waits when the frontend is far behind."""
        self.outbox.post(events.Output(data.encode() if isinstance(data, str) else data))
        self.outbox.wait_below(OUTPUT_LIMIT)

    def values(self, data: object) -> None:
        """Send the command's result as plain data."""
        self.outbox.post(events.Values(data=data))

    def error(self, error: GrilseError) -> None:
        """Tell the error that the command ends with."""
        self.emit(
            events.Error(
                time=time.time(),
                scope="main",
                domain=error.domain.name,
                reason=error.reason,
                message=str(error),
                detail=error.detail,
                where=error.where,
            )
        )

    def task_error(self, failure: Failure, element: str) -> None:
        """Tell the error of a failed job."""
        self.emit(
            events.Error(
                time=time.time(),
                scope="task",
                domain=failure.domain,
                reason=failure.reason,
                message=failure.message,
                detail=failure.detail,
                where=failure.where,
                element=element,
            )
        )

    def bug(self, error: BaseException) -> None:
        """Tell an error that nobody expected."""
        self.emit(
            events.Unhandled(
                time=time.time(),
                message=f"{type(error).__name__}: {error}",
                traceback="".join(traceback.format_exception(error)),
            )
        )
