"""A session as a stream of events, for tests of displays: a build with a failure, told second by second.

The times are made up, the kinds of events and their order are those of a real session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grilse.protocol import events as e
from grilse.protocol.events import Event
from grilse.protocol.message import Failure

# A day that is as good as any.
START = 1_760_000_000.0

NAMES = (
    "base/sysroot.bst",
    "base/binutils.bst",
    "base/gcc.bst",
    "base/glibc.bst",
    "lib/zlib.bst",
    "lib/openssl.bst",
    "lib/libxml2.bst",
    "tools/cmake.bst",
    "tools/ninja.bst",
    "app/parser-with-quite-a-long-name-for-an-element.bst",
    "app/server.bst",
    "app/all.bst",
)
DEPENDS: tuple[tuple[int, ...], ...] = (
    (),
    (0,),
    (0, 1),
    (0, 2),
    (3,),
    (3, 4),
    (3, 4),
    (3,),
    (3,),
    (6, 8),
    (5, 9),
    (9, 10),
)


@dataclass(frozen=True)
class Run:
    """One job: place of its element, seconds after the start, duration, and why it failed."""

    place: int
    begin: float
    seconds: float
    failure: str = ""


RUNS = (
    Run(4, 2.0, 6.5),
    Run(7, 2.0, 31.0),
    Run(8, 2.5, 9.0),
    Run(5, 8.6, 47.0),
    Run(6, 11.6, 12.0),
    Run(9, 24.0, 18.0, "Command 'make -j4' failed with status 2"),
)
CACHED = 4
TAIL = """\
cc -O2 -c -o parser.o parser.c
parser.c:118:9: error: 'depth' undeclared (first use in this function)
  118 |         depth += 1;
      |         ^~~~~
make: *** [Makefile:12: parser.o] Error 1"""


def key(place: int) -> str:
    """A key that looks like one."""
    return f"{(place + 1) * 0x9E3779B1 & 0xFFFFFFFF:08x}" * 8


def build_session() -> Iterator[Event]:
    """The events of the whole session, in order of their times."""
    yield e.SessionStarted(
        time=START, session="20251009-085320-abc123", log="/home/me/.cache/grilse/x.jsonl", argv=("build",), program="1"
    )
    yield e.LogStyle(error_lines=4, log_directory="/home/me/.cache/buildstream/logs")
    yield e.Text(time=START, kind="start", text="Build")
    yield e.SpanStarted(time=START + 0.1, span=1, name="Loading elements")
    yield e.SpanEnded(time=START + 0.9, span=1, seconds=0.8)
    elements = tuple(
        e.PipelineElement(name, key(place), "cached" if place < CACHED else "waiting", "manual", "", DEPENDS[place])
        for place, name in enumerate(NAMES)
    )
    yield e.Pipeline(
        time=START + 1.0,
        project="demo",
        targets=("app/all.bst",),
        elements=elements,
        heading=(
            ("BuildStream Version 2.8.1", "", ""),
            ("BuildStream Version 2.8.1", "Project", "demo (/home/me/demo)"),
            ("BuildStream Version 2.8.1", "Targets", "app/all.bst"),
            ("User Configuration", "", ""),
            ("User Configuration", "Cache Directory", "/home/me/.cache/buildstream"),
        ),
    )
    timed: list[tuple[float, int, Event]] = []
    for job, run in enumerate(RUNS, 1):
        timed += [(event.time, job, event) for event in _job(job, run)]  # type: ignore[union-attr]
    timed.append((20.0 + START, 99, _warning()))
    yield _queues(START + 1.0, 0, 0)
    finished = failed = 0
    for time, _, event in sorted(timed, key=lambda item: item[:2]):
        yield event
        if isinstance(event, e.JobFinished):
            finished += event.status == "ok"
            failed += event.status == "failed"
            yield _queues(time, finished, failed)
    end = START + 55.7
    yield e.Summary(
        time=end,
        seconds=55.7,
        elements=12,
        queues=_queue_counts(finished, failed),
        failed=((NAMES[9], "build", RUNS[5].failure, _log(9)),),
    )
    yield e.Text(time=end, kind="failure", text="Build", elapsed=55.7)
    yield e.Error(time=end, scope="main", domain="STREAM", reason=None, message="")


def _queues(time: float, built: int, failed: int) -> Event:
    return e.Queues(time=time, queues=_queue_counts(built, failed), running=2, cached=CACHED)


def _queue_counts(built: int, failed: int) -> tuple[e.QueueStatus, ...]:
    # What is cached passes the queues without a job.
    total = len(NAMES)
    return (
        e.QueueStatus("fetch", total - CACHED, CACHED, 0, 0, total),
        e.QueueStatus("build", built, CACHED, failed, total - CACHED - built - failed, total),
    )


def _warning() -> Event:
    detail = "/usr/share/doc/README is provided by lib/zlib.bst and lib/libxml2.bst"
    return e.Text(
        time=START + 20.0, kind="warn", text="[overlaps]: Overlapping files", detail=detail, element=NAMES[9], job=6
    )


def _log(place: int) -> str:
    name = NAMES[place].removesuffix(".bst").replace("/", "-")
    return f"/home/me/.cache/buildstream/logs/demo/{name}/{key(place)[:8]}-build.20251009-085320.log"


def _job(job: int, run: Run) -> Iterator[Event]:
    begin, name, short, log = START + run.begin, NAMES[run.place], key(run.place)[:8], _log(run.place)
    yield e.JobStarted(time=begin, job=job, element=name, key=short, action="build", log=log, worker=job % 4)
    about = {"element": name, "key": short, "action": "build", "job": job}
    yield e.Text(time=begin, kind="start", text="Building", log=log, scheduler=True, **about)  # type: ignore[arg-type]
    yield e.JobProgress(time=begin + 0.2, job=job, activity="Staging dependencies")
    yield e.JobProgress(time=begin + 1.0, job=job, activity="Running commands", current=1, maximum=3)
    end, failure = begin + run.seconds, None
    if run.failure:
        failure = Failure(domain="ELEMENT", message=run.failure)
        yield e.Text(
            time=end,
            kind="failure",
            text=run.failure,
            elapsed=run.seconds,
            log=log,
            log_tail=TAIL,
            scheduler=True,
            **about,  # type: ignore[arg-type]
        )
    yield e.JobFinished(
        time=end,
        job=job,
        element=name,
        key=short,
        action="build",
        status="failed" if run.failure else "ok",
        seconds=run.seconds,
        log=log,
        log_tail=TAIL if run.failure else None,
        failure=failure,
    )
