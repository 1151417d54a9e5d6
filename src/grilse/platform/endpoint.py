"""What a started process can be given: one end of a pipe.  Only for type checkers: importing `typing` costs 8 ms."""

from __future__ import annotations

from typing import Protocol


class Endpoint(Protocol):
    """One end of a pipe: a connection, or a `PipeEnd`."""

    def fileno(self) -> int:
        """The descriptor or handle."""

    def close(self) -> None:
        """Close it here."""
