"""Colours, or none, and text made safe for a terminal.

Knows nothing of what is painted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Select Graphic Rendition parameters of ECMA-48.
_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}

# What a program writes to paint text or to move the cursor: control sequences, and strings to the terminal such as
# titles and links (ECMA-48).
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]")
# What could move the cursor or change the terminal: control characters, except tab and line feed.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Paint:
    """Paints text when colours are on, and leaves it alone when they are off."""

    __slots__ = ("_codes", "on")

    def __init__(self, on: bool) -> None:
        self.on = on
        self._codes: Mapping[str, str] = _STYLES if on else {}

    def __call__(self, text: str, *styles: str) -> str:
        """`text` in these styles ("bold", "dim" or the name of a colour)."""
        if not self.on or not text:
            return text
        codes = ";".join(self._codes[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"


def printable(text: str) -> str:
    """`text` without what a terminal would obey; for text that comes from builds or file names.

    Colours and the like are left out, any other control character becomes a mark.
    """
    if not _CONTROLS.search(text):
        return text
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCES.sub("", text))
