"""What a session looks like now: the state that displays draw, made of nothing but the events.

Knows nothing of drawing.  Times are seconds since the epoch, as events have them.
"""

from __future__ import annotations

import msgspec

from ...protocol import events
from ...protocol.events import Event


class Running(msgspec.Struct):
    """A job that runs; `steps` are the activities that it has begun and not ended, `activity` what it does now."""

    job: int
    element: str
    key: str
    action: str
    started: float
    activity: str = ""
    current: int | None = None
    maximum: int | None = None
    stalled: float | None = None
    steps: list[str] = msgspec.field(default_factory=list)
    log: str | None = None


class Done(msgspec.Struct, frozen=True):
    """A job that has run; `status` as in `events.JobFinished`, or "retried" for one that was tried again.

    `remembered`: it has not, but failed in an earlier session.
    """

    element: str
    key: str
    action: str
    status: str
    started: float
    ended: float
    seconds: float
    log: str | None
    message: str
    remembered: bool = False


class Span(msgspec.Struct):
    """A phase of the session that is going on."""

    name: str
    started: float
    element: str | None = None


class Model(msgspec.Struct):
    """The state of one session.

    Attributes:
        started: when the session began, or 0 before.
        log: path of its event log.
        style: how the user wants messages.
        pipeline: the plan, when there is one.
        running: jobs by number, the longest running first.
        done: jobs that have run, in order of their end.
        spans: phases going on, by number, the outermost first.
        queues: newest counts.
        cached: elements that needed nothing.
        failing: places in `done` of jobs that have failed and were not tried again since, by element and action.
        warnings: how many.
        terminating: why the session is ending early, or "".
        summary: what it did, at the end.
        error, unhandled: what the command ends with.
    """

    started: float = 0.0
    log: str | None = None
    style: events.LogStyle = msgspec.field(default_factory=events.LogStyle)
    pipeline: events.Pipeline | None = None
    running: dict[int, Running] = msgspec.field(default_factory=dict)
    done: list[Done] = msgspec.field(default_factory=list)
    spans: dict[int, Span] = msgspec.field(default_factory=dict)
    queues: tuple[events.QueueStatus, ...] = ()
    cached: int = 0
    failing: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    warnings: int = 0
    terminating: str = ""
    summary: events.Summary | None = None
    error: events.Error | None = None
    unhandled: events.Unhandled | None = None

    @property
    def failed(self) -> int:
        """How many jobs have failed; one that is tried again has not, until it fails again."""
        return len(self.failing)

    @property
    def has_failures(self) -> bool:
        """Whether jobs have failed, in this session or in an earlier one that is remembered."""
        return self.failed > 0 or (self.summary is not None and bool(self.summary.failed))

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case events.JobProgress():
                self._progress(event)
            case events.Text():
                self.warnings += event.kind == "warn"
                if event.job in self.running and not event.scheduler:
                    self._step(self.running[event.job], event)
            case events.JobStarted():
                self.running[event.job] = Running(
                    event.job, event.element, event.key, event.action, event.time, log=event.log
                )
                place = self.failing.pop((event.element, event.action), None)
                if place is not None:
                    self.done[place] = msgspec.structs.replace(self.done[place], status="retried")
            case events.JobFinished():
                self._finished(event)
            case events.Queues():
                self.queues, self.cached = event.queues, event.cached or self.cached
            case events.SpanStarted() if event.job is None:
                self.spans[event.span] = Span(event.name, event.time, event.element)
            case events.SpanStarted():
                if event.job in self.running:
                    self.running[event.job].activity = event.name
            case events.SpanEnded():
                self.spans.pop(event.span, None)
            case events.SessionStarted():
                self.started, self.log = event.time, event.log
            case events.LogStyle():
                self.style = event
            case events.Pipeline():
                self.pipeline = event
                self.cached = sum(element.planned and element.state == "cached" for element in event.elements)
            case events.Terminating():
                self.terminating = event.why
            case events.Summary():
                self.summary = event
            case events.Error(scope="main"):
                self.error = event
            case events.Unhandled():
                self.unhandled = event
            case _:
                pass

    def _progress(self, event: events.JobProgress) -> None:
        job = self.running.get(event.job)
        if job is None:
            return
        job.stalled = event.stalled
        if event.stalled is None or event.activity:
            job.activity = event.activity or job.activity
            job.current, job.maximum = event.current, event.maximum

    def _step(self, job: Running, text: events.Text) -> None:
        if text.kind == "start":
            job.steps.append(text.text)
        elif text.kind in ("success", "failure") and text.text in job.steps:
            del job.steps[job.steps.index(text.text) :]
        else:
            return
        job.activity = job.steps[-1] if job.steps else ""
        job.current = job.maximum = None

    def _finished(self, event: events.JobFinished) -> None:
        job = self.running.pop(event.job, None)
        started = job.started if job is not None else event.time - event.seconds
        if event.status in ("failed", "lost") and not event.will_retry:
            self.failing[event.element, event.action] = len(self.done)
        self.done.append(
            Done(
                event.element,
                event.key,
                event.action,
                "retried" if event.will_retry else event.status,
                started,
                event.time,
                event.seconds,
                event.log,
                event.failure.message if event.failure is not None else "",
                event.remembered,
            )
        )


def critical_path(pipeline: events.Pipeline | None, done: list[Done]) -> list[Done]:
    """The chain of jobs, first to last, that the session had to wait for.

    With the dependencies of the plan: the chain of elements, each needed by the next, whose jobs took longest in all.
    Without them: from the last job back to the one that ended last before each began.
    """
    ran = [job for job in done if job.status in ("ok", "failed", "lost", "retried")]
    if pipeline is not None and any(element.depends for element in pipeline.elements):
        return _longest_chain(pipeline, ran)
    return _waiting_chain(ran)


def _longest_chain(pipeline: events.Pipeline, ran: list[Done]) -> list[Done]:
    jobs: dict[str, list[Done]] = {}
    for job in ran:
        jobs.setdefault(job.element, []).append(job)
    elements = pipeline.elements
    # Elements come in staging order, dependencies first; one that does not is looked at as if it had none.
    total = [0.0] * len(elements)
    before: list[int | None] = [None] * len(elements)
    for place, element in enumerate(elements):
        needed = [depend for depend in element.depends if 0 <= depend < place]
        best = max(needed, key=lambda depend: total[depend], default=None)
        before[place] = best
        own = sum(job.seconds for job in jobs.get(element.name, ()))
        total[place] = own + (total[best] if best is not None else 0.0)
    chain: list[Done] = []
    place_or_none = max(range(len(elements)), key=lambda place: total[place], default=None)
    while place_or_none is not None:
        chain += reversed(jobs.get(elements[place_or_none].name, ()))
        place_or_none = before[place_or_none]
    return chain[::-1]


def _waiting_chain(ran: list[Done]) -> list[Done]:
    ordered = sorted(ran, key=lambda job: job.ended)
    chain: list[Done] = []
    limit = float("inf")
    for job in reversed(ordered):
        if job.ended <= limit:
            chain.append(job)
            limit = job.started
    return chain[::-1]


def duration(seconds: float) -> str:
    """A duration for people: ``0.4s``, ``12s``, ``3m05s``, ``2h03m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole // 60 % 60:02d}m"
