"""The words of the live display: a line for each thing that has happened, the lines of the area, the summary.

Knows the state of a session and how wide a line may be; nothing of when or where lines are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ...protocol import events
from .model import Done, Model, Running, critical_path, duration
from .paint import Paint, printable
from .screen import fit_painted, pad, width

# What a session does, in the first line of the area.
TITLES = {"Build": "Building", "Fetch": "Fetching", "Track": "Tracking", "Pull": "Pulling", "Push": "Pushing"}

# The action that a session is about.
MAIN_ACTIONS = {"Build": "build", "Fetch": "fetch", "Track": "track", "Pull": "pull", "Push": "push"}

# Lines that jobs write into their logs themselves, between those of the commands that they run.
_OWN_LINE = re.compile(r"\[(--:--:--|\d\d:\d\d:\d\d)\] (START|SUCCESS|FAILURE|STATUS|INFO|LOG|WARNING) ")

# Seconds from which a job that only prepares for others is worth a line.
WORTH_A_LINE = 2.0
# Cells of the action's name, and of the element's name at least and at most.
_ACTION = 6
_NAME = (16, 44)
# Elements in the list of the slowest, failures of one cause that are named, steps of the critical path shown.
_SLOWEST = 5
_NAMED = 6
_STEPS = 6


class Marks:
    """The signs before lines: letters of Unicode where the terminal has them."""

    def __init__(self, unicode: bool) -> None:
        self.ok, self.failed, self.warning, self.bar, self.arrow, self.dot = (
            ("✓", "✗", "!", "│", "→", "·") if unicode else ("+", "x", "!", "|", "->", "-")
        )


class Look(NamedTuple):
    """What all lines of a display have in common.

    Attributes:
        session: name of the session ("Build"), or None for a command that is none.
        title: what a command that is no session is called.
        paint: colours or none.
        marks: signs before lines.
    """

    session: str | None
    title: str
    paint: Paint
    marks: Marks


def job_lines(event: events.JobFinished, model: Model, look: Look) -> list[str]:
    """What is said of a job that has ended; nothing when it is not worth a line."""
    paint, marks, session = look.paint, look.marks, look.session
    if event.status == "cancelled" or event.status == "skipped":
        return []
    name = printable(event.element)
    # What scrolls away is never cut: a long name moves the time to the right.
    name += " " * (_NAME[1] - width(name))
    took = "failed before" if event.remembered else f"{duration(event.seconds): >6}"
    head = f"{event.action:<{_ACTION}} {name} {took}"
    if event.status == "ok":
        if event.action != MAIN_ACTIONS.get(session or "") and event.seconds < WORTH_A_LINE:
            return []
        return [f"{paint(marks.ok, 'green')} {head}"]
    message = event.failure.message if event.failure is not None else "the worker died"
    if event.will_retry:
        return [f"{paint(marks.warning, 'yellow')} {head.rstrip()}  is tried again: {printable(message)}"]
    lines = [f"{paint(marks.failed, 'bold', 'red')} {paint(head, 'red')}"]
    lines += [f"    {paint(line, 'bold')}" for line in printable(message).splitlines()]
    if event.failure is not None and event.failure.detail:
        lines += [f"    {line}" for line in printable(event.failure.detail).rstrip("\n").splitlines()]
    if event.log_tail and model.style.error_lines > 0:
        tail = _worth_showing(printable(event.log_tail).splitlines())[-model.style.error_lines :]
        lines += [f"    {paint(marks.bar, 'red')} {paint(line, 'dim')}" for line in tail]
    if event.log:
        lines.append(f"    {paint('Log:', 'red')} {printable(event.log)}")
    return lines


def _worth_showing(tail: list[str]) -> list[str]:
    """The end of a log without what we have written there ourselves: the last that a program wrote, if one did.

    What we have written last says nothing that is not said above; what comes before the program ran, its environment
    and how its sandbox was staged, is not what has failed.
    """
    end = len(tail)
    while end and (not tail[end - 1].strip() or _OWN_LINE.match(tail[end - 1])):
        end -= 1
    begin = end
    while begin and not _OWN_LINE.match(tail[begin - 1]):
        begin -= 1
    if begin and begin < end and not tail[begin]:
        # The line has details: an empty line and indented ones.
        begin += 1
        while begin < end and tail[begin].startswith("    "):
            begin += 1
    return tail[begin:end] or tail[:end] or tail


def text_lines(event: events.Text, look: Look, *, verbose: bool) -> list[str]:
    """What is said of a message; nothing when it is of a kind that a terminal does without."""
    paint, marks = look.paint, look.marks
    about = f"{printable(event.element)}: " if event.element else ""
    if event.kind == "warn":
        head = f"{paint(marks.warning, 'bold', 'yellow')} {paint('warning', 'yellow')} {about}{printable(event.text)}"
    elif event.kind in ("error", "bug"):
        head = f"{paint(marks.failed, 'bold', 'red')} {about}{printable(event.text)}"
    elif event.kind == "info" and (verbose or event.job is None or look.session == "Track"):
        head = f"  {about}{printable(event.text)}"
    elif verbose and not event.scheduler and event.kind in ("status", "success", "failure"):
        head = paint(f"  {about}{printable(event.text)}", "dim")
    else:
        return []
    lines = [head]
    if event.detail:
        detail = printable(event.detail).rstrip("\n").splitlines()
        lines += [f"    {line}" for line in detail]
    return lines


def area_lines(model: Model, now: float, left: float | None, size: tuple[int, int], look: Look) -> list[str]:
    """The live area: what the session does as a whole, then the jobs that run, the longest running first.

    Args:
        model: the session.
        now: seconds since the epoch.
        left: seconds that the rest may take, or None.
        size: columns and rows of the terminal.
        look: colours and signs.
    """
    columns, rows = size
    room = max(1, min(9, rows // 3)) - 1
    lines = [status_line(model, now, left, look)]
    jobs = list(model.running.values())
    shown = jobs if len(jobs) <= room else jobs[: max(0, room - 1)]
    longest = max((width(printable(job.element)) for job in shown), default=0)
    name = max(_NAME[0], min(longest, _NAME[1], columns - 40))
    lines += [job_line(job, now, name, look.paint) for job in shown]
    if len(shown) < len(jobs) and room > 0:
        lines.append(f"  and {len(jobs) - len(shown)} more")
    return [fit_painted(line, columns - 1) for line in lines]


def status_line(model: Model, now: float, left: float | None, look: Look) -> str:
    """One line on the whole session."""
    paint, marks, session = look.paint, look.marks, look.session
    elapsed = max(0.0, now - model.started) if model.started else 0.0
    if model.terminating:
        title = "Stopping"
    elif not model.queues and (phases := [span.name for span in model.spans.values() if span.name != session]):
        title = phases[0]
    else:
        title = TITLES.get(session or "", look.title)
    parts = []
    # Elements enter queues one after the other: what is in any of them will come to the last.
    most = max((queue.total for queue in model.queues), default=0)
    for queue in model.queues:
        settled = queue.processed + queue.skipped + queue.failed
        is_main = queue.action == MAIN_ACTIONS.get(session or "")
        if queue.total and (settled < queue.total or is_main):
            parts.append(f"{queue.action} {settled}/{most if is_main else queue.total}")
    if model.failed:
        parts.append(paint(f"{model.failed} failed", "bold", "red"))
    if model.warnings:
        parts.append(paint(f"{model.warnings} warnings" if model.warnings > 1 else "1 warning", "yellow"))
    if model.cached:
        parts.append(f"{model.cached} cached")
    parts.append(clock_text(elapsed))
    if left is not None and left >= 1 and not model.terminating:
        parts.append(f"about {duration(left) if left >= 60 else f'{round(left)}s'} left")
    return f"{paint(title, 'bold')} {marks.dot} " + f" {marks.dot} ".join(parts)


def clock_text(seconds: float) -> str:
    """Elapsed whole seconds, as they are shown while they pass: ``0:07``, ``1:02:03``."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def job_line(job: Running, now: float, name: int, paint: Paint) -> str:
    """One line on a running job, its element's name in `name` cells."""
    activity = printable(job.activity)
    if job.maximum:
        activity = f"{activity} {job.current or 0}/{job.maximum}".strip()
    text = (
        f"  {job.action:<{_ACTION}} {pad(printable(job.element), name)} {clock_text(max(0.0, now - job.started)): >5}"
    )
    if job.stalled:
        return (
            f"{text}  " + paint(f"silent for {duration(job.stalled)}", "yellow") + (f"  {activity}" if activity else "")
        )
    return f"{text}  {activity}".rstrip()


