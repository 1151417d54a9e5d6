"""How long a session was suspended so far, kept where its jobs can read it at any instant.

A file beside the session's plan, mapped into memory by those that read it.  It is written while all jobs are stopped:
none of them can measure a time in which a suspension is not yet counted.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Final

# Name of the file in a session's directory.
PAUSES: Final = "suspended"
_SECONDS: Final = struct.Struct("=d")


def write_pauses(path: str, seconds: float) -> None:
    """Keep the sum of all suspensions so far, seconds; if it cannot be written, jobs count them as their own time."""
    try:
        # In place: a file in its stead would not be that which is mapped.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, _SECONDS.pack(seconds))
        finally:
            os.close(descriptor)
    except OSError:
        # Nobody's work depends on it.
        pass


class Pauses:
    """The suspensions of the session that the plan file `plan` belongs to; none if it does not keep them."""

    __slots__ = ("_map",)

    def __init__(self, plan: str) -> None:
        self._map: mmap.mmap | None = None
        try:
            descriptor = os.open(os.path.join(os.path.dirname(plan), PAUSES), os.O_RDONLY)
            try:
                self._map = mmap.mmap(descriptor, _SECONDS.size, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
        except (OSError, ValueError):
            pass

    def total(self) -> float:
        """The sum of all suspensions so far, seconds."""
        return 0.0 if self._map is None else float(_SECONDS.unpack_from(self._map)[0])

    def close(self) -> None:
        """Read it no more."""
        if self._map is not None:
            self._map.close()
            self._map = None
