"""The backend's event loop: waits for connections, process sentinels and deadlines together; never polls.

Knows nothing of workers, jobs or commands.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..platform.connection import pair
from ..platform.waiting import Waiter

Callback = Callable[[], None]


class Deadline:
    """A callback at a time; `cancel` makes it do nothing."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget the callback."""
        self.callback = None


class Loop:
    """Calls back when something is readable, a process ends, time has come, or another thread says so."""

    def __init__(self) -> None:
        self._watched: dict[Any, Callback] = {}
        self._waiter = Waiter()
        self._deadlines: list[tuple[float, int, Deadline]] = []
        self._numbers = itertools.count()
        self._called: deque[Callback] = deque()
        self._wake_reader, self._wake_writer = pair(duplex=False)
        self._woken = False
        self._lock = threading.Lock()
        self._before_sleep: list[Callback] = []
        self.watch(self._wake_reader, self._wake)

    def watch(self, waitable: Any, callback: Callback) -> None:
        """Call back whenever `waitable` (a connection or a sentinel) is ready."""
        if waitable not in self._watched:
            self._waiter.add(waitable)
        self._watched[waitable] = callback

    def forget(self, waitable: Any) -> None:
        """Watch it no more; before it is closed."""
        if self._watched.pop(waitable, None) is not None:
            self._waiter.remove(waitable)

    def after(self, seconds: float, callback: Callback) -> Deadline:
        """Call back once, `seconds` from now."""
        deadline = Deadline(time.monotonic() + seconds, callback)
        heapq.heappush(self._deadlines, (deadline.when, next(self._numbers), deadline))
        return deadline

    def before_sleep(self, callback: Callback) -> None:
        """Call back each time before the loop waits (to flush what has been buffered)."""
        self._before_sleep.append(callback)

    def call(self, callback: Callback) -> None:
        """Have the loop's thread call back soon; may be used from any thread."""
        with self._lock:
            self._called.append(callback)
            if not self._woken:
                self._woken = True
                self._wake_writer.send_bytes(b"!")

    def _wake(self) -> None:
        with self._lock:
            self._wake_reader.recv_bytes(1)
            self._woken = False
            called = list(self._called)
            self._called.clear()
        for callback in called:
            callback()

    def turn(self) -> None:
        """Wait for the next thing to happen and handle all that is ready."""
        for callback in self._before_sleep:
            callback()
        while self._deadlines and self._deadlines[0][2].callback is None:
            heapq.heappop(self._deadlines)
        # Without a deadline there is no limit: the control channel's end wakes the loop when the frontend is gone.
        timeout = max(0.0, self._deadlines[0][0] - time.monotonic()) if self._deadlines else None
        for ready in self._waiter.wait(timeout):
            watching = self._watched.get(ready)
            if watching is not None:
                watching()
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline = heapq.heappop(self._deadlines)[2]
            if deadline.callback is not None:
                deadline.callback()

    def close(self) -> None:
        """Close the wake-up connection."""
        self._waiter.close()
        self._wake_reader.close()
        self._wake_writer.close()
