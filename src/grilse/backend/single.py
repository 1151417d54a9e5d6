"""Runs one job and waits for it, without queues: for what a command needs before, or instead of, scheduling.

Knows the pool and the plan book, nothing of what the job does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..project.resolved import ResolvedElement
from ..protocol import events
from ..protocol.errors import ErrorDomain, GrilseError
from ..protocol.jobs import JobActivity, JobLaunch, JobResult
from ..protocol.message import Failure
from ..protocol.records import Ref
from ..protocol.requests import Cancel, Command, Quit, Resume, ShellDone, Suspend, Terminate
from .clock import Clock
from .hearing import Said
from .items import ArtifactItem, Item, worker_died
from .pool import Pool
from .telling import log_tail
from .workers import Job

if TYPE_CHECKING:
    from .pipeline import Pipeline


def run_single(
    pipeline: Pipeline,
    subject: ResolvedElement | ArtifactItem,
    action: str,
    task: str,
    parameters: dict[str, Any] | None = None,
    *,
    ref: Ref | None = None,
    number: int = 0,
    on_launch: Callable[[JobLaunch], None] | None = None,
    announce: bool = False,
) -> dict[str, Any]:
    """Run a job of one element, or artifact; returns its values.

    Args:
        pipeline: whose pool and plan book are used.
        subject: the element or artifact.
        action: how the job is called in messages.
        task: the task module.
        parameters: what only this task needs.
        ref: where the record of an artifact stands in the plan.
        number: of the job, unique among those that run.
        on_launch: called when the job offers a sandbox.
        announce: tell of its start and end in messages, as of jobs in queues; else it is part of the command.

    Raises:
        GrilseError: the job failed, or its worker died.
    """
    reporter, loop = pipeline.session.reporter, pipeline.session.loop
    item = subject if isinstance(subject, ArtifactItem) else Item(subject, 0, 0, pipeline.states)
    action_shown = action if announce else "main"
    spec = pipeline.book.spec(
        item, ref=ref, job=number, action=action, shown=action_shown, task=task, parameters=parameters
    )
    outcome: list[JobResult] = []
    lost: list[str] = []

    def tell(kind: str, text: str, elapsed: float | None, **more: Any) -> None:
        settings = {"element": item.display_name, "key": item.display_key, **more}
        reporter.emit(
            events.Text(
                time=time.time(),
                kind=kind,
                text=text,
                elapsed=elapsed,
                action=action_shown,
                log=spec.log,
                job=number,
                **settings,
            )
        )

    def on_message(message: Said | JobActivity | JobLaunch) -> None:
        if isinstance(message, JobLaunch) and on_launch is not None:
            on_launch(message)
        if isinstance(message, Said):
            reporter.relay(message.lines)

    started = reporter.clock.elapsed()
    worker = pipeline.pool.submit(Job(spec, on_message, outcome.append, lost.append))
    reporter.emit(
        events.JobStarted(
            time=time.time(),
            job=number,
            element=item.display_name,
            key=item.display_key,
            action=action,
            log=spec.log,
            worker=worker,
        )
    )
    if announce:
        tell("start", spec.log or action, None, scheduler=True)
    while not outcome and not lost:
        loop.turn()
    failure = worker_died(item, lost[0], runs="element") if lost else _failure(outcome)
    seconds = reporter.clock.elapsed() - started
    if announce and failure is not None:
        tell("failure", failure.message, seconds, detail=failure.detail, log_tail=log_tail(spec.log), scheduler=True)
    elif announce:
        tell("success", spec.log or action, seconds, scheduler=True)
    reporter.emit(
        events.JobFinished(
            time=time.time(),
            job=number,
            element=item.display_name,
            key=item.display_key,
            action=action,
            status="failed" if failure is not None else outcome[0].status,
            seconds=seconds,
            log=spec.log,
            log_tail=log_tail(spec.log) if failure is not None else None,
            failure=failure,
        )
    )
    if isinstance(item, Item):
        pipeline.states.forget(item.element)
    if failure is not None:
        reporter.task_error(failure, item.display_name)
        raise raised(failure)
    return outcome[0].values


def run_task(
    pipeline: Pipeline, task: str, parameters: dict[str, Any] | None = None, *, number: int = 0
) -> dict[str, Any]:
    """Run a job that is about no element, its messages told as the session's own; returns its values.

    Raises:
        GrilseError: the job failed, or its worker died.
    """
    reporter, loop = pipeline.session.reporter, pipeline.session.loop
    outcome: list[JobResult] = []
    lost: list[str] = []

    def on_message(message: Said | JobActivity | JobLaunch) -> None:
        for text in message.texts if isinstance(message, Said) else ():
            reporter.text(text.kind, text.text, detail=text.detail)

    pipeline.pool.submit(
        Job(pipeline.book.bare_spec(task, number, parameters or {}), on_message, outcome.append, lost.append)
    )
    while not outcome and not lost:
        loop.turn()
    failure = Failure(domain="APP", message=f"The worker of '{task}' died: {lost[0]}") if lost else _failure(outcome)
    if failure is not None:
        raise raised(failure)
    return outcome[0].values


def obey(pool: Pool, clock: Clock, job: int, command: Command) -> None:
    """What a command means to a session that is one job."""
    match command:
        case ShellDone():
            pool.release(command.shell, command.status)
        case Suspend():
            clock.pause()
            pool.suspend()
        case Resume():
            clock.resume()
            pool.resume()
        case Terminate() | Quit() | Cancel():
            clock.resume()
            pool.resume()
            if isinstance(command, Terminate) and command.hurry:
                pool.kill(job)
            else:
                pool.cancel(job)


def _failure(outcome: list[JobResult]) -> Failure | None:
    if outcome[0].status in ("ok", "skipped"):
        return None
    return outcome[0].failure or Failure(domain="APP", message="The job failed and did not say why")


def raised(failure: Failure) -> GrilseError:
    """The error that a failure is in this process."""
    return GrilseError(
        failure.message,
        domain=ErrorDomain[failure.domain],
        reason=failure.reason,
        detail=failure.detail,
        where=failure.where,
        temporary=failure.temporary,
    )
