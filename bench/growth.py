"""How a long build grows: time for each element, and the backend's memory and descriptors, early and late.

Knows how a session is watched from outside; nothing of what makes it grow.  ``python -m bench.growth --help``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from .make_project import Shape, write_project
from .measure import Tool, environment_of

REPOSITORY = Path(__file__).resolve().parent.parent
# How often the session is looked at, seconds.
LOOK_INTERVAL = 0.02
FINISHED = b'"job-finished"'


@dataclass(frozen=True, slots=True)
class Look:
    """The backend at one moment: jobs that had ended, its own memory in bytes, its open descriptors, CPU seconds."""

    jobs: int
    memory: int
    descriptors: int
    cpu: float


def backend_of(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The backend of a session, once it is there."""
    try:
        for child in psutil.Process(process.pid).children():
            if "backend" in child.cmdline():
                return child
    except psutil.NoSuchProcess:
        pass
    return None


def look(backend: psutil.Process, jobs: int) -> Look | None:
    """What the backend is like now, or None if it has gone."""
    try:
        times = backend.cpu_times()
        memory = backend.memory_full_info().uss
        # A process that has ended and was not waited for yet has none
        return Look(jobs, memory, backend.num_fds(), times.user + times.system) if memory else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def watch(tool: Tool, project: Path, home: Path, marks: list[int]) -> tuple[float, list[Look]]:
    """Build everything of a project; seconds from the first to the last ended job, and a look at each mark passed.

    The last look is the last one that could be taken before the end.
    """
    home.mkdir(parents=True)
    events = home / "events.jsonl"
    environment = {**environment_of(tool, home, "growth"), "GRILSE_EVENTS": str(events)}
    command = tool.words(home, "--no-interactive", "-C", str(project), "build", "all.bst")
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    looks: list[Look] = []
    last: Look | None = None
    backend: psutil.Process | None = None
    jobs = read = 0
    first = ended = 0.0
    while process.poll() is None:
        time.sleep(LOOK_INTERVAL)
        backend = backend or backend_of(process)
        if events.exists():
            with open(events, "rb") as file:
                file.seek(read)
                # Whole lines only: the rest is read next time.
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            read += len(whole)
            new = whole.count(FINISHED)
            if new:
                ended = time.monotonic()
                first = first or ended
                jobs += new
        if backend is not None and jobs and (last is None or jobs > last.jobs):
            last = look(backend, jobs) or last
            if last is not None and marks and jobs >= marks[0]:
                looks.append(last)
                del marks[0]
    if process.returncode:
        raise SystemExit(f"the build ended with status {process.returncode}")
    if last is not None:
        looks.append(last)
    return ended - first, looks


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__.splitlines()[0])
    words.add_argument("--few", type=int, default=1000, help="elements of the short build (default: 1000)")
    words.add_argument("--many", type=int, default=10000, help="elements of the long build (default: 10000)")
    words.add_argument(
        "--fan-in", type=int, default=4, help="dependencies of each element, at most (default: 4; 0: no closures)"
    )
    options = words.parse_args()
    tool = Tool("grilse", (sys.executable, "-m", "grilse"), str(REPOSITORY / "src"))
    with tempfile.TemporaryDirectory(prefix="grilse-growth-") as name:
        folder = Path(name)
        for elements in (options.few, options.many):
            project = folder / f"project-{elements}"
            # Without dependencies among them all stand directly below the target.
            width = Shape().width if options.fan_in else elements
            write_project(project, Shape(elements=elements, fan_in=options.fan_in, width=width))
            seconds, looks = watch(tool, project, folder / f"home-{elements}", [options.few])
            print(f"{elements:,} elements: {seconds:.1f} s, {1000 * seconds / elements:.2f} ms for each")
            for each in looks:
                print(
                    f"  after {each.jobs:,} jobs: {each.memory / 1e6:.1f} MB of its own, {each.descriptors} "
                    f"descriptors, {1000 * each.cpu / each.jobs:.2f} ms of CPU for each job, loading included"
                )
    print(f"load {', '.join(f'{figure:.1f}' for figure in os.getloadavg())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
