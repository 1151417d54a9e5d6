"""Orderly errors of the frontend itself: as events, and in the file that machines read.

Knows nothing of displays.
"""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec

from ..protocol.errors import GrilseError
from ..protocol.events import Error


def as_event(error: GrilseError) -> Error:
    """The error as the event that the backend would have sent."""
    return Error(
        time=time.time(),
        scope="main",
        domain=error.domain.name,
        reason=error.reason,
        message=error.message,
        detail=error.detail,
        where=error.where,
    )


def record(error: GrilseError, path: str | None) -> None:
    """Append the error to the file of ``--events``, when there is one and it can be written."""
    if path is None:
        return
    line = msgspec.json.encode(as_event(error)) + b"\n"
    try:
        with open(path, "ab") as file:
            file.write(line)
    except OSError:
        # The error itself is shown all the same.
        pass


def events_file(main: dict[str, Any]) -> str | None:
    """The file that the session's events are appended to, from ``--events`` or the environment.

    None as well for "-": what goes to standard output is not the backend's to write.
    """
    given = main.get("events") or os.environ.get("GRILSE_EVENTS")
    return os.path.abspath(given) if given and given != "-" else None
