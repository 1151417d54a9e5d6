"""A small area at the bottom of a terminal that is redrawn, and lines that scroll away above it.

Knows escape sequences and cell widths; nothing of what is drawn.  Sequences are those of ECMA-48 that every terminal
has: cursor up and down, erase to the end of line or screen, and the cursor's visibility.
"""

from __future__ import annotations

import re
import unicodedata

HIDE_CURSOR = "\x1b[?25l"
SHOW_CURSOR = "\x1b[?25h"
_ERASE_LINE = "\x1b[K"
_ERASE_BELOW = "\x1b[J"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def width(text: str) -> int:
    """How many cells plain text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def fit(text: str, cells: int) -> str:
    """Plain text, cut with an ellipsis when it takes more than so many cells."""
    if width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    kept, used = [], 0
    for character in text:
        used += _cells(character)
        if used > cells - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def pad(text: str, cells: int) -> str:
    """Plain text of exactly so many cells."""
    text = fit(text, cells)
    return text + " " * (cells - width(text))


def fit_painted(text: str, cells: int) -> str:
    """Text with colours, cut when it takes more than so many cells; colours end where it is cut."""
    if width(_SEQUENCE.sub("", text)) <= cells:
        return text
    parts, used, place = [], 0, 0
    for match in [*_SEQUENCE.finditer(text), None]:
        plain = text[place : match.start() if match else len(text)]
        room = cells - used
        if width(plain) > room:
            parts.append(fit(plain, room))
            break
        parts.append(plain)
        used += width(plain)
        if match:
            parts.append(match[0])
            place = match.end()
    return "".join(parts) + ("\x1b[0m" if "\x1b" in text else "")


class Area:
    """The live area: makes the bytes of frames; the cursor rests at its upper left corner.

    There it stays when the terminal is resized and its lines are wrapped anew, so that the area is always found again.
    """

    def __init__(self) -> None:
        self._drawn: list[str] = []

    @property
    def height(self) -> int:
        """Lines drawn now."""
        return len(self._drawn)

    def frame(self, above: str, lines: list[str]) -> str:
        """The text that scrolls `above` (whole lines) up and leaves `lines` in the area.

        The lines must be cut to the width of the terminal.
        """
        if above or len(lines) != len(self._drawn) or not lines:
            return self._whole(above, lines)
        return self._changes(lines)

    def _whole(self, above: str, lines: list[str]) -> str:
        parts = []
        if self._drawn:
            parts.append("\r" + _ERASE_BELOW)
        parts.append(above)
        if lines and not self._drawn:
            parts.append(HIDE_CURSOR)
        elif not lines and self._drawn:
            parts.append(SHOW_CURSOR)
        parts.append("\n".join(lines))
        parts.append(_up(len(lines) - 1))
        if lines:
            parts.append("\r")
        self._drawn = list(lines)
        return "".join(parts)

    def _changes(self, lines: list[str]) -> str:
        parts, row = [], 0
        for place, (old, new) in enumerate(zip(self._drawn, lines)):
            if old == new:
                continue
            parts.append(_down(place - row) + "\r" + new + _ERASE_LINE)
            row = place
        if not parts:
            return ""
        self._drawn = list(lines)
        return "".join(parts) + _up(row) + "\r"

    def forget(self) -> str:
        """After a resize: erase the area as it lies now, to be drawn anew."""
        if not self._drawn:
            return ""
        self._drawn = []
        return "\r" + _ERASE_BELOW


def _up(rows: int) -> str:
    return f"\x1b[{rows}A" if rows > 0 else ""


def _down(rows: int) -> str:
    return f"\x1b[{rows}B" if rows > 0 else ""
