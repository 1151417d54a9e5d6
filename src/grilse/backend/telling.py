"""Tells what happens to jobs: for displays as events, for readers of logs as messages.

Knows tasks and the words that bst has for their ends; decides nothing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ..protocol import events
from ..protocol.jobs import JobActivity
from ..protocol.message import Failure
from .hearing import Said
from .reporter import Reporter

if TYPE_CHECKING:
    from .tasks import Task

# Bytes and lines of a log that go with a failure.
TAIL_BYTES = 64 * 1024
TAIL_LINES = 200

# What is said of a job that had nothing to do, where that is more than its name.
_SKIPPED = {"track": "Element sources are not trackable"}
# Actions whose jobs find out themselves that there is nothing to do: no word is said of those.
_QUIET_SKIPS = frozenset(("fetch",))


class JobTeller:
    """Tells about the jobs of one scheduler.

    Args:
        reporter: where to.
        log_directory: what the paths of logs are shown relative to.
    """

    def __init__(self, reporter: Reporter, log_directory: str) -> None:
        self._reporter = reporter
        self._log_directory = log_directory
        # What was not said yet of jobs that may turn out to be not worth a word: their starts.
        self._unsaid: dict[int, events.Text] = {}

    def started(self, task: Task, action: str, worker: int) -> None:
        """A job was given to a worker."""
        assert task.spec is not None
        log = task.spec.log
        self._reporter.emit(
            events.JobStarted(
                time=time.time(),
                job=task.job or 0,
                element=task.item.display_name,
                key=task.item.display_key,
                action=action,
                log=log,
                worker=worker,
                attempt=task.attempt,
            )
        )
        start = self._text(task, action, "start", self._relative(log), elapsed=None)
        if action in _QUIET_SKIPS and task.job is not None:
            self._unsaid[task.job] = start
        else:
            self._reporter.emit(start)

    def said(self, said: Said | JobActivity) -> None:
        """A job said something."""
        if isinstance(said, Said):
            if self._unsaid:
                self._say_start(said.texts[0].job)
            self._reporter.relay(said.lines)
            return
        self._reporter.emit(
            events.JobProgress(
                time=said.time, job=said.job, activity=said.activity, current=said.current, maximum=said.maximum
            )
        )

    def ended(
        self,
        task: Task,
        action: str,
        status: str,
        seconds: float,
        failure: Failure | None = None,
        *,
        will_retry: bool = False,
        saved: str | None = None,
        remembered: bool = False,
    ) -> None:
        """A job ended; `saved` is the file that it can be replayed from, `remembered` as in `events.JobFinished`."""
        log = task.spec.log if task.spec is not None else None
        tail = log_tail(log) if failure is not None and not will_retry else None
        if status == "skipped" and self._unsaid.pop(task.job or 0, None) is not None:
            self._finished(task, action, status, seconds)
            return
        self._say_start(task.job)
        if failure is None:
            kind = {"ok": "success", "skipped": "skipped"}.get(status, "failure")
            texts = {"ok": self._relative(log), "skipped": _SKIPPED.get(action, action.capitalize())}
            self._tell(task, action, kind, texts.get(status, status.capitalize()), elapsed=seconds)
        elif will_retry:
            text = f"Try #{task.attempt} failed, retrying"
            self._tell(task, action, "failure", text, elapsed=seconds, detail=failure.message)
        else:
            self._tell(task, action, "failure", failure.message, elapsed=seconds, detail=failure.detail, tail=tail)
        self._finished(
            task,
            action,
            status,
            seconds,
            log_tail=tail,
            failure=failure,
            will_retry=will_retry,
            saved=saved,
            remembered=remembered,
        )

    def _finished(self, task: Task, action: str, status: str, seconds: float, **more: Any) -> None:
        self._reporter.emit(
            events.JobFinished(
                time=time.time(),
                job=task.job or 0,
                element=task.item.display_name,
                key=task.item.display_key,
                action=action,
                status=status,
                seconds=seconds,
                log=task.spec.log if task.spec is not None else None,
                **more,
            )
        )

    def _say_start(self, job: int | None) -> None:
        start = self._unsaid.pop(job, None) if job is not None else None
        if start is not None:
            self._reporter.emit(start)

    def remembered(self, task: Task, action: str, failure: Failure) -> None:
        """A job need not be run: it failed in an earlier session, and would do so again."""
        self._tell(
            task, action, "start", self._relative(task.spec.log if task.spec is not None else None), elapsed=None
        )
        self.ended(task, action, "failed", 0.0, failure, remembered=True)

    def asked(self, task: Task, action: str, prompt: int, failure: Failure, choices: tuple[str, ...]) -> None:
        """Somebody is to say what becomes of the rest."""
        self._reporter.emit(
            events.Prompt(
                time=time.time(),
                prompt=prompt,
                element=task.item.display_name,
                key=task.item.display_key,
                action=action,
                choices=choices,
                log=task.spec.log if task.spec is not None else None,
                failure=failure,
            )
        )

    def _tell(self, task: Task, action: str, kind: str, text: str, **more: Any) -> None:
        self._reporter.emit(self._text(task, action, kind, text, **more))

    def _text(
        self,
        task: Task,
        action: str,
        kind: str,
        text: str,
        *,
        elapsed: float | None,
        detail: str | None = None,
        tail: str | None = None,
    ) -> events.Text:
        return events.Text(
            time=time.time(),
            kind=kind,
            text=text,
            detail=detail,
            element=task.item.display_name,
            key=task.item.display_key,
            action=action,
            elapsed=elapsed,
            log=task.spec.log if task.spec is not None else None,
            log_tail=tail,
            job=task.job,
            scheduler=True,
        )

    def _relative(self, log: str | None) -> str:
        base = self._log_directory
        return os.path.relpath(log, base) if log and base else log or ""


def log_tail(path: str | None) -> str | None:
    """The last lines of a log, or None if it cannot be read."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            data = file.read()
    except OSError:
        return None
    lines = data.decode(errors="replace").removesuffix("\n").split("\n")[-TAIL_LINES:]
    # A line that was written over, as by a progress bar, is what it was in the end.
    return "\n".join([line.rstrip("\r").rpartition("\r")[2] for line in lines])
