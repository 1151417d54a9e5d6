"""A worker process as the pool sees it, the job it may have, and what its end means in words.

Knows nothing of what is done with them; the states are those of docs/scheduler.md.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .. import platform
from ..protocol.channel import Channel
from ..protocol.jobs import FromWorker, JobActivity, JobLaunch, JobResult, JobSpec, ToWorker
from .hearing import Ear, Said
from .loop import Deadline


class WorkerState(Enum):
    """What a worker is doing; docs/scheduler.md shows the transitions."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    CANCELLING = "cancelling"
    DEAD = "dead"


@dataclass(slots=True)
class Job:
    """A job given to the pool.

    Attributes:
        spec: its message.
        on_message: called with all that it says, in order.
        on_result: called once with its `JobResult`.
        on_lost: called instead when its worker died; with a description of how.
    """

    spec: JobSpec
    on_message: Callable[[Said | JobActivity | JobLaunch], None]
    on_result: Callable[[JobResult], None]
    on_lost: Callable[[str], None]


class Worker:
    """One worker process as the pool sees it."""

    __slots__ = (
        "channel",
        "computed",
        "deadline",
        "ear",
        "first_memory",
        "job",
        "jobs_done",
        "number",
        "process",
        "state",
        "trusted",
        "unclean",
        "whole_by",
    )

    def __init__(self, number: int, process: platform.Process, channel: Channel[ToWorker, FromWorker]) -> None:
        self.number = number
        self.process = process
        self.channel = channel
        self.ear = Ear(channel)
        # When the rest of the message must have come whose beginning has.
        self.whole_by: Deadline | None = None
        self.state = WorkerState.STARTING
        self.job: Job | None = None
        # When it was last seen to compute, or given a job.
        self.computed = 0.0
        self.jobs_done = 0
        self.first_memory = 0
        self.deadline: Deadline | None = None
        self.trusted = True
        # Whether something may be left of its jobs.
        self.unclean = False


def describe(status: int | None) -> str:
    """How a worker ended, from its exit status."""
    if status is None:
        return "it still runs but does not answer"
    if status < 0:
        try:
            name = f" ({signal.Signals(-status).name})"
        except ValueError:
            name = ""
        return f"it was killed by signal {-status}{name}"
    return f"it exited with status {status}"
