"""What becomes of the rest when a job has failed: the questions that are open, and what is done when nobody answers.

Knows tasks and how a question is told; stopping and trying again is the scheduler's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..protocol import events
from ..protocol.message import Failure
from .reporter import Reporter
from .tasks import Task
from .telling import JobTeller

# What a person may answer when a job has failed.
CHOICES = ("continue", "quit", "terminate", "retry", "shell", "log")


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A failure, for the summary."""

    item: Any
    action: str
    failure: Failure
    log: str | None


@dataclass(slots=True)
class Policy:
    """What happens after a failure: "continue", "quit" or "terminate"; `ask` turns it into a prompt."""

    on_error: str = "quit"
    ask: bool = False


class Prompts:
    """The questions that are open; none of them holds anything up.

    Args:
        reporter: where the end of a question is told.
        teller: tells the question.
    """

    def __init__(self, reporter: Reporter, teller: JobTeller) -> None:
        self._reporter = reporter
        self._teller = teller
        self._open: dict[int, Task] = {}
        self._number = 0

    def __bool__(self) -> bool:
        """Whether any is open."""
        return bool(self._open)

    def ask(self, task: Task, action: str, failure: Failure) -> None:
        """Ask what becomes of the rest."""
        self._number += 1
        self._open[self._number] = task
        self._teller.asked(task, action, self._number, failure, CHOICES)

    def about(self, prompt: int) -> Task | None:
        """The task that an open question is about; None if it is answered, or none of ours."""
        return self._open.get(prompt)

    def close(self, prompt: int, choice: str) -> Task | None:
        """A question was answered; the task that it was about, or None if it was answered before."""
        task = self._open.pop(prompt, None)
        if task is not None:
            self._reporter.emit(events.PromptClosed(time=time.time(), prompt=prompt, choice=choice))
        return task

    def close_all(self, choice: str) -> None:
        """No question matters any more."""
        for prompt in list(self._open):
            self.close(prompt, choice)
