"""Waiting for many descriptors at once, and reading all frames that have come, with one system call each.

Knows how `posix_connection` frames what it sends; nothing of what is in frames.
"""

from __future__ import annotations

import os
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .endpoint import Endpoint

# Bytes asked for at a time: more would have to be asked of the system each time, and given back.
_READ_SIZE = 64 * 1024
# A frame has its length in 4 bytes (signed, big-endian) before it, or -1 and the length in 8 more
# (`tests/protocol/test_batches.py` holds this to what is sent).
_SHORT, _LONG = 4, 12


class Waiter:
    """What is waited for stays registered with the system, so that waiting costs no more for being for many."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._descriptors: dict[Any, int] = {}

    def add(self, waitable: Any) -> None:
        """Wait for a descriptor, or for what has one, to be readable."""
        descriptor = waitable if isinstance(waitable, int) else waitable.fileno()
        self._selector.register(descriptor, selectors.EVENT_READ, waitable)
        self._descriptors[waitable] = descriptor

    def remove(self, waitable: Any) -> None:
        """Wait for it no more; before it is closed."""
        self._selector.unregister(self._descriptors.pop(waitable))

    def wait(self, timeout: float | None) -> list[Any]:
        """What is ready, after at most `timeout` seconds (None: no limit)."""
        return [key.data for key, _ in self._selector.select(timeout)]

    def close(self) -> None:
        """Give the system back what it needs for this."""
        self._selector.close()


class FrameReader:
    """Reads a connection; nothing else may read it then.

    Args:
        connection: what is read.
        limit: bytes that a frame may have.

    Attributes:
        bad: what is wrong with what comes after the frames read so far, or None; nothing more is to be read then.
    """

    def __init__(self, connection: Endpoint, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._begun = bytearray()
        self.bad: str | None = None

    @property
    def partial(self) -> bool:
        """Whether the beginning of a frame has come, and not its end."""
        return bool(self._begun)

    def read(self) -> list[bytes]:
        """The frames that have come whole, maybe none; waits only if nothing at all has come.

        Raises:
            EOFError: the other side has closed its end.
            OSError: the connection is broken.
        """
        data = os.read(self._connection.fileno(), _READ_SIZE)
        if not data:
            raise EOFError
        begun: bytes | bytearray = data
        if self._begun:
            self._begun += data
            begun = self._begun
        frames: list[bytes] = []
        place, end = 0, len(begun)
        while end - place >= _SHORT:
            start = place + _SHORT
            size = int.from_bytes(begun[place:start], "big", signed=True)
            if size == -1:
                start = place + _LONG
                if end < start:
                    break
                size = int.from_bytes(begun[place + _SHORT : start], "big")
            if not 0 <= size <= self._limit:
                self.bad = f"a frame of {size} bytes"
                break
            if end < start + size:
                break
            place = start + size
            frames.append(bytes(begun[start:place]))
        self._begun = bytearray(begun[place:])
        return frames
