"""What the standard streams are, and what that and the options before the command mean for a session.

Knows nothing of displays: it is asked before these are imported.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

STDIN, STDOUT, STDERR = 0, 1, 2


class Streams(NamedTuple):
    """What the standard streams are.

    Attributes:
        live: standard error is a terminal that can be drawn on, and standard output does not get in the way.
        watched: standard error is a terminal.
        interactive: somebody is there to be asked.
        colours: colours are to be used.
        json: results are wanted as a JSON document.
        events: events are wanted on standard output.
    """

    live: bool
    watched: bool
    interactive: bool
    colours: bool
    json: bool
    events: bool


def look_at_streams(main: dict[str, Any]) -> Streams:
    """Judge the standard streams by what they are and by the options before the command."""
    from ..platform.terminal import prepare_terminal

    terminals = [_is_terminal(stream) for stream in (STDIN, STDOUT, STDERR)]
    json = main.get("output") == "json"
    events = (main.get("events") or os.environ.get("GRILSE_EVENTS")) == "-"
    colours = main.get("colors")
    if colours is None:
        dumb = os.environ.get("TERM") == "dumb"
        colours = terminals[1] and terminals[2] and not dumb and not os.environ.get("NO_COLOR")
    return Streams(
        live=terminals[1] and prepare_terminal(STDERR),
        watched=terminals[2],
        interactive=all(terminals) and not main.get("no_interactive"),
        colours=bool(colours),
        json=json,
        events=events,
    )


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
