"""A past session as a trace: the JSON of Chrome's Trace Event Format, which Perfetto opens.

Knows the events with a beginning and an end.  Format: "Trace Event Format", Google, complete events (``"ph": "X"``) and
metadata (``"ph": "M"``), times in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...protocol import events
from ...protocol.events import Event

# The lanes of the picture: the session's phases, then one for each worker.
_SESSION_LANE = 0


def trace(log: Iterable[Event]) -> dict[str, Any]:
    """The trace of a session.

    Args:
        log: its events, in order.
    """
    found: list[dict[str, Any]] = []
    spans: dict[int, events.SpanStarted] = {}
    jobs: dict[int, events.JobStarted] = {}
    begin, last, name = 0.0, 0.0, "grilse"
    for event in log:
        last = max(last, getattr(event, "time", 0.0))
        match event:
            case events.SessionStarted():
                begin, name = event.time, " ".join(("grilse", *event.argv))
            case events.SpanStarted():
                spans[event.span] = event
            case events.SpanEnded():
                span = spans.pop(event.span, None)
                if span is not None:
                    found.append(_span(span, event.time, begin, jobs))
            case events.JobStarted():
                jobs[event.job] = event
            case events.JobFinished():
                job = jobs.pop(event.job, None)
                if job is not None:
                    found.append(_job(job, event.time, begin, event.status))
    # What had not ended when the log did goes to its end.
    found += [_span(span, last, begin, jobs) for span in spans.values()]
    found += [_job(job, last, begin, "unfinished") for job in jobs.values()]
    lanes = sorted({entry["tid"] for entry in found} | {_SESSION_LANE})
    return {
        "displayTimeUnit": "ms",
        "traceEvents": [
            {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": name}},
            *[_metadata(lane) for lane in lanes],
            *found,
        ],
    }


def _metadata(lane: int) -> dict[str, Any]:
    name = "session" if lane == _SESSION_LANE else f"worker {lane - 1}"
    return {"ph": "M", "pid": 1, "tid": lane, "name": "thread_name", "args": {"name": name}}


def _span(span: events.SpanStarted, end: float, begin: float, jobs: dict[int, events.JobStarted]) -> dict[str, Any]:
    job = jobs.get(span.job) if span.job is not None else None
    lane = _SESSION_LANE if job is None else job.worker + 1
    return _entry(span.name, "span", lane, span.time - begin, end - span.time, {"element": span.element})


def _job(job: events.JobStarted, end: float, begin: float, status: str) -> dict[str, Any]:
    details = {"element": job.element, "key": job.key, "status": status, "log": job.log, "attempt": job.attempt}
    return _entry(f"{job.action} {job.element}", job.action, job.worker + 1, job.time - begin, end - job.time, details)


def _entry(
    name: str, category: str, lane: int, start: float, seconds: float, details: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ph": "X",
        "pid": 1,
        "tid": lane,
        "name": name,
        "cat": category,
        "ts": round(start * 1e6),
        "dur": max(0, round(seconds * 1e6)),
        "args": {key: value for key, value in details.items() if value is not None},
    }
