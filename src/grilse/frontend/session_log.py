"""Reads the event log that a session leaves: JSON Lines of the events, each with its time.

Knows nothing of displays.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..protocol.events import Event

# Bytes read at a time.
_BLOCK = 1 << 20


class EventReader:
    """Decodes lines of a log; a line that is no event of this version is skipped."""

    def __init__(self) -> None:
        self._made: msgspec.json.Decoder[Event] | None = None

    @property
    def _decoder(self) -> msgspec.json.Decoder[Event]:
        # Made late: a frontend that keeps up reads no log.
        if self._made is None:
            self._made = msgspec.json.Decoder(Event)
        return self._made

    def decode(self, line: bytes) -> Event | None:
        """The event of one line, or None."""
        try:
            event: Event = self._decoder.decode(line)
        except msgspec.MsgspecError:
            return None
        return event

    def lines(self, lines: bytes) -> list[Event]:
        """The events of several lines."""
        try:
            decoded: list[Event] = self._decoder.decode_lines(lines)
        except msgspec.MsgspecError:
            return [event for line in lines.splitlines() if (event := self.decode(line)) is not None]
        return decoded

    def range(self, path: str, start: int, end: int | None = None) -> Iterator[Event]:
        """The events from byte `start` to byte `end` (None: to the end) of a log.

        Raises:
            OSError: the log cannot be read.
        """
        with open(path, "rb") as file:
            file.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                block = file.readlines(_BLOCK if left is None else min(_BLOCK, left))
                if not block:
                    return
                for line in block:
                    if left is not None and left <= 0:
                        return
                    if left is not None:
                        left -= len(line)
                    event = self.decode(line)
                    if event is not None:
                        yield event
