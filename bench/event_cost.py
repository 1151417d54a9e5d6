"""Measure what events cost the backend: messages of jobs on their way to the session's log and to the frontend.

    python -m bench.event_cost [--seconds 5] [--rate 10000]

The parts of the backend that a message passes (teller, log, outbox, channel) run as they do in a session, with a reader
at the other end; messages come in bundles every hundredth of a second, as from 20 jobs.  Prints the share of one core
that this process used, what the pacing alone uses taken off, and the microseconds of a message.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SOURCE = Path(__file__).resolve().parent.parent / "src"
READER = "import os\nwhile os.read(0, 1 << 16): pass\n"
JOBS = 20
INTERVAL = 0.01


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=int, default=10_000)
    options = parser.parse_args()
    from multiprocessing.connection import Connection

    from grilse.backend.clock import Clock
    from grilse.backend.eventlog import EventLog
    from grilse.backend.outbox import Outbox
    from grilse.backend.reporter import Reporter
    from grilse.backend.telling import JobTeller
    from grilse.protocol.channel import Channel
    from grilse.protocol.events import Event
    from grilse.protocol.jobs import JobMessage
    from grilse.protocol.requests import Hello

    with tempfile.TemporaryDirectory() as directory:
        reader = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE)
        assert reader.stdin is not None
        channel: Channel[Any, Any] = Channel(
            Connection(reader.stdin.fileno(), readable=False), Event | Hello, Event | Hello
        )
        log = EventLog(str(Path(directory) / "events.jsonl"))
        reporter = Reporter(log, Outbox(channel, log), Clock())
        teller = JobTeller(reporter, "/logs")
        tasks: list[Any] = [
            SimpleNamespace(
                item=SimpleNamespace(display_name=f"element-{job}.bst", display_key="0123456789abcdef" * 4),
                spec=SimpleNamespace(log=f"/logs/project/element-{job}/01234567-build.log"),
                job=job,
                attempt=1,
            )
            for job in range(JOBS)
        ]

        def tell(number: int) -> None:
            message = JobMessage(job=number % JOBS, time=time.time(), kind="status", text=f"line {number} of the build")
            teller.said(tasks[number % JOBS], "build", message)

        pacing = _paced(options.seconds, options.rate, lambda number: None, lambda: None)
        used = _paced(options.seconds, options.rate, tell, log.flush) - pacing
        size = log.size
        reader.stdin.close()
        reader.kill()
        reader.wait()
    each = used / (options.seconds * options.rate)
    print(
        f"backend CPU for events {100 * used / options.seconds:.1f} % of a core at {options.rate} messages/s, "
        f"{each * 1e6:.2f} µs and {size / (options.seconds * options.rate):.0f} bytes of log each"
    )
    return 0


def _paced(seconds: float, rate: int, act: Callable[[int], None], idle: Callable[[], None]) -> float:
    """CPU seconds of this process while it acts so often; `idle` is called whenever it would go to sleep."""
    begin, cpu, done = time.monotonic(), time.process_time(), 0
    while (now := time.monotonic() - begin) < seconds:
        while done < now * rate:
            act(done)
            done += 1
        idle()
        time.sleep(INTERVAL)
    return time.process_time() - cpu


if __name__ == "__main__":
    sys.path.insert(0, str(SOURCE))
    sys.exit(main())
