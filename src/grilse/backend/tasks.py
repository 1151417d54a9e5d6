"""A task is one element in one stage: its states, what may follow what, and what a stage decides about it.

Knows nothing of who moves tasks, or why; docs/scheduler.md shows the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from ..protocol.jobs import JobResult, JobSpec
from ..protocol.message import Failure

# Tokens: how many jobs may use a resource at once is configured; these are their names.
DOWNLOAD, PROCESS, UPLOAD = "download", "process", "upload"


class TaskState(Enum):
    """The state of one element in one stage."""

    BLOCKED = "blocked"  # its stage waits for something, usually other elements
    READY = "ready"  # it waits for a token
    RUNNING = "running"  # a worker has it
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    TaskState.BLOCKED: frozenset({TaskState.READY, TaskState.SKIPPED, TaskState.FAILED}),
    TaskState.READY: frozenset({TaskState.RUNNING, TaskState.CANCELLED}),
    TaskState.RUNNING: frozenset(
        {TaskState.DONE, TaskState.SKIPPED, TaskState.FAILED, TaskState.CANCELLED, TaskState.READY}
    ),
    TaskState.DONE: frozenset(),
    TaskState.SKIPPED: frozenset(),
    TaskState.FAILED: frozenset({TaskState.BLOCKED}),
    TaskState.CANCELLED: frozenset(),
}


class Decision(Enum):
    """What a stage wants done with an element."""

    RUN = "run"
    SKIP = "skip"
    WAIT = "wait"
    FAIL = "fail"


class Item(Protocol):
    """What the scheduler must know of an element."""

    @property
    def display_name(self) -> str:
        """Name with junctions."""

    @property
    def display_key(self) -> str:
        """Full key, or question marks."""


class Stage(Protocol):
    """One stage: decides about elements, makes their job messages, takes their outcomes."""

    action: str
    tokens: tuple[str, ...]
    retries: int
    goes_on: bool

    def decide(self, item: Any) -> Decision:
        """What to do with an element that has come this far (or that waited and was woken)."""

    def failure(self, item: Any, log: str | None) -> Failure:
        """Why `decide` said FAIL; what was logged when it happened is written to `log`."""

    def spec(self, item: Any, job: int, attempt: int) -> JobSpec:
        """The message of its job."""

    def finished(self, item: Any, result: JobResult) -> None:
        """Take the outcome of a job that ended well or was skipped."""

    def failed(self, item: Any, result: JobResult) -> None:
        """Take the outcome of a job that failed."""

    def lost(self, item: Any, how: str) -> Failure:
        """Why a job failed whose worker died; `how` in words."""

    def priority(self, item: Any) -> int:
        """Smaller goes first."""


@dataclass(slots=True)
class Task:
    """One element in one stage."""

    item: Any
    stage: int
    state: TaskState = TaskState.BLOCKED
    attempt: int = 1
    lost: int = 0
    job: int | None = None
    started: float = 0.0
    last_sign: float = 0.0
    spec: JobSpec | None = None

    def move(self, state: TaskState) -> None:
        """Change the state, along the table only."""
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"a task cannot go from {self.state.value} to {state.value}")
        self.state = state
