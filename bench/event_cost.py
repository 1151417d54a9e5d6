"""Measure what events cost the backend: messages of 20 jobs on their way from workers to the log and to the frontend.

    python -m bench.event_cost [--seconds 5] [--rate 10000]

Each job is a worker process that speaks as workers do, at an even pace of its own, which is the worst case: no two
messages come at the same time. The backend's parts that a message passes (loop, pool, teller, log, outbox, channel) run
in this process as they do in a session, with a reader at the other end. Prints the share of one core that this process
used, its threads and the system's work for it included, what silent jobs cost taken off, and microseconds a message.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKER = str(Path(__file__).with_name("event_worker.py"))
READER = "import os\nwhile os.read(0, 1 << 16): pass\n"
JOBS = 20


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=int, default=10_000)
    options = parser.parse_args()
    # The workers find grilse there.
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    with tempfile.TemporaryDirectory() as directory:
        silent, _, _ = _session(directory, options.seconds, 0)
        used, size, turns = _session(directory, options.seconds, options.rate)
    count, used = options.seconds * options.rate, used - silent
    print(
        f"backend CPU for events {100 * used / options.seconds:.1f} % of a core at {options.rate} messages/s, "
        f"{used / count * 1e6:.2f} µs and {size / count:.0f} bytes of log each, {turns / options.seconds:.0f} turns/s"
    )
    return 0


def _session(directory: str, seconds: float, rate: int) -> tuple[float, int, int]:
    """CPU seconds, bytes of log and turns of the loop that jobs take which emit so many messages a second in total."""
    from multiprocessing.connection import Connection

    from grilse.backend.clock import Clock
    from grilse.backend.eventlog import EventLog
    from grilse.backend.loop import Loop
    from grilse.backend.outbox import Outbox
    from grilse.backend.pool import Pool
    from grilse.backend.reporter import Reporter
    from grilse.backend.telling import JobTeller
    from grilse.backend.workers import Job
    from grilse.protocol.channel import Channel
    from grilse.protocol.events import Event
    from grilse.protocol.requests import Hello

    reader = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE)
    assert reader.stdin is not None
    channel: Channel[Any, Any] = Channel(Connection(reader.stdin.fileno(), readable=False), Event | Hello, Event)
    log, loop = EventLog(str(Path(directory) / f"events-{rate}.jsonl")), Loop()
    reporter = Reporter(log, Outbox(channel, log), Clock())
    loop.before_sleep(reporter.flush)
    teller = JobTeller(reporter, "/logs")
    pool = Pool(loop, JOBS, script=WORKER, processors=JOBS)
    pool.prestart(JOBS, ())
    while any(worker.state.value == "starting" for worker in pool.workers.values()):
        loop.turn()
    results: list[Any] = []
    cpu, turns = time.process_time(), 0
    for number in range(JOBS):
        spec = _spec(number, directory, rate / JOBS, seconds)
        pool.submit(Job(spec, teller.said, results.append, sys.exit))  # type: ignore[arg-type]
    while len(results) < JOBS:
        loop.turn()
        turns += 1
    used = time.process_time() - cpu
    pool.close()
    reader.stdin.close()
    reader.kill()
    reader.wait()
    return used, log.size, turns


def _spec(number: int, directory: str, rate: float, seconds: float) -> Any:
    from grilse.protocol.jobs import JobSpec

    return JobSpec(
        job=number,
        task="build",
        plan="",
        header=(0, 0),
        element=None,
        log=f"{directory}/project/element-{number}/01234567-build.log",
        key="01234567",
        about=f"element-{number}.bst",
        about_key="0123456789abcdef" * 4,
        action="build",
        parameters={"rate": rate, "seconds": seconds},
    )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    sys.exit(main())
