"""What a task gets: its message, its element's records, its log, and where to report.

Knows nothing of what tasks do with it, nor of other jobs.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import SimpleQueue
from typing import Any

import msgspec

from .. import FORMAT_VERSION
from ..protocol.channel import Channel
from ..protocol.events import Text
from ..protocol.jobs import FromWorker, JobActivity, JobLaunch, JobSaid, JobSpec, ReleaseJob, ToWorker
from ..protocol.pauses import Pauses
from ..protocol.records import ElementRecord, PlanHeader, PlanReader, Ref
from ..storage.digest import Digest
from .closures import Closures

_ENCODER = msgspec.json.Encoder()
# Plans that stay open: one session has one, a replay another.
PLANS_KEPT = 2
# Characters of a message and of its detail that are sent; all of it is in the log of the job.
TEXT_LIMIT, DETAIL_LIMIT = 16 * 1024, 256 * 1024


class JobCancelled(BaseException):
    """The job was cancelled; not an `Exception`, so that plugins do not catch it by accident."""


class JobSkipped(Exception):
    """The job found that there was nothing to do; `values` as of a job that did it."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.values = values or {}


class PlanCache:
    """Open plan files, so that what was decoded for one job serves the next."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[PlanReader, Closures, Pauses]] = {}
        self._header: tuple[str, Ref, PlanHeader] | None = None

    def get(self, spec: JobSpec) -> tuple[PlanReader, PlanHeader, Closures, Pauses]:
        """The reader, the header and the closures of a job's plan, and the suspensions of its session."""
        found = self._open.get(spec.plan)
        if found is None:
            while len(self._open) >= PLANS_KEPT:
                old = self._open.pop(next(iter(self._open)))
                old[0].close()
                old[2].close()
            reader = PlanReader(spec.plan)
            found = self._open[spec.plan] = (reader, Closures(reader), Pauses(spec.plan))
        # A session learns things while it runs, such as which remotes do not work, and writes a new header.
        known = self._header
        if known is None or known[:2] != (spec.plan, spec.header):
            known = self._header = (spec.plan, spec.header, found[0].header(spec.header))
        return found[0], known[2], found[1], found[2]


