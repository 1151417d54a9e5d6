"""What a process has from Windows and code of others may change: how it takes signals.

Knows how to read it and how to put it back; nothing of who changed it.
"""

from __future__ import annotations

import signal
from typing import Any

import msgspec

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ProcessState(msgspec.Struct, frozen=True):
    """A picture of the state; `take` makes it."""

    handlers: tuple[Any, ...]

    @classmethod
    def take(cls) -> ProcessState:
        """Take the picture; in the main thread."""
        return cls(tuple(map(signal.getsignal, _SIGNALS)))

    def restore(self) -> list[str]:
        """Put back what can be put back, in the main thread; returns what could not, in words."""
        for number, handler in zip(_SIGNALS, self.handlers):
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        return []
