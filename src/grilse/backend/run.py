"""Runs stages over elements: pool, scheduler and the frontend's commands brought together for one command.

Knows the parts and their order, nothing of what single stages do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias

from .. import platform
from ..protocol import events
from ..protocol.errors import StreamError
from ..protocol.jobs import JobSpec
from ..protocol.requests import Answer, Cancel, Command, Quit, Resume, Retry, ShellDone, Suspend, Terminate
from .history import JOBS
from .items import Item
from .pool import Pool
from .prompts import Policy
from .replay import save_job
from .scheduler import Scheduler
from .shells import Shells
from .tasks import DOWNLOAD, PROCESS, UPLOAD, Stage

if TYPE_CHECKING:
    from .pipeline import Pipeline

# Elements whose keys have been found out, and the same as lines in the user's format if displays cannot make these.
Resolved: TypeAlias = tuple[tuple[events.PipelineElement, ...], tuple[str, ...]]

# How many elements the summary names as the slowest.
SLOWEST = 10


class Run:
    """One command's jobs.

    Args:
        pipeline: the pipeline; its pool may be warm already.
        stages: in the order that elements pass them.
        done: called when an element has passed a stage: (item, action, ran).
    """

    def __init__(
        self, pipeline: Pipeline, stages: Sequence[Stage], done: Callable[[Item, str, bool], None] | None = None
    ) -> None:
        session, config = pipeline.session, pipeline.config
        self._session = session
        self._pool = pipeline.pool
        self._shells = Shells(pipeline)
        self._backing = pipeline.backing
        interactive = session.request.invocation.interactive
        self.scheduler = Scheduler(
            session.loop,
            self._pool,
            session.reporter,
            stages,
            {DOWNLOAD: config.fetchers, PROCESS: config.builders, UPLOAD: config.pushers},
            Policy(on_error=config.on_error, ask=interactive and session.request.invocation.on_error is None),
            done or (lambda item, action, ran: None),
            config.logdir,
            save=self._save,
            shell=self._shells.open,
        )

    def run(self, resolved: Callable[[], Resolved] | None = None) -> None:
        """Run until nothing more can run, then tell the summary.

        Args:
            resolved: gives, at the end, what the summary says of elements whose keys have been found out.

        Raises:
            StreamError: a job failed, or the session was stopped before its time.
        """
        session = self._session
        session.control.serve(
            lambda command: session.loop.call(lambda: self._obey(command)),
            lambda: session.loop.call(self._on_frontend_lost),
        )
        with self._backing.silent() if self._backing is not None else nullcontext():
            self.scheduler.run()
        self._tell_summary(*(resolved() if resolved is not None else ((), ())))
        if self.scheduler.failures:
            first = self.scheduler.failures[0]
            raise StreamError(
                f"{first.item.display_name}: {first.action} failed: {first.failure.message}"
                if len(self.scheduler.failures) == 1
                else f"{len(self.scheduler.failures)} jobs failed"
            )
        stopped = self.scheduler.stopped_early
        if stopped is not None:
            raise StreamError("The session was terminated" if stopped == "terminate" else "The session was stopped")

    def _obey(self, command: Command) -> None:
        scheduler = self.scheduler
        match command:
            case Terminate():
                scheduler.terminate(hurry=command.hurry)
            case Quit():
                scheduler.quit()
            case Cancel():
                scheduler.cancel(command.job)
            case Suspend():
                scheduler.suspend()
            case Resume():
                scheduler.resume()
            case Retry():
                scheduler.retry(command.element)
            case Answer():
                scheduler.answer(command.prompt, command.choice)
            case ShellDone():
                self._shells.done(command.shell, command.status)

    def _save(self, spec: JobSpec) -> str | None:
        return save_job(spec, os.path.join(self._session.directory, JOBS, f"{spec.job}-{spec.task}.job"))

    def _on_frontend_lost(self) -> None:
        # Nobody is there to see the end: jobs are killed without grace, what was built stays cached.
        self.scheduler.terminate(hurry=True)

    def _tell_summary(self, resolved: tuple[events.PipelineElement, ...], lines: tuple[str, ...]) -> None:
        scheduler, reporter = self.scheduler, self._session.reporter
        slowest = sorted(scheduler.durations, key=lambda entry: -entry[2])[:SLOWEST]
        reporter.emit(
            events.Summary(
                time=time.time(),
                seconds=reporter.clock.elapsed(),
                elements=scheduler.entered,
                queues=scheduler.counts(),
                failed=tuple(
                    (failed.item.display_name, failed.action, failed.failure.message, failed.log)
                    for failed in scheduler.failures
                ),
                slowest=tuple(slowest),
                phases=dict(reporter.phases),
                resolved=resolved,
                resolved_lines=lines,
            )
        )


def make_pool(pipeline: Pipeline) -> Pool:
    """The session's pool: as many workers as jobs may run at once."""
    config = pipeline.config
    held = pipeline.backing.learn if pipeline.backing is not None else None
    limit = config.fetchers + config.builders + config.pushers
    return Pool(pipeline.session.loop, limit, on_unclean=pipeline.worker_died, held=held)


def prestart_count(pipeline: Pipeline) -> int:
    """Workers worth starting while the project loads."""
    return min(pipeline.config.builders, platform.cpu_count())
