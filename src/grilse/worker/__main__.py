"""The worker's process main: says hello before it imports anything that is not needed for that.

Knows which connection it was given and nothing of tasks.
"""

from __future__ import annotations

import os
import sys


def main(argv: list[str]) -> int:
    """Serve jobs until told to stop; `argv` is ``[role, descriptor]``."""
    from .. import __version__, platform
    from ..protocol.channel import Channel
    from ..protocol.jobs import FromWorker, ToWorker
    from ..protocol.requests import Hello

    channel: Channel[FromWorker, ToWorker] = Channel(platform.adopt_connection(int(argv[1])), FromWorker, ToWorker)
    channel.send(Hello(role="worker", program=__version__, pid=os.getpid()))

    from .serve import serve

    return serve(channel)


if __name__ == "__main__":
    # Runs as a script in a spawned interpreter: make the package importable by its own name.
    from grilse.worker.__main__ import main as package_main

    sys.exit(package_main(sys.argv[1:]))
