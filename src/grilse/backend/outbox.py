"""Sends events to the frontend from a thread of its own, so that a slow reader never slows the build.

Knows nothing of what events mean but for three things: what is not in the event log (a command's results) is never left
out, progress is coalesced (only the newest of each matters), and everything else is sent as the log has it, so that a
backlog can be replaced by the byte range to read there.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import msgspec

from ..protocol.channel import Channel, ChannelClosed
from ..protocol.events import CaughtUp, Event, JobProgress, LoggedEvents, Queues
from ..protocol.requests import Hello
from .eventlog import EventLog

# Bytes waiting for the frontend beyond which the backlog is left to the log.
BACKLOG_LIMIT = 4 * 1024 * 1024
# Bytes after which a frame of several events is full.
FRAME_SIZE = 64 * 1024
# Seconds between frames that are not full: each costs both processes a system call and a wake-up, however little it
# carries.  Far below what anybody sees, and the first event after a pause is sent at once.
PAUSE = 0.005
# Events of which only the newest matters.
COALESCED = Queues | JobProgress


class _Item(msgspec.Struct):
    """One thing to send.

    Attributes:
        data: lines of the log, or an encoded message if `start` is None, or None for a gap.
        start, end: the byte range in the log.
        keep: it must not become a gap.
    """

    data: bytes | None
    start: int | None
    end: int
    keep: bool


class Outbox:
    """A queue with a sending thread.

    Args:
        channel: the events channel.
        log: where everything droppable can be read again.
    """

    def __init__(self, channel: Channel[Event | Hello, Event], log: EventLog) -> None:
        self._channel = channel
        self._log = log
        self._items: deque[_Item] = deque()
        self._progress: dict[object, Event] = {}
        self._bytes = 0
        self._condition = threading.Condition()
        self._idle = False
        self._hurry = threading.Event()
        self._closing = False
        self._in_flight: list[_Item] | None = None
        self.lost = False
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def post_lines(self, lines: bytes, start: int, *, wake: bool = True) -> None:
        """Queue events that stand in the log from byte `start` on; never blocks.

        Without `wake` they may wait for what is posted next, or for `wake`.
        """
        end = start + len(lines)
        with self._condition:
            if self.lost:
                return
            last = self._items[-1] if self._items else None
            if last is not None and last.data is None and self._log.path is not None:
                last.end = end
                return
            self._add(_Item(lines, start, end, self._log.path is None), wake=wake)

    def post(self, event: Event) -> None:
        """Queue what is not in the log; never blocks."""
        data = self._channel.encode(event)
        with self._condition:
            if not self.lost:
                self._add(_Item(data, None, 0, True))

    def replace(self, event: Event) -> None:
        """Queue progress in place of what of its kind still waits; never blocks."""
        with self._condition:
            if not self.lost:
                self._progress[event.job if isinstance(event, JobProgress) else type(event)] = event
                self._wake()

    def wake(self) -> None:
        """Send what waits."""
        # Looked at without the lock: who posts is who calls this.
        if self._items and self._idle:
            with self._condition:
                self._wake()

    def _add(self, item: _Item, *, wake: bool = True) -> None:
        self._items.append(item)
        self._bytes += len(item.data or b"")
        if self._bytes > FRAME_SIZE:
            self._hurry.set()
            if self._bytes > BACKLOG_LIMIT:
                self._leave_to_log()
        if wake:
            self._wake()

    def _wake(self) -> None:
        if self._idle:
            self._idle = False
            self._condition.notify_all()

    def _leave_to_log(self) -> None:
        kept: deque[_Item] = deque()
        for item in self._items:
            if item.keep:
                kept.append(item)
            elif kept and kept[-1].data is None:
                kept[-1].end = item.end
            else:
                kept.append(_Item(None, item.start, item.end, False))
        self._items = kept
        self._bytes = sum(len(item.data) for item in kept if item.data is not None)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._items and not self._progress and not self._closing:
                    self._idle = True
                    # No limit: what is posted, and finish(), wakes.
                    self._condition.wait()
                if not self._items and not self._progress:
                    return
                batch = self._in_flight = self._take()
                progress = [] if self._items else list(self._progress.values())
                if not self._items:
                    self._progress.clear()
            try:
                self._channel.send_many([*self._encoded(batch), *map(self._channel.encode, progress)])
            except ChannelClosed:
                with self._condition:
                    self.lost = True
                    self._in_flight = None
                    self._items.clear()
                    self._condition.notify_all()
                return
            with self._condition:
                self._in_flight = None
                self._condition.notify_all()
            self._hurry.wait(PAUSE)

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._items and size < FRAME_SIZE:
            item = self._items.popleft()
            size += len(item.data or b"")
            batch.append(item)
        self._bytes -= size
        if self._bytes <= FRAME_SIZE and not self._closing:
            self._hurry.clear()
        return batch

    def _encoded(self, batch: list[_Item]) -> list[bytes]:
        encoded: list[bytes] = []
        lines: list[bytes] = []
        for item in batch:
            if item.data is not None and item.start is not None:
                lines.append(item.data)
                continue
            if lines:
                encoded.append(self._channel.encode(LoggedEvents(b"".join(lines))))
                lines = []
            if item.data is not None:
                encoded.append(item.data)
            else:
                self._log.flush()
                encoded.append(self._channel.encode(CaughtUp(start=item.start or 0, end=item.end)))
        if lines:
            encoded.append(self._channel.encode(LoggedEvents(b"".join(lines))))
        return encoded

    def wait_below(self, limit: int) -> None:
        """Wait until fewer than `limit` bytes are queued: for results far larger than memory should hold."""
        with self._condition:
            while self._bytes >= limit and not self.lost:
                # No limit: a frontend that has gone sets `lost`, one that is stopped is waited for on purpose.
                self._condition.wait()

    def finish(self, limit: float) -> tuple[int, int] | None:
        """Send what is left for at most `limit` seconds (what is not in the log without limit), then stop.

        Returns the byte range of the log that could not be sent, or None.
        """
        deadline = time.monotonic() + limit
        with self._condition:
            self._closing = True
            self._hurry.set()
            self._condition.notify_all()
            while (self._items or self._progress or self._in_flight is not None) and not self.lost:
                must_wait = any(item.keep for item in (*(self._in_flight or ()), *self._items))
                left = deadline - time.monotonic()
                if left <= 0 and not must_wait:
                    break
                self._condition.wait(None if must_wait else left)
            unsent = [item for item in (*(self._in_flight or ()), *self._items) if item.start is not None]
            self._items.clear()
            self._progress.clear()
            if self.lost or not unsent:
                return None
            return unsent[0].start or 0, self._log.size
