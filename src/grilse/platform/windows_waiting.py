"""Waiting for many handles at once, and reading all frames that have come.

The names are those of ``posix_waiting``.  Windows keeps frames apart by itself: a message of a pipe is a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Waiter:
    """See ``posix_waiting.Waiter``; Windows is told anew each time what is waited for."""

    def __init__(self) -> None:
        self._waitables: dict[Any, None] = {}

    def add(self, waitable: Any) -> None:
        """Wait for a handle, or for what has one."""
        self._waitables[waitable] = None

    def remove(self, waitable: Any) -> None:
        """Wait for it no more."""
        del self._waitables[waitable]

    def wait(self, timeout: float | None) -> list[Any]:
        """What is ready, after at most `timeout` seconds (None: no limit)."""
        from multiprocessing.connection import wait

        return wait(list(self._waitables), timeout)

    def close(self) -> None:
        """Nothing is kept."""


class FrameReader:
    """See ``posix_waiting.FrameReader``."""

    def __init__(self, connection: Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self.bad: str | None = None

    @property
    def partial(self) -> bool:
        """Never: frames come whole."""
        return False

    def read(self) -> list[bytes]:
        """The frames that have come, at least one; waits only if nothing has come.

        Raises:
            EOFError: the other side has closed its end.
            OSError: the connection is broken, or a frame is larger than the limit, which closes it.
        """
        frames = [self._connection.recv_bytes(self._limit)]
        try:
            while self._connection.poll(0):
                frames.append(self._connection.recv_bytes(self._limit))
        except (OSError, EOFError):
            # Said at the next call: what has come counts.
            pass
        return frames
