"""What the backend tells a worker and what it hears back.

Knows nothing of queues or plugins.  A `JobSpec` is complete: saved with its plan file it can be run again elsewhere.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .message import Failure, Message
from .records import Ref
from .requests import Hello


class JobSpec(Message, frozen=True, kw_only=True):
    """One job.

    Attributes:
        job: number within the session.
        task: "track", "fetch", "build", "pull", "push", or the name of another task module.
        plan: path of the plan file.
        header: place of the plan's header.
        element: place of the element's record, or None for a task without one.
        log: path of the log file to write, or None.
        key: display key, for the log.
        full_key: cache key to build under, when known.
        attempt: 1, 2, ... when retried.
        about: display name of the element that its messages are about, or None.
        about_key: display key of that, whole.
        action: name of the queue that its messages give.
        parameters: what only this task needs, as plain data.
    """

    job: int
    task: str
    plan: str
    header: Ref
    element: Ref | None
    log: str | None = None
    key: str = ""
    full_key: str | None = None
    attempt: int = 1
    about: str | None = None
    about_key: str | None = None
    action: str = "main"
    parameters: dict[str, Any] = {}


class CancelJob(Message, frozen=True, kw_only=True):
    """Ask the running job to stop; its process tree is killed when it does not."""

    job: int


class Prepare(Message, frozen=True, kw_only=True):
    """Import ahead of the first job what these tasks need."""

    tasks: tuple[str, ...]


class ReleaseJob(Message, frozen=True, kw_only=True):
    """What a `JobLaunch` offered was used, with this exit status: the job goes on."""

    job: int
    status: int


ToWorker = JobSpec | CancelJob | Prepare | ReleaseJob


class JobSaid(Message, frozen=True, kw_only=True):
    """Messages of a job as the event log holds them, so that nobody has to encode them again.  Since protocol 2.

    Attributes:
        job: the job's number.
        lines: `events.Text` as JSON, each ended by a line feed.
    """

    job: int
    lines: bytes


class JobActivity(Message, frozen=True, kw_only=True):
    """What the job does now."""

    job: int
    time: float
    activity: str
    current: int | None = None
    maximum: int | None = None


class JobLaunch(Message, frozen=True, kw_only=True):
    """A sandbox is staged, in which somebody else runs a command while the job waits for a `ReleaseJob`.

    Attributes:
        argv: what to execute.
        environment: the whole environment to execute it with.
        interactive: a shell for a person rather than one command.
    """

    job: int
    argv: tuple[str, ...]
    environment: dict[str, str]
    interactive: bool


class JobResult(Message, frozen=True, kw_only=True):
    """The job's last word.

    Attributes:
        status: "ok", "skipped", "failed" or "cancelled".
        failure: why it failed.
        values: what the backend needs of the outcome, as plain data (new ref, artifact digest, keys, bytes, ...);
            ``held`` has digests of what the storage service of the cache was found to have.
        reusable: the worker is clean and takes another job.
        seconds: wall time spent.
        memory: resident bytes of the worker now.
    """

    job: int
    status: str
    failure: Failure | None = None
    values: dict[str, Any] = {}
    reusable: bool = True
    seconds: float = 0.0
    memory: int = 0


FromWorker = Hello | JobSaid | JobActivity | JobLaunch | JobResult


class ReplayFile(msgspec.Struct, frozen=True):
    """A saved job: its message and the bytes of the plan it refers to."""

    spec: JobSpec
    plan: bytes
