"""Works out the digest of what is read or received, in pieces.

Knows open files, and nothing of where their content goes.
"""

from __future__ import annotations

import hashlib
import os

from grilse.storage.digest import Digest, digest_bytes

# Files up to this size are read into memory and written from there, larger ones are streamed.
SMALL = 1 << 20

_CHUNK = 1 << 20


class Incoming:
    """A blob that is being received: written to a file and hashed on the way, since reading it again takes time."""

    __slots__ = ("_descriptor", "_hash", "size")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`.

        Raises:
            OSError: it cannot be written.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._hash.update(data)
        self.size += len(data)

    def digest(self) -> Digest:
        """Of what was written so far."""
        return Digest(self._hash.hexdigest(), self.size)


def hash_descriptor(descriptor: int, expected: int = _CHUNK) -> Digest:
    """Digest of what an open file holds from its offset on, which are about `expected` bytes."""
    if expected < SMALL:
        # One byte more than there should be: if that is there, too, the file has grown.
        data = os.read(descriptor, expected + 1)
        if len(data) <= expected:
            return digest_bytes(data)
        os.lseek(descriptor, -len(data), os.SEEK_CUR)
    state = hashlib.sha256()
    size = 0
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    while count := os.readv(descriptor, [buffer]) if hasattr(os, "readv") else _read_into(descriptor, view):
        state.update(view[:count])
        size += count
    return Digest(state.hexdigest(), size)


def _read_into(descriptor: int, view: memoryview) -> int:
    """What `os.readv` does, where it is not."""
    data = os.read(descriptor, len(view))
    view[: len(data)] = data
    return len(data)