def summary_lines(model: Model, seconds: float, columns: int, look: Look) -> list[str]:
    """What the session did: counts, failures by cause, the slowest elements and the critical path."""
    paint, marks, session = look.paint, look.marks, look.session
    lines = [_counts(model, seconds, look)]
    lines += _failures(model, look)
    whole = (job for job in model.done if job.seconds >= 1.0 and job.status != "cancelled")
    ran = sorted(whole, key=lambda job: -job.seconds)
    if len(ran) > 1:
        slowest = [_timed(job, session) for job in ran[:_SLOWEST]]
        lines.append(fit_painted(f"  {paint('Slowest:', 'cyan')} " + f" {marks.dot} ".join(slowest), columns - 1))
    path = [job for job in critical_path(model.pipeline, model.done) if job.seconds >= 0.1]
    if len(path) > 1 and sum(job.seconds for job in path) >= 2.0:
        lines.append(f"  {paint('Critical path:', 'cyan')} {path_text(path, marks.arrow)}")
    return lines


def _timed(job: Done, session: str | None) -> str:
    what = "" if job.action == MAIN_ACTIONS.get(session or "") else f" ({job.action})"
    return f"{printable(job.element)}{what} {duration(job.seconds)}"


def path_text(path: list[Done], arrow: str) -> str:
    """A critical path in one line; steps in the middle of a long one are left out."""
    # An element may have been fetched and then built: that is one step.
    seconds: dict[str, float] = {}
    for job in path:
        seconds[job.element] = seconds.get(job.element, 0.0) + job.seconds
    steps = [f"{printable(element)} {duration(took)}" for element, took in seconds.items()]
    if len(steps) > _STEPS:
        middle = len(steps) - _STEPS + 1
        steps = [*steps[: _STEPS // 2], f"({middle} more)", *steps[len(steps) - (_STEPS - _STEPS // 2 - 1) :]]
    return f" {arrow} ".join(steps) + f" = {duration(sum(job.seconds for job in path))}"


_PAST = {"build": "built", "fetch": "fetched", "track": "tracked", "pull": "pulled", "push": "pushed"}


def _counts(model: Model, seconds: float, look: Look) -> str:
    paint, session = look.paint, look.session
    queues = model.summary.queues if model.summary is not None else model.queues
    parts = []
    for queue in queues:
        if queue.processed and (
            queue.action == MAIN_ACTIONS.get(session or "") or queue.action in ("build", "pull", "push")
        ):
            parts.append(f"{queue.processed} {_PAST.get(queue.action, queue.action)}")
    if model.cached:
        parts.append(f"{model.cached} cached")
    failed = sum(queue.failed for queue in queues) or model.failed
    if failed:
        parts.append(paint(f"{failed} failed", "bold", "red"))
    cancelled = sum(job.status == "cancelled" for job in model.done)
    if cancelled:
        parts.append(f"{cancelled} cancelled")
    main = MAIN_ACTIONS.get(session or "", "")
    undone = _undone(model, main) - cancelled
    if undone > 0 and main in _PAST:
        parts.append(f"{undone} not {_PAST[main]}")
    if model.warnings:
        parts.append(paint(f"{model.warnings} warnings" if model.warnings > 1 else "1 warning", "yellow"))
    if model.terminating and model.terminating != "error":
        word, colour = "stopped", "yellow"
    elif failed or model.error is not None:
        word, colour = "failed", "red"
    else:
        word, colour = "done", "green"
    what = ", ".join(parts) or "nothing to do"
    return f"{paint(f'{session} {word}', 'bold', colour)} in {duration(seconds)}: {what}"


def _undone(model: Model, main: str) -> int:
    """How many elements a session that has ended early, or had failures, has not come to."""
    summary = model.summary
    if summary is None:
        return 0
    left = summary.elements
    for queue in summary.queues:
        if queue.action == main:
            return left - (queue.processed + queue.skipped + queue.failed)
        # What fails before does not come to the main queue.
        left -= queue.failed
    return 0


def _failures(model: Model, look: Look) -> Iterable[str]:
    paint, marks = look.paint, look.marks
    causes: dict[str, dict[str, str | None]] = {}
    for job in model.done:
        if job.status in ("failed", "lost"):
            causes.setdefault(job.message.strip() or "the worker died", {})[job.element] = job.log
    # What failed without a job: an earlier failure that is cached.
    for element, _, message, log in model.summary.failed if model.summary is not None else ():
        causes.setdefault(message.strip(), {}).setdefault(element, log)
    for message, elements in causes.items():
        names = [printable(name) for name in elements][:_NAMED]
        more = f" and {len(elements) - _NAMED} more" if len(elements) > _NAMED else ""
        first = (printable(message).splitlines() or [""])[0]
        yield f"  {paint(marks.failed, 'red')} {', '.join(names)}{more}: {first}"
        yield from [f"    {printable(log)}" for log in elements.values() if log][:_NAMED]
    if any(job.status == "failed" and job.remembered for job in model.done):
        yield f"  {paint('What failed before is tried again only with --retry-failed.', 'dim')}"
