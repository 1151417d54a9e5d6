"""Elapsed time of a session, its suspensions excluded.  Knows nothing of jobs."""

from __future__ import annotations

import time

from ..protocol.pauses import write_pauses


class Clock:
    """A stopwatch that can be paused."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._paused_for = 0.0
        self._paused_at: float | None = None
        self._file: str | None = None

    def keep_pauses(self, path: str) -> None:
        """From now on keep in a file how long all pauses were, for the clocks of jobs."""
        self._file = path
        write_pauses(path, self._paused_for)

    def elapsed(self) -> float:
        """Seconds since the session began, pauses excluded."""
        now = self._paused_at if self._paused_at is not None else time.monotonic()
        return now - self._started - self._paused_for

    def pause(self) -> None:
        """Stop counting; a second call changes nothing."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Count on; before the processes of jobs do."""
        if self._paused_at is not None:
            self._paused_for += time.monotonic() - self._paused_at
            self._paused_at = None
            if self._file is not None:
                write_pauses(self._file, self._paused_for)
