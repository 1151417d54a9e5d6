"""Sends events to the frontend from a thread of its own, so that a slow reader never slows the build.

Knows nothing of what events mean but for three things: results for standard output are never left out, progress is
coalesced (only the newest of each matters), and everything else is in the event log, so that a backlog can be replaced
by the byte range to read there.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from ..protocol.channel import Channel, ChannelClosed
from ..protocol.events import CaughtUp, Event, JobProgress, Output, Queues
from ..protocol.requests import Hello
from .eventlog import EventLog

# Bytes waiting for the frontend beyond which the backlog is left to the log.
BACKLOG_LIMIT = 4 * 1024 * 1024
# Bytes after which a frame of several events is full.
FRAME_SIZE = 64 * 1024


@dataclass(slots=True)
class _Item:
    """One thing to send: encoded data, or a gap (data None) that covers bytes `start` to `end` of the log."""

    data: bytes | None
    start: int
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
        self._closing = False
        self._in_flight: list[_Item] | None = None
        self.lost = False
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def post(self, event: Event, place: tuple[int, int]) -> None:
        """Queue an event; never blocks.  `place` is its byte range in the log (empty for what is not logged)."""
        with self._condition:
            if self.lost:
                return
            if isinstance(event, Queues):
                self._progress[Queues] = event
            elif isinstance(event, JobProgress):
                self._progress[event.job] = event
            else:
                self._append(event, place)
            self._condition.notify_all()

    def _append(self, event: Event, place: tuple[int, int]) -> None:
        keep = isinstance(event, Output) or self._log.path is None
        last = self._items[-1] if self._items else None
        if last is not None and last.data is None and not keep:
            last.end = place[1]
            return
        data = self._channel.encode(event)
        self._items.append(_Item(data, place[0], place[1], keep))
        self._bytes += len(data)
        if self._bytes > BACKLOG_LIMIT:
            self._leave_to_log()

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
                self._in_flight = None
                self._condition.notify_all()
                while not self._items and not self._progress and not self._closing:
                    # No limit: post() and finish() notify.
                    self._condition.wait()
                if not self._items and not self._progress:
                    return
                batch = self._take()
            try:
                self._channel.send_many([item.data or self._gap(item) for item in batch])
            except ChannelClosed:
                with self._condition:
                    self.lost = True
                    self._in_flight = None
                    self._items.clear()
                    self._condition.notify_all()
                return

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._items and size < FRAME_SIZE:
            item = self._items.popleft()
            size += len(item.data or b"")
            batch.append(item)
        self._bytes -= size
        self._in_flight = batch[:1]
        if not self._items:
            batch += [_Item(self._channel.encode(event), 0, 0, False) for event in self._progress.values()]
            self._progress.clear()
        return batch

    def _gap(self, item: _Item) -> bytes:
        self._log.flush()
        return self._channel.encode(CaughtUp(start=item.start, end=item.end))

    def wait_below(self, limit: int) -> None:
        """Wait until fewer than `limit` bytes are queued: for results far larger than memory should hold."""
        with self._condition:
            while self._bytes >= limit and not self.lost:
                # No limit: a frontend that has gone sets `lost`, one that is stopped is waited for on purpose.
                self._condition.wait()

    def finish(self, limit: float) -> tuple[int, int] | None:
        """Send what is left for at most `limit` seconds (results for standard output without limit), then stop.

        Returns the byte range of the log that could not be sent, or None.
        """
        deadline = time.monotonic() + limit
        with self._condition:
            self._closing = True
            self._condition.notify_all()
            while (self._items or self._progress or self._in_flight is not None) and not self.lost:
                must_wait = any(item.keep for item in (*self._items, *(self._in_flight or ())))
                left = deadline - time.monotonic()
                if left <= 0 and not must_wait:
                    break
                self._condition.wait(None if must_wait else left)
            unsent = [*(self._in_flight or ()), *self._items]
            if self.lost or not unsent:
                return None
            start = unsent[0].start
            self._items.clear()
            self._progress.clear()
            return start, self._log.size
