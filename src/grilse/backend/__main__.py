"""The backend's process main: says hello before it imports anything that is not needed for that.

Knows which connections it was given and nothing of commands.
"""

from __future__ import annotations

import gc
import os
import sys


def main(argv: list[str]) -> int:
    """Run one session; `argv` is ``[role, control descriptor, events descriptor]``."""
    # What is imported stays: it is never garbage.  The command lets the collector begin.
    gc.disable()
    from .. import __version__, platform
    from ..protocol.channel import Channel
    from ..protocol.events import Event
    from ..protocol.requests import Command, Hello, Request

    control: Channel[Event | Hello, Request | Command] = Channel(
        platform.adopt_connection(int(argv[1])), Event | Hello, Request | Command
    )
    events: Channel[Event | Hello, Event] = Channel(platform.adopt_connection(int(argv[2])), Event | Hello, Event)
    hello = Hello(role="backend", program=__version__, pid=os.getpid())
    control.send(hello)
    events.send(hello)

    from .session import run_session

    return run_session(control, events)


if __name__ == "__main__":
    # Runs as a script in a spawned interpreter: make the package importable by its own name.
    from grilse.backend.__main__ import main as package_main

    sys.exit(package_main(sys.argv[1:]))
