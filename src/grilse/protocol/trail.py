"""What a process is doing, kept where it can be read when the process has died without a word.

A file of a fixed size, mapped into memory: noting something costs as much as copying a line, and the system keeps what
was noted however the process ends.  Knows nothing of who writes or reads it.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

# Name of the file in a session's directory.
TRAIL: Final = "at-work"
# Bytes of the file: a line, filled up with zeros.
_SIZE: Final = 1024


class Trail:
    """Keeps one line in a file; where that cannot be made or mapped, nothing is kept."""

    __slots__ = ("_map",)

    def __init__(self, path: str) -> None:
        self._map: mmap.mmap | None = None
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                # Written, since on a full disk a file that was only made longer has no place behind it: writing to the
                # map then ends the process.
                if os.write(file, bytes(_SIZE)) != _SIZE:
                    return
                self._map = mmap.mmap(file, _SIZE)
            finally:
                os.close(file)
        except (OSError, ValueError):
            # It is of use only when a process dies: no reason to end one.
            pass

    def note(self, text: str) -> None:
        """Keep `text` in place of what was there; "" for nothing."""
        if self._map is not None:
            data = text.encode(errors="replace")[: _SIZE - 1]
            self._map[: len(data) + 1] = data + b"\0"


def read_trail(directory: str) -> str:
    """What was kept last in the trail of a session's directory, "" if nothing was."""
    try:
        with open(os.path.join(directory, TRAIL), "rb") as file:
            return file.read(_SIZE).partition(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""
