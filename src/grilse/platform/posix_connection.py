"""Connections of POSIX systems: frames of bytes over a socket or a pipe, made without importing `multiprocessing`.

Knows nothing of what is in frames.  They are those of ``multiprocessing.connection.Connection``, which takes as long to
import as an interpreter takes to start: `tests/protocol/test_connections.py` holds the two to each other.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from math import ceil
from typing import Any

# A frame has its length in 4 bytes (signed, big-endian) before it, or -1 and the length in 8 more.
_SHORT, _LONG = 4, 8
_MAX_SHORT = 0x7FFFFFFF
# Bytes beyond which putting the length before a frame, which copies it, costs more than another system call.
_SMALL = 16 * 1024
# Bytes asked for at a time: more would have to be asked of the system each time, and given back.
_READ_SIZE = 1 << 20


class Connection:
    """One end of a pipe, or a socket.

    Args:
        descriptor: is closed with it.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def __del__(self) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor.

        Raises:
            OSError: it is closed.
        """
        if self._descriptor is None:
            raise OSError("the connection is closed")
        return self._descriptor

    def close(self) -> None:
        """Close it; a second call changes nothing."""
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            self._descriptor = None
            os.close(descriptor)

    def send_bytes(self, data: bytes) -> None:
        """Send one frame; waits until the system has taken all of it.

        Raises:
            OSError: the connection is broken or closed.
        """
        size = len(data)
        if size > _MAX_SHORT:
            head = (-1).to_bytes(_SHORT, "big", signed=True) + size.to_bytes(_LONG, "big")
        else:
            head = size.to_bytes(_SHORT, "big")
        if size <= _SMALL:
            self._write(head + data)
        else:
            self._write(head)
            self._write(data)

    def recv_bytes(self, limit: int) -> bytes:
        """The next frame; waits for it.

        Args:
            limit: bytes that it may have.

        Raises:
            EOFError: the other side has closed its end.
            OSError: the connection is broken or closed, ends within a frame, or the frame is larger.
        """
        size = int.from_bytes(self._read(_SHORT, at_start=True), "big", signed=True)
        if size == -1:
            size = int.from_bytes(self._read(_LONG), "big")
        if not 0 <= size <= limit:
            self.close()  # where the next frame begins is not known
            raise OSError(f"a frame of {size} bytes")
        return self._read(size)

    def poll(self, timeout: float = 0.0) -> bool:
        """Whether there is something to read, or the end, within `timeout` seconds.

        Raises:
            OSError: it is closed.
        """
        return bool(wait([self], timeout))

    def _write(self, data: bytes) -> None:
        descriptor = self.fileno()
        written = os.write(descriptor, data)
        if written < len(data):
            view = memoryview(data)[written:]
            while view:
                view = view[os.write(descriptor, view) :]

    def _read(self, size: int, *, at_start: bool = False) -> bytes:
        descriptor = self.fileno()
        chunks: list[bytes] = []
        left = size
        while left:
            chunk = os.read(descriptor, min(left, _READ_SIZE))
            if not chunk:
                if at_start and left == size:
                    raise EOFError
                raise OSError("the connection ended within a frame")
            chunks.append(chunk)
            left -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def connection_class() -> type[Connection]:
    """The class of the ends of a duplex `pair`, for who watches what crosses."""
    return Connection


def pair(*, duplex: bool) -> tuple[Connection, Connection]:
    """Two connections to each other; if not `duplex`, the first one only receives and the second one only sends."""
    if not duplex:
        reader, writer = os.pipe()
        return Connection(reader), Connection(writer)
    # The C module is what `socket` wraps.
    from _socket import socketpair

    here, there = socketpair()
    return Connection(here.detach()), Connection(there.detach())


def wait(waitables: Sequence[Any], timeout: float | None = None) -> list[Any]:
    """Which of several descriptors, or things that have one, can be read.

    Args:
        waitables: integers, or what has `fileno`.
        timeout: seconds to wait until there is one; None for no limit.
    """
    poller = select.poll()
    by_number: dict[int, Any] = {}
    for waitable in waitables:
        number = waitable if isinstance(waitable, int) else waitable.fileno()
        by_number[number] = waitable
        poller.register(number, select.POLLIN)
    # Rounded up: who waits for a deadline is not to wake up just before it.
    ready = poller.poll(None if timeout is None else max(0, ceil(timeout * 1000)))
    return [by_number[number] for number, _ in ready]
