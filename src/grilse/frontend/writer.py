"""Writes bytes to descriptors in a thread of its own, so that a slow reader never holds up whoever has more to say.

Knows nothing of what is written.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable

# Bytes given to the system at a time: few enough that what is still to be written can be changed soon.
CHUNK = 2048
# Seconds from which a piece that took so long tells how fast the reader is; less is the system's buffer.
TELLING_TIME = 0.02
# Bytes a second that a reader is believed to take before it is known, at most, and how its credit grows.
FIRST_RATE, FASTEST_RATE, GROWTH = 32_000.0, 1_000_000.0, 1.5


class Writer:
    """A queue of bytes and the thread that writes them.

    Args:
        on_idle: called in the writing thread whenever all that was put has been written.
    """

    def __init__(self, on_idle: Callable[[], None] | None = None) -> None:
        self._queue: deque[tuple[int, bytes]] = deque()
        self._condition = threading.Condition()
        self._on_idle = on_idle
        self._backlog = 0
        self._busy = False
        self._broken: dict[int, OSError] = {}
        self._rate = FIRST_RATE
        self._thread: threading.Thread | None = None

    @property
    def backlog(self) -> int:
        """Bytes put and not yet written."""
        return self._backlog

    @property
    def rate(self) -> float:
        """Bytes a second that the reader seems to take: measured where it was slow, else growing with what it took."""
        return self._rate

    def broken(self, descriptor: int) -> bool:
        """Whether nobody reads from this descriptor any more."""
        return descriptor in self._broken

    def fault(self, descriptor: int) -> str | None:
        """Why a descriptor cannot be written, in words; None when it can, or when its reader just went away."""
        error = self._broken.get(descriptor)
        return None if error is None or error.errno == errno.EPIPE else error.strerror or str(error)

    def put(self, descriptor: int, data: bytes) -> None:
        """Queue bytes for a descriptor; returns at once."""
        if not data:
            return
        with self._condition:
            self._queue.append((descriptor, data))
            self._backlog += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
            self._condition.notify()

    def drop(self, descriptor: int) -> int:
        """Forget what is queued for a descriptor and not begun; returns how many bytes that were."""
        with self._condition:
            kept = deque(item for item in self._queue if item[0] != descriptor)
            dropped = sum(len(data) for place, data in self._queue if place == descriptor)
            self._queue = kept
            self._backlog -= dropped
            return dropped

    def flush(self, timeout: float | None) -> bool:
        """Wait until all is written, at most `timeout` seconds (None: however long); whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while self._queue or self._busy:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                # Woken now and then, so that a signal handler gets its turn while we wait without a limit.
                self._condition.wait(0.5 if left is None else min(left, 0.5))
        return True

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                idle = not self._queue
            if idle and self._on_idle is not None:
                self._on_idle()
            with self._condition:
                while not self._queue:
                    # No limit: a daemon thread, which ends with the process.
                    self._condition.wait()
                descriptor, data = self._queue.popleft()
                self._busy = True
            begun = time.monotonic()
            self._write(descriptor, data)
            self._judge(len(data), time.monotonic() - begun)

    def _judge(self, size: int, seconds: float) -> None:
        if seconds >= TELLING_TIME:
            self._rate = (self._rate + size / seconds) / 2
        elif size * 8 > self._rate:
            # Much, and taken at once.
            self._rate = min(FASTEST_RATE, self._rate * GROWTH)

    def _write(self, descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if descriptor in self._broken:
                written = len(view)
            else:
                try:
                    written = os.write(descriptor, view[:CHUNK])
                except BlockingIOError:
                    # Somebody else made our terminal non-blocking: wait until it takes more.
                    _wait_writable(descriptor)
                    continue
                except OSError as error:
                    self._broken[descriptor] = error
                    continue
            view = view[written:]
            with self._condition:
                self._backlog -= written


def _wait_writable(descriptor: int) -> None:
    import select

    select.select([], [descriptor], [], 1.0)
