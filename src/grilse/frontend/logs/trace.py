"""A past session as a trace: the JSON of Chrome's Trace Event Format, which Perfetto opens.

Knows the events with a beginning and an end.  Format: "Trace Event Format", Google, complete events (``"ph": "X"``) and
metadata (``"ph": "M"``), times in whole microseconds.  What is in one lane (``tid``) nests: readers take it for calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ...protocol import events
from ...protocol.events import Event

# The lanes of the picture: the session's phases, then one for each worker, then those of phases that do not nest.
_SESSION_LANE = 0
_PROCESS = 1


@dataclass(slots=True)
class _Piece:
    """Something with a beginning and an end, microseconds from the session's beginning."""

    name: str
    category: str
    lane: int
    start: int
    end: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


class _Tracer:
    """Makes pieces of events."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self.name = "grilse"
        self.last = 0
        self._begin: float | None = None
        self._spans: dict[int, _Piece] = {}
        self._jobs: dict[int, _Piece] = {}
        # The activities that a job has begun and not ended, the innermost last.
        self._steps: dict[int, list[_Piece]] = {}

    def take(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case events.SessionStarted():
                self.name = " ".join(("grilse", *event.argv))
                self._begin = event.time
            case events.SpanStarted():
                job = self._jobs.get(event.job) if event.job is not None else None
                lane = job.lane if job is not None else _SESSION_LANE
                self._spans[event.span] = self._open(event.name, "span", lane, event.time, element=event.element)
            case events.SpanEnded():
                self._close(self._spans.pop(event.span, None), event.time)
            case events.JobStarted():
                self._jobs[event.job] = self._open(
                    f"{event.action} {event.element}",
                    event.action,
                    event.worker + 1,
                    event.time,
                    element=event.element,
                    key=event.key,
                    status="unfinished",
                    log=event.log,
                    attempt=event.attempt,
                )
                self._steps[event.job] = []
            case events.JobFinished():
                job = self._jobs.pop(event.job, None)
                if job is not None:
                    job.details["status"] = event.status
                    for step in reversed(self._steps.pop(event.job)):
                        self._close(step, event.time)
                    self._close(job, event.time)
            case events.Text() if not event.scheduler and event.job in self._jobs:
                self._step(event.job, event)
            case _:
                self._now(getattr(event, "time", 0.0))

    def _step(self, number: int, text: events.Text) -> None:
        steps = self._steps[number]
        if text.kind == "start":
            steps.append(self._open(text.text, "step", self._jobs[number].lane, text.time, element=text.element))
        elif text.kind in ("success", "failure") and any(step.name == text.text for step in steps):
            # What was begun within it has ended with it, said or not.
            while (step := steps.pop()).name != text.text:
                self._close(step, text.time)
            self._close(step, text.time)

    def _open(self, name: str, category: str, lane: int, time: float, **details: Any) -> _Piece:
        known = {key: value for key, value in details.items() if value is not None}
        piece = _Piece(name, category, lane, self._now(time), details=known)
        self.pieces.append(piece)
        return piece

    def _close(self, piece: _Piece | None, time: float) -> None:
        if piece is not None:
            piece.end = self._now(time)

    def _now(self, time: float) -> int:
        """Microseconds since the beginning, never earlier than before: clocks are set, processes are not in step."""
        if self._begin is not None:
            self.last = max(self.last, round((time - self._begin) * 1e6))
        return self.last


def trace(log: Iterable[Event]) -> dict[str, Any]:
    """The trace of a session; what had not ended when the log did goes to its end.

    Args:
        log: its events, in order.
    """
    tracer = _Tracer()
    for event in log:
        tracer.take(event)
    for piece in tracer.pieces:
        if piece.end is None:
            piece.end = tracer.last
    names = _separate(tracer.pieces)
    return {
        "displayTimeUnit": "ms",
        "traceEvents": [
            _metadata("process_name", _SESSION_LANE, {"name": tracer.name}),
            *[_metadata("thread_name", lane, {"name": names[lane]}) for lane in sorted(names)],
            *[_metadata("thread_sort_index", lane, {"sort_index": lane}) for lane in sorted(names)],
            *[_entry(piece) for piece in tracer.pieces],
        ],
    }


def _separate(pieces: list[_Piece]) -> dict[int, str]:
    """Move to lanes of their own what does not nest in its lane; returns the names of all lanes."""
    names = {_SESSION_LANE: "session"}
    names |= {piece.lane: f"worker {piece.lane - 1}" for piece in pieces if piece.lane != _SESSION_LANE}
    further = max(names) + 1
    # For each lane the ends of what is open, and the lanes that take what does not fit.
    lanes: dict[int, list[tuple[list[int], int]]] = {lane: [([], lane)] for lane in names}
    for piece in sorted(pieces, key=lambda piece: (piece.start, -(piece.end or 0))):
        assert piece.end is not None
        fitting = next((each for each in lanes[piece.lane] if _fits(piece.start, piece.end, each[0])), None)
        if fitting is None:
            fitting = ([], further)
            names[further] = f"{names[piece.lane]}, beside"
            lanes[piece.lane].append(fitting)
            further += 1
        fitting[0].append(piece.end)
        piece.lane = fitting[1]
    return names


def _fits(start: int, end: int, ends: list[int]) -> bool:
    """Whether something is after, or within, all that is in a lane; forgets what has ended."""
    while ends and ends[-1] <= start:
        ends.pop()
    return not ends or end <= ends[-1]


def _metadata(name: str, lane: int, details: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "pid": _PROCESS, "tid": lane, "ts": 0, "name": name, "args": details}


def _entry(piece: _Piece) -> dict[str, Any]:
    return {
        "ph": "X",
        "pid": _PROCESS,
        "tid": piece.lane,
        "name": piece.name,
        "cat": piece.category,
        "ts": piece.start,
        "dur": (piece.end or 0) - piece.start,
        "args": piece.details,
    }
