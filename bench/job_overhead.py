"""Measure what a job costs that does nothing: in a warm worker, and as the first job of a worker that is just started.

    python -m bench.job_overhead [--jobs 300] [--starts 21]

The job fetches the sources of an element that has none: its plugin is imported, made of its record, configured and
preflighted, and nothing else is done.  `warm` is the worker's own time for a job, as it tells the backend; `trip` is
from handing it the job to hearing its result; `cold` is from before the worker is spawned to hearing the first result.
On a machine that does other things at the same time, start it with `chrt -f 10`: the figures are those of an idle
machine then.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from grilse import platform
from grilse.backend.items import Item
from grilse.backend.pipeline import Pipeline
from grilse.backend.pool import WORKER_SCRIPT
from grilse.backend.session import Session
from grilse.protocol.channel import Channel
from grilse.protocol.events import Event
from grilse.protocol.jobs import FromWorker, JobResult, JobSpec, Prepare, ToWorker
from grilse.protocol.requests import Build, Command, Hello, Invocation, Request

PLUGIN = """
from buildstream import Element

class Idle(Element):
    BST_MIN_VERSION = "2.0"
    BST_RUN_COMMANDS = False
    def configure(self, node): self.text = node.get_str("text")
    def preflight(self): pass
    def get_unique_key(self): return self.text

def setup(): return Idle
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--starts", type=int, default=21)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        for name in ("CACHE", "CONFIG"):
            os.environ[f"XDG_{name}_HOME"] = str(home / name.lower())
        os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent / "src")
        # Ends of pipes that nobody reads, and whose closing would end the session
        ends: list[Connection] = []
        specs = make_specs(home / "project", options.jobs, ends)
        warm, trips = measure_warm(specs)
        cold = [measure_cold(specs[index % len(specs)]) for index in range(options.starts)]
    for name, seconds in (("warm", warm), ("trip", trips), ("cold", cold)):
        middle, fastest = statistics.median(seconds) * 1000, min(seconds) * 1000
        print(f"{name:<6} median {middle:8.3f} ms   fastest {fastest:8.3f} ms   of {len(seconds)}")
    return 0


def make_specs(project: Path, count: int, ends: list[Connection]) -> list[JobSpec]:
    """A project of `count` elements that do nothing, and a job for each; `ends` gets what is to be kept open."""
    (project / "plugins").mkdir(parents=True)
    (project / "plugins" / "idle.py").write_text(PLUGIN)
    plugins = "plugins:\n- origin: local\n  path: plugins\n  elements: [idle]\n"
    (project / "project.conf").write_text(f"name: idle\nmin-version: 2.0\n{plugins}")
    names = tuple(f"e{index}.bst" for index in range(count))
    for name in names:
        (project / name).write_text(f"kind: idle\nconfig:\n  text: '%{{element-name}} {name}'\n")
    channels: list[Channel[Any, Any]] = []
    for sends, receives in ((Event | Hello, Request | Command), (Event | Hello, Event)):
        here, there = Pipe()
        ends.append(there)
        channels.append(Channel(here, sends, receives))
    request = Request(invocation=Invocation(argv=(), directory=str(project)), action=Build(targets=names))
    pipeline = Pipeline(Session(request, channels[0], channels[1]))
    with pipeline.working():
        pipeline.open_project()
        elements = pipeline.load_elements(names)
        return [
            pipeline.book.spec(Item(element, 0, 0, pipeline.states), job=number, action="fetch", task="fetch")
            for number, element in enumerate(elements, 1)
        ]


def start() -> tuple[platform.Process, Channel[ToWorker, FromWorker]]:
    """A new worker, as the pool starts it."""
    ours, theirs = Pipe(duplex=True)
    return platform.spawn(WORKER_SCRIPT, ["worker"], [theirs], stderr=2), Channel(ours, ToWorker, FromWorker)


def run(channel: Channel[ToWorker, FromWorker], spec: JobSpec) -> float:
    """Have a worker run a job; gives the time that it took, as the worker says."""
    channel.send(spec)
    while not isinstance(message := channel.receive(), JobResult):
        pass
    if message.status not in ("ok", "skipped") or not message.reusable:
        sys.exit(f"the job failed, or left something behind: {message}")
    return message.seconds


def end(process: platform.Process, channel: Channel[ToWorker, FromWorker]) -> None:
    """End a worker, as the pool ends one that has no job."""
    process.kill()
    process.wait(5.0)
    channel.close()
    process.close()


def measure_warm(specs: list[JobSpec]) -> tuple[list[float], list[float]]:
    """Seconds of the worker and of the whole trip for each job but the first, all in one worker."""
    process, channel = start()
    channel.send(Prepare(tasks=("fetch",)))
    run(channel, specs[0])
    seconds, trips = [], []
    for spec in specs[1:]:
        begin = time.perf_counter()
        seconds.append(run(channel, spec))
        trips.append(time.perf_counter() - begin)
    end(process, channel)
    return seconds, trips


def measure_cold(spec: JobSpec) -> float:
    """Seconds from before a worker is spawned until it has done its first job."""
    begin = time.perf_counter()
    process, channel = start()
    run(channel, spec)
    seconds = time.perf_counter() - begin
    end(process, channel)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
