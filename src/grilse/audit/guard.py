"""Call into the audited program's own hooks, bounded in time whatever they do.

A watching thread wakes once, when the time of the whole audit is over; if a hook is running then, it raises an
exception in it.  That ends any loop of Python code; a hook that blocks outside Python code cannot be ended so.
Knows nothing of what the hooks are for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

# Seconds between two attempts to end a hook that swallows the exception.
_AGAIN = 0.05


class OutOfTime(BaseException):
    """Raised inside a hook that still runs when the time of the audit is over."""


class HookTimer:
    """Calls hooks and ends the one that runs at the deadline; use as a context manager in one thread."""

    __slots__ = ("_closed", "_deadline", "_fired", "_lock", "_running", "_target", "_thread")

    def __init__(self, deadline: float) -> None:
        """``deadline`` is on the clock of ``time.monotonic``."""
        self._deadline = deadline
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._running = False
        self._fired = False
        self._target = threading.get_ident()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> HookTimer:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def call(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        """What ``hook(*arguments)`` returns.

        :raises OutOfTime: if it was ended at the deadline; otherwise whatever the hook raises.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="audit hook timer", daemon=True)
            self._thread.start()
        self._running = True
        try:
            try:
                return hook(*arguments)
            finally:
                self._settle()
        except OutOfTime:
            # It may have come within the settling itself; the next one is not sent so soon.
            self._settle()
            raise

    def _settle(self) -> None:
        with self._lock:
            self._running = False
            fired, self._fired = self._fired, False
        if fired:
            # What has been sent comes at one of the next steps of this thread, if it has not come yet.
            for _ in range(1000):
                pass
            raise OutOfTime

    def _watch(self) -> None:
        import ctypes

        send = ctypes.pythonapi.PyThreadState_SetAsyncExc
        pause = max(0.0, self._deadline - time.monotonic())
        while not self._closed.wait(pause):
            with self._lock:
                if self._running:
                    self._fired = True
                    send(ctypes.c_ulong(self._target), ctypes.py_object(OutOfTime))
            pause = _AGAIN
