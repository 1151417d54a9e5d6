"""The session's event log: one JSON object a line, on disk before anybody is told where to read it.

Knows nothing of channels or of what events mean.
"""

from __future__ import annotations

import os
import threading

import msgspec

from ..protocol.events import Event

# Bytes kept before they are written: an event is on disk at the latest when the main loop goes to sleep.
BUFFER_LIMIT = 64 * 1024


class EventLog:
    """Appends events to the session's log, which is left out if it cannot be opened, and to a file the user named.

    Args:
        path: the session's log.

    Attributes:
        path: the session's log, or None when there is none (any more).
        size: bytes of it, those that are not written yet included.
        copy_lost: whether the user's file could not be written to, and therefore lacks events.
    """

    def __init__(self, path: str) -> None:
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._log = -1
        self._copy = -1
        self.path: str | None = None
        self.size = 0
        self.copy_lost = False
        try:
            self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self.path = path
        except OSError:
            # Events go to the frontend only, which is told so.
            pass

    def copy_to(self, path: str) -> None:
        """Append to a further file (``--events``) what is not written yet: everything, before the first `flush`.

        Raises:
            OSError: it cannot be opened.
        """
        with self._lock:
            self._copy = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def append(self, event: Event) -> tuple[bytes, int]:
        """Add one event; returns its line and where in the log that begins."""
        line = self._encoder.encode(event) + b"\n"
        return line, self.append_lines(line)

    def append_lines(self, lines: bytes) -> int:
        """Add events that are encoded already, each ended by a line feed; returns where in the log they begin."""
        with self._lock:
            start = self.size
            self.size += len(lines)
            self._pending += lines
            if len(self._pending) >= BUFFER_LIMIT:
                self._write()
            return start

    def flush(self) -> None:
        """Hand everything to the operating system."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        data = bytes(self._pending)
        self._pending.clear()
        if not data:
            return
        if self._log >= 0 and not _write_all(self._log, data):
            # A full disk must not stop the build: from here on events only go to the frontend.
            os.close(self._log)
            self._log = -1
            self.path = None
        if self._copy >= 0 and not _write_all(self._copy, data):
            os.close(self._copy)
            self._copy = -1
            self.copy_lost = True

    def close(self) -> None:
        """Flush and close both files."""
        self.flush()
        for descriptor in (self._log, self._copy):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._copy = -1


def _write_all(descriptor: int, data: bytes) -> bool:
    view = memoryview(data)
    while view:
        try:
            written = os.write(descriptor, view)
        except OSError:
            return False
        view = view[written:]
    return True
