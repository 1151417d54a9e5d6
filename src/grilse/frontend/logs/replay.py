"""Shows a past session again: its log lines at once, or everything as it went, at any speed.

Knows displays and logs; where a session took its time, this takes it too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from ...platform.connection import wait
from ...protocol import events
from ...protocol.events import Event
from ..console import Console
from ..display.plain import PlainDisplay

# Seconds of the session's time within which events are shown together.
_TOGETHER = 0.01


def show_at_once(log: Iterable[Event], display: PlainDisplay) -> None:
    """Show everything."""
    status = 0
    batch: list[Event] = []
    for event in log:
        if isinstance(event, events.Result):
            status = event.status
        batch.append(event)
        if len(batch) >= 1000:
            display.show(batch)
            batch = []
    display.show(batch)
    display.finish(status)


class SessionClock:
    """The time of day in a session that is shown again: it passes `speed` times as fast, as far as the next event."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        # What time it was when, by the system's clock, and how late it may become.
        self._then = self._limit = 0.0
        self._since = time.monotonic()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return min(self._limit, self._then + (time.monotonic() - self._since) * self.speed)

    def run_until(self, limit: float) -> float:
        """Let time pass until then; returns how many seconds that takes."""
        self._then, self._limit, self._since = self._limit or limit, limit, time.monotonic()
        return (limit - self._then) / self.speed


def replay(log: Iterable[Event], console: Console, clock: SessionClock) -> int:
    """Show events at the times that they had, by a clock; returns the session's exit status.

    Ends early, with status 130, when it is interrupted.
    """
    status = 0
    last: float | None = None
    for event in log:
        when = getattr(event, "time", 0.0) or last or 0.0
        if last is None or when - last > _TOGETHER:
            seconds = clock.run_until(when)
            if last is not None and not _pass(seconds, console):
                console.display.pause()
                return 130
            last = when
        if isinstance(event, events.Result):
            status = event.status
        console.display.show([event])
    console.display.finish(status)
    return status


def _pass(seconds: float, console: Console) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        redraw = console.display.tick(time.monotonic())
        wait([console.port.fileno()], left if redraw is None else min(left, redraw))
        for word in console.port.take():
            if word in ("interrupt", "terminate", "hangup"):
                return False
            if word == "resize":
                console.display.resize()
    return True
