"""Shows a past session again: its log lines at once, or everything as it went, at any speed.

Knows displays and logs; where a session took its time, this takes it too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from multiprocessing.connection import wait

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


def replay(log: Iterable[Event], console: Console, speed: float) -> int:
    """Show events at the times that they had, `speed` times faster; returns the session's exit status.

    Ends early, with status 130, when it is interrupted.
    """
    status = 0
    clock: float | None = None
    for event in log:
        when = getattr(event, "time", 0.0) or clock or 0.0
        if clock is not None and when - clock > _TOGETHER and not _pass((when - clock) / speed, console):
            console.display.pause()
            return 130
        clock = max(clock or when, when)
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
