"""The words in which an error is shown.

Knows nothing of where errors come from.
"""

from __future__ import annotations

from ...protocol.events import Error, Unhandled
from .paint import Paint, printable

_INDENT = "    "


def error_text(error: Error, paint: Paint) -> str:
    """An orderly error: place and message, its detail indented; ends with a line feed."""
    message = error.message
    if error.where and not message.startswith(error.where):
        message = f"{error.where}: {message}"
    text = paint(printable(message), "red") + "\n"
    if error.detail:
        detail = printable(error.detail).rstrip("\n")
        text += "\n" + "".join(f"{_INDENT}{line}".rstrip() + "\n" for line in detail.splitlines())
    return text


def unhandled_text(bug: Unhandled, paint: Paint) -> str:
    """A bug of ours: says that it is one, and shows the traceback."""
    text = paint(f"This is a bug of grilse: {printable(bug.message)}", "bold", "red") + "\n"
    if bug.traceback:
        text += printable(bug.traceback).rstrip("\n") + "\n"
    return text
