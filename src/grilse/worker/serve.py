"""Takes jobs from the backend one at a time, runs them, and leaves the process as clean as it was or says it is not.

Knows nothing of what the tasks do.  A job is cancelled by an exception in the main thread; when the backend dies the
worker kills what it started and ends.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import queue
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from .. import platform
from ..plugin.blame import culprit, trace, words
from ..plugin.surroundings import Surroundings, kill_children
from ..protocol.channel import Channel, ChannelClosed, ProtocolError
from ..protocol.errors import ErrorDomain, GrilseError
from ..protocol.jobs import CancelJob, FromWorker, JobResult, JobSpec, Prepare, ReleaseJob, ToWorker
from ..protocol.message import Failure
from .context import JobCancelled, JobContext, JobSkipped, PlanCache

WorkerChannel = Channel[FromWorker, ToWorker]

# Seconds that a job has to clean up after the backend has died, before everything is killed.
ORPHAN_GRACE = 1.0


def serve(channel: WorkerChannel) -> int:
    """Run jobs until the backend says so or is gone; returns the exit status."""
    faulthandler.enable()
    platform.die_with_parent(os.getppid())
    platform.become_subreaper()
    return _Server(channel).run()


class _Server:
    def __init__(self, channel: WorkerChannel) -> None:
        self._channel = channel
        self._inbox: queue.SimpleQueue[JobSpec | Prepare | None] = queue.SimpleQueue()
        self._released: queue.SimpleQueue[ReleaseJob] = queue.SimpleQueue()
        self._current: int | None = None
        self._cancelled: set[int] = set()
        self._plans = PlanCache()
        signal.signal(signal.SIGINT, self._on_interrupt)
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        self._surroundings = Surroundings.take()

    def _listen(self) -> None:
        while True:
            try:
                message = self._channel.receive()
            except (ChannelClosed, ProtocolError):
                self._on_backend_gone()
                return
            if isinstance(message, CancelJob):
                self._cancelled.add(message.job)
                if self._current == message.job:
                    platform.interrupt_main_thread()
            elif isinstance(message, JobSpec | Prepare):
                self._inbox.put(message)
            else:
                self._released.put(message)

    def _on_backend_gone(self) -> None:
        self._inbox.put(None)
        current = self._current
        if current is not None:
            self._cancelled.add(current)
            platform.interrupt_main_thread()
        # The main thread may hang in a plugin: this thread makes sure of the end.
        threading.Timer(ORPHAN_GRACE, _die).start()

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._current is not None and self._current in self._cancelled:
            raise JobCancelled

    def run(self) -> int:
        while True:
            try:
                # No limit: the listening thread puts None when the backend is gone.
                message = self._inbox.get()
                if message is None:
                    return 0
                if isinstance(message, Prepare):
                    _prepare(message)
                else:
                    self._run_job(message)
            except JobCancelled:
                # The interrupt came when its job had just ended.
                continue
            except ChannelClosed:
                return 0

    def _run_job(self, spec: JobSpec) -> None:
        started = time.monotonic()
        context: JobContext | None = None
        try:
            self._current = spec.job
            if spec.job in self._cancelled:
                raise JobCancelled
            context = JobContext.open(spec, self._channel, self._plans, self._released)
            context.log_begin()
            values = _task(spec.task).run(context)
            context.log_end("success")
            outcome = JobResult(job=spec.job, status="ok", values=values)
        except JobSkipped as skipped:
            outcome = JobResult(job=spec.job, status="skipped", values=skipped.values)
        except JobCancelled:
            outcome = JobResult(job=spec.job, status="cancelled", reusable=False)
        except GrilseError as error:
            outcome = JobResult(job=spec.job, status="failed", failure=_failure(error), values=_values(context))
            if context is not None:
                context.log_end("failure", error.message, error.detail)
        except BaseException as error:  # noqa: BLE001 - a process main: whatever a plugin does ends here
            failure = _bug(error, context)
            outcome = JobResult(job=spec.job, status="failed", failure=failure, values=_values(context))
            if context is not None:
                context.log_end("failure", failure.message, failure.detail)
        finally:
            self._current = None
        stains = self._surroundings.restore()
        if context is not None:
            stains += context.close()
        if kill_children():
            stains.append("child processes")
        self._channel.send(
            JobResult(
                job=spec.job,
                status=outcome.status,
                failure=outcome.failure,
                values=_with_held(outcome.values, context),
                reusable=outcome.reusable and not stains,
                seconds=time.monotonic() - started,
                memory=_resident(),
            )
        )


def _prepare(message: Prepare) -> None:
    for task in message.tasks:
        module = _task(task)
        prepare = getattr(module, "prepare", None)
        if prepare is not None:
            prepare()


def _task(name: str) -> Any:
    if not name.isidentifier():
        raise ProtocolError(f"'{name}' is not the name of a task", reason="bad-task")
    try:
        return importlib.import_module(f"grilse.worker.tasks.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"grilse.worker.tasks.{name}":
            raise
        raise ProtocolError(f"there is no task '{name}'", reason="bad-task") from error


def _values(context: JobContext | None) -> dict[str, Any]:
    return dict(context.values) if context is not None else {}


def _with_held(values: dict[str, Any], context: JobContext | None) -> dict[str, Any]:
    if context is None or not context.held:
        return values
    return {**values, "held": [str(digest) for digest in context.held]}


def _failure(error: GrilseError) -> Failure:
    return Failure(
        domain=error.domain.name,
        reason=error.reason,
        message=error.message,
        detail=error.detail,
        where=error.where,
        temporary=error.temporary,
    )


def _bug(error: BaseException, context: JobContext | None) -> Failure:
    plugin = culprit(error)
    if context is None:
        blame = str(plugin or "The job")
    else:
        blame = f"{context.name}: {plugin}" if plugin is not None else context.blame()
    return Failure(
        domain=ErrorDomain.PLUGIN.name,
        reason="plugin-bug",
        message=f"{blame} raised {words(error)}",
        detail=plugin.trace if plugin is not None else None,
        where=context.where() if context is not None else "",
        traceback=trace(error),
    )


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return 0


def _die() -> None:
    platform.kill_tree(os.getpid(), spare_root=True)
    sys.stderr.flush()
    os._exit(1)
