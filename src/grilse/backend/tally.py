"""What is shown of the queues and of jobs while they run: counts, and which jobs have been silent for long.

Knows running tasks and the clock; decides nothing, and nobody decides by it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..protocol import events
from .loop import Loop
from .reporter import Reporter
from .tasks import Stage, Task

# Seconds between two events with the counts of queues.
COUNTS_INTERVAL = 0.1
# Seconds without output or progress after which a job is marked as stalled; in the environment another number may be
# given, 0 for never.
STALL_LIMIT = 60.0
STALL_VARIABLE = "GRILSE_STALL_SECONDS"
# Seconds between two looks for stalled jobs.
STALL_CHECK = 5.0


@dataclass(slots=True)
class Counts:
    """Numbers of one stage, for display only."""

    processed: int = 0
    skipped: int = 0
    failed: int = 0
    entered: int = 0


class Tally:
    """Counts, and tells of what it counts.

    Args:
        loop: for telling by and by.
        reporter: where to.
        stages: whose queues are counted.
        running: the tasks that run, by job; looked at, not changed.
    """

    def __init__(self, loop: Loop, reporter: Reporter, stages: Sequence[Stage], running: Mapping[int, Task]) -> None:
        self._loop = loop
        self._reporter = reporter
        self._stages = stages
        self._running = running
        self._due = False
        self._told: tuple[tuple[events.QueueStatus, ...], int] = ((), 0)
        self._stall_limit = _stall_limit()
        self._stalled: set[int] = set()
        self.of = [Counts() for _ in stages]

    def queues(self) -> tuple[events.QueueStatus, ...]:
        """Counts of all queues."""
        return tuple(
            events.QueueStatus(
                stage.action,
                counts.processed,
                counts.skipped,
                counts.failed,
                counts.entered - counts.processed - counts.skipped - counts.failed,
                counts.entered,
            )
            for stage, counts in zip(self._stages, self.of)
        )

    def tell(self, *, now: bool = False) -> None:
        """Tell the counts if they have changed: soon, or at the end at once."""
        if now:
            self._emit()
        elif not self._due and (self.queues(), len(self._running)) != self._told:
            self._due = True
            self._loop.after(COUNTS_INTERVAL, self._emit)

    def _emit(self) -> None:
        self._due = False
        self._told = (self.queues(), len(self._running))
        self._reporter.emit(events.Queues(time=time.time(), queues=self._told[0], running=self._told[1]))

    def watch_stalls(self) -> None:
        """From now on mark jobs that give no sign of life."""
        if self._stall_limit:
            self._loop.after(STALL_CHECK, self._mark_stalls)

    def _mark_stalls(self) -> None:
        elapsed = self._reporter.clock.elapsed()
        self._stalled &= self._running.keys()
        for number, task in self._running.items():
            silent = elapsed - task.last_sign
            if silent >= self._stall_limit:
                silent = min(silent, _quiet(task))
            if silent >= self._stall_limit:
                self._stalled.add(number)
            elif number not in self._stalled:
                continue
            else:
                # It goes on: the mark is taken away.
                self._stalled.remove(number)
                silent = 0.0
            self._reporter.emit(events.JobProgress(time=time.time(), job=number, stalled=silent))
        self._loop.after(STALL_CHECK, self._mark_stalls)


def _quiet(task: Task) -> float:
    """Seconds since something was written to a job's log, where the output of commands goes as well."""
    log = task.spec.log if task.spec is not None else None
    try:
        return max(0.0, time.time() - os.stat(log).st_mtime) if log else float("inf")
    except OSError:
        return float("inf")


def _stall_limit() -> float:
    try:
        return max(0.0, float(os.environ.get(STALL_VARIABLE, STALL_LIMIT)))
    except ValueError:
        return STALL_LIMIT