class JobContext:
    """One job as its task sees it.

    Attributes:
        spec: the job's message.
        plan: reads records of elements.
        header: what all jobs of the session share.
        closures: build closures of the plan's elements.
        record: the job's element, or None.
        values: what the backend is told of the outcome even when the job fails.
        held: digests of what the storage service of the cache was found to have; the backend is told.
    """

    def __init__(
        self,
        spec: JobSpec,
        channel: Channel[FromWorker, ToWorker],
        plan: PlanReader,
        header: PlanHeader,
        closures: Closures,
        pauses: Pauses,
        released: SimpleQueue[ReleaseJob],
    ) -> None:
        self.spec = spec
        self.plan = plan
        self.header = header
        self.closures = closures
        self.record: ElementRecord | None = plan.element(spec.element) if spec.element is not None else None
        self.values: dict[str, Any] = {}
        self.held: dict[Digest, None] = {}
        self._channel = channel
        self._pauses = pauses
        self._started = self._now()
        self._log = _open_log(spec.log) if spec.log else None
        # Opened now: a plugin may use up all descriptors.
        self._null = os.open(os.devnull, os.O_RDWR) if self._log is not None else -1
        self._silent = 0
        self._released = released

    @classmethod
    def open(
        cls,
        spec: JobSpec,
        channel: Channel[FromWorker, ToWorker],
        plans: PlanCache,
        released: SimpleQueue[ReleaseJob],
    ) -> JobContext:
        """Read what the job needs and open its log."""
        return cls(spec, channel, *plans.get(spec), released)

    def _now(self) -> float:
        """Seconds on a clock that stands still while the session is suspended."""
        return time.monotonic() - self._pauses.total()

    @property
    def name(self) -> str:
        """Display name of the job's element."""
        return self.record.full_name if self.record is not None else self.spec.task

    def settings(self, name: str, default: Any = None) -> Any:
        """One of the session's settings."""
        return self.header.settings.get(name, default)

    def message(
        self,
        kind: str,
        text: str,
        *,
        detail: str | None = None,
        elapsed: float | None = None,
        element: str | None = None,
        key: str | None = None,
    ) -> None:
        """Report a message: to the job's log and, unless silenced, to the backend."""
        text, detail = _sendable(text), None if detail is None else _sendable(detail)
        name = element or self.name
        shown = self.spec.key if key is None else key
        self.log_line(kind, name, shown, text, detail, elapsed)
        if self._silent and kind not in ("info", "warn", "error", "bug", "failure"):
            return
        spec = self.spec
        said = Text(
            time=time.time(),
            kind=kind,
            text=_clipped(text, TEXT_LIMIT),
            detail=None if detail is None else _clipped(detail, DETAIL_LIMIT),
            element=element or spec.about,
            key=key or spec.about_key,
            action=spec.action,
            elapsed=elapsed,
            log=spec.log,
            job=spec.job,
        )
        self._channel.send(JobSaid(job=spec.job, lines=_ENCODER.encode(said) + b"\n"))

    def activity(self, activity: str, current: int | None = None, maximum: int | None = None) -> None:
        """Report what the job does now."""
        self._channel.send(
            JobActivity(
                job=self.spec.job,
                time=time.time(),
                activity=_clipped(activity, TEXT_LIMIT),
                current=current,
                maximum=maximum,
            )
        )

    def launch(self, argv: list[str], environment: dict[str, str], *, interactive: bool) -> int:
        """Have somebody else run a command, and wait until it has ended; returns its exit status."""
        self._channel.send(
            JobLaunch(job=self.spec.job, argv=tuple(argv), environment=environment, interactive=interactive)
        )
        # No limit: a person may sit in the shell; a cancelled job is interrupted here.
        while (release := self._released.get()).job != self.spec.job:
            pass
        return release.status

    @contextmanager
    def timed(
        self,
        text: str,
        *,
        detail: str | None = None,
        silent_nested: bool = False,
        element: str | None = None,
        key: str | None = None,
    ) -> Iterator[None]:
        """Report the start and the success or failure of an activity; nested ones may be kept to the log."""
        started = self._now()
        self.message("start", text, detail=detail, element=element, key=key)
        self._silent += silent_nested
        try:
            yield
        except BaseException:
            self._silent -= silent_nested
            self.message("failure", text, elapsed=self._now() - started, element=element, key=key)
            raise
        self._silent -= silent_nested
        self.message("success", text, elapsed=self._now() - started, element=element, key=key)

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Keep messages that are not worth knowing to everybody to the log within a block."""
        self._silent += 1
        try:
            yield
        finally:
            self._silent -= 1

    def log_line(self, kind: str, name: str, key: str, text: str, detail: str | None, elapsed: float | None) -> None:
        """Write one message to the job's log, in the form that bst gives it."""
        if self._log is None:
            return
        shown = f"[{key}] " if key else ""
        word = "WARNING" if kind == "warn" else kind.upper()
        lines = f"[{_stamp(elapsed)}] {word:<7} {shown}{name}: {text}\n"
        if detail:
            lines += "\n" + "".join(f"    {line}\n" for line in detail.splitlines())
        os.write(self._log, lines.encode(errors="replace"))

    def log_begin(self) -> None:
        """Write to the job's log that the job begins."""
        self.log_line("start", self.name, self.spec.key, self.spec.task.capitalize(), None, None)

    def log_end(self, kind: str, text: str | None = None, detail: str | None = None) -> None:
        """Write to the job's log how the job ended."""
        elapsed = self._now() - self._started
        self.log_line(kind, self.name, self.spec.key, text or self.spec.task.capitalize(), detail, elapsed)

    @property
    def log_descriptor(self) -> int | None:
        """Descriptor of the job's log, for the output of commands."""
        return self._log

    def blame(self) -> str:
        """Which plugin a bug in this job is to be blamed on, in words."""
        if self.record is None:
            return f"The {self.spec.task} job"
        plugin = self.record.plugin
        place = f" ({plugin.path})" if plugin.path else ""
        return f"{self.record.full_name}: the plugin '{plugin.kind}'{place}"

    def where(self) -> str:
        """Where the job's element is declared."""
        return self.plan.body(self.record).provenance if self.record is not None else ""

    def close(self) -> list[str]:
        """Close the log; standard output and error go to the null device again.

        Returns:
            what somebody has done to the standard streams, in words.
        """
        if self._log is None:
            return []
        stains = [] if _intact(self._log) else ["standard streams"]
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            stains.append("standard streams")
        for number in (0, 1, 2):
            os.dup2(self._null, number)
        os.close(self._null)
        os.close(self._log)
        self._log = None
        return stains


def _open_log(path: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    started = datetime.now().strftime("%A, %d-%m-%Y at %H:%M:%S")
    os.write(log, f"BuildStream {FORMAT_VERSION} - {started}\n".encode())
    # What plugins print, and what their subprocesses print, belongs into the log.
    os.dup2(log, 1)
    os.dup2(log, 2)
    return log


def _sendable(text: object) -> str:
    """What a plugin gave for text as text that can be encoded."""
    text = text if isinstance(text, str) else str(text)
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _clipped(text: str, limit: int) -> str:
    """A text that nobody can read to its end without what nobody reads."""
    return text if len(text) <= limit else f"{text[:limit]}\n... {len(text) - limit:,} more characters are in the log"


def _intact(log: int) -> bool:
    """Whether the standard streams still lead to where `_open_log` had them lead."""
    try:
        return stat.S_ISCHR(os.fstat(0).st_mode) and os.path.sameopenfile(log, 1) and os.path.sameopenfile(log, 2)
    except OSError:
        return False


def _stamp(elapsed: float | None) -> str:
    if elapsed is None:
        return "--:--:--"
    seconds = int(elapsed)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
