"""Moves elements through stages (track, pull, fetch, build, push) as fast as tokens and dependencies allow.

Knows nothing of what stages do, of keys or of terminals: stages decide, the pool runs, the reporter tells.  What states
a task has is in ``tasks``, what is asked after a failure in ``prompts``, what is shown meanwhile in ``tally``.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..protocol import events
from ..protocol.jobs import JobActivity, JobLaunch, JobResult, JobSpec
from ..protocol.message import Failure
from .hearing import Said
from .loop import Loop
from .pool import Pool
from .prompts import FailedTask, Policy, Prompts
from .reporter import Reporter
from .tally import Tally
from .tasks import Decision, Stage, Task, TaskState
from .telling import JobTeller
from .workers import Job

# Times that a job is given to another worker when its worker died under it.
LOST_RETRIES = 1


@dataclass(slots=True)
class _Stop:
    quitting: bool = False
    terminating: bool = False
    suspended: bool = False
    announced: set[str] = field(default_factory=set)


class Scheduler:
    """Runs stages over items until nothing more can run.

    Args:
        stages: in the order that items pass them.
        tokens: how many jobs may hold each token at once.
        done: called when an item has passed a stage: (item, action, ran).
        log_directory: what the paths of logs are shown relative to.
        save: keeps the message of a job that failed, so that it can be replayed; gives the file.
        shell: called with an item when somebody wants a shell in what it left.
    """

    def __init__(
        self,
        loop: Loop,
        pool: Pool,
        reporter: Reporter,
        stages: Sequence[Stage],
        tokens: dict[str, int],
        policy: Policy,
        done: Callable[[Any, str, bool], None],
        log_directory: str = "",
        *,
        save: Callable[[JobSpec], str | None] | None = None,
        shell: Callable[[Any], None] | None = None,
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._reporter = reporter
        self._stages = stages
        self._free = dict(tokens)
        self._policy = policy
        self._done = done
        self._teller = JobTeller(reporter, log_directory)
        self._save = save
        self._shell = shell
        self._tasks: dict[int, Task] = {}
        self._ready: list[list[tuple[int, int, Task]]] = [[] for _ in stages]
        self._running: dict[int, Task] = {}
        self._tally = Tally(loop, reporter, stages, self._running)
        self._jobs = 0
        self._order = 0
        self._stop = _Stop()
        self._prompts = Prompts(reporter, self._teller)
        self.failures: list[FailedTask] = []
        self.durations: list[tuple[str, str, float]] = []

    # Items

    def enter(self, item: Any) -> None:
        """Let an item begin at the first stage; once only."""
        if id(item) in self._tasks:
            return
        task = Task(item, 0)
        self._tasks[id(item)] = task
        self._tally.of[0].entered += 1
        self._consider(task)

    def wake(self, item: Any) -> None:
        """Have an item's stage decide again, since what it waited for may have happened."""
        task = self._tasks.get(id(item))
        if task is not None and task.state is TaskState.BLOCKED:
            self._consider(task)

    def retry(self, name: str) -> bool:
        """Schedule a failed element again; whether there was one of that name."""
        for task in self._tasks.values():
            if task.state is TaskState.FAILED and task.item.display_name == name:
                self.failures = [failed for failed in self.failures if failed.item is not task.item]
                self._tally.of[task.stage].failed -= 1
                task.move(TaskState.BLOCKED)
                task.attempt += 1
                self._make_ready(task)
                return True
        return False

    def _consider(self, task: Task) -> None:
        while True:
            stage = self._stages[task.stage]
            decision = stage.decide(task.item)
            if decision is Decision.WAIT:
                return
            if decision is Decision.RUN:
                self._make_ready(task)
                return
            if decision is Decision.FAIL:
                task.move(TaskState.FAILED)
                self._fail_again(task, stage)
                return
            task.move(TaskState.SKIPPED)
            self._tally.of[task.stage].skipped += 1
            if not self._pass_on(task, ran=False):
                return

    def _fail_again(self, task: Task, stage: Stage) -> None:
        """Tell of a failure of an earlier session as if it had happened now."""
        self._jobs += 1
        task.job = self._jobs
        task.spec = stage.spec(task.item, task.job, task.attempt)
        failure = stage.failure(task.item, task.spec.log)
        self._teller.remembered(task, stage.action, failure)
        self._on_failure(task, failure, task.spec.log)

    def _pass_on(self, task: Task, *, ran: bool) -> bool:
        action = self._stages[task.stage].action
        last = task.stage + 1 == len(self._stages)
        if not last:
            task.stage += 1
            task.state = TaskState.BLOCKED
            task.attempt, task.lost = 1, 0
            self._tally.of[task.stage].entered += 1
        self._done(task.item, action, ran)
        return not last and task.state is TaskState.BLOCKED

    def _make_ready(self, task: Task) -> None:
        task.move(TaskState.READY)
        self._order += 1
        priority = self._stages[task.stage].priority(task.item)
        heapq.heappush(self._ready[task.stage], (priority, self._order, task))

    # The run

    def run(self) -> None:
        """Run until nothing is ready or running any more (or the session was stopped)."""
        self._tally.watch_stalls()
        self._dispatch()
        while self._running or self._prompts or self._stop.suspended:
            self._loop.turn()
            self._dispatch()
            self._tally.tell()
        self._tally.tell(now=True)

    @property
    def stopped_early(self) -> str | None:
        """ "quit" or "terminate" when the session was told to end before its time, else None."""
        if self._stop.terminating:
            return "terminate"
        return "quit" if self._stop.quitting else None

    @property
    def entered(self) -> int:
        """How many items have come."""
        return len(self._tasks)

    def counts(self) -> tuple[events.QueueStatus, ...]:
        """Counts of all queues."""
        return self._tally.queues()

    def _dispatch(self) -> None:
        stop = self._stop
        if stop.quitting or stop.terminating or stop.suspended:
            return
        # Later stages first: what is nearly done frees others.
        for index in range(len(self._stages) - 1, -1, -1):
            heap = self._ready[index]
            tokens = self._stages[index].tokens
            while heap and self._pool.free() > 0 and all(self._free[token] > 0 for token in tokens):
                task = heapq.heappop(heap)[2]
                if task.state is TaskState.READY:
                    self._start(task)

    def _start(self, task: Task) -> None:
        stage = self._stages[task.stage]
        self._jobs += 1
        number = self._jobs
        spec = stage.spec(task.item, number, task.attempt)
        task.move(TaskState.RUNNING)
        task.job, task.spec = number, spec
        task.started = task.last_sign = self._reporter.clock.elapsed()
        for token in stage.tokens:
            self._free[token] -= 1
        self._running[number] = task
        worker = self._pool.submit(
            Job(
                spec,
                lambda message: self._on_message(task, message),
                lambda result: self._on_result(task, result),
                lambda how: self._on_lost(task, how),
            )
        )
        self._teller.started(task, stage.action, worker)

    # What jobs say

    def _on_message(self, task: Task, message: Said | JobActivity | JobLaunch) -> None:
        task.last_sign = self._reporter.clock.elapsed()
        if isinstance(message, JobLaunch):
            # No queue has a stage that launches anything for others.
            return
        self._teller.said(message)

    def _release(self, task: Task) -> float:
        if task.job is not None:
            self._running.pop(task.job, None)
        for token in self._stages[task.stage].tokens:
            self._free[token] += 1
        return self._reporter.clock.elapsed() - task.started

    def _on_result(self, task: Task, result: JobResult) -> None:
        seconds = self._release(task)
        stage = self._stages[task.stage]
        counts = self._tally.of[task.stage]
        if result.status in ("ok", "skipped"):
            ran = result.status == "ok"
            stage.finished(task.item, result)
            task.move(TaskState.DONE if ran else TaskState.SKIPPED)
            counts.processed += ran
            counts.skipped += not ran
            self.durations.append((task.item.display_name, stage.action, seconds))
            self._tell_end(task, result.status, seconds)
            if self._pass_on(task, ran=ran):
                self._consider(task)
        elif result.status == "cancelled" or self._stop.terminating:
            task.move(TaskState.CANCELLED)
            self._tell_end(task, "cancelled", seconds)
        else:
            failure = result.failure or Failure(domain="APP", message="The job failed and did not say why")
            if failure.temporary and task.attempt <= stage.retries:
                self._tell_end(task, "failed", seconds, failure, will_retry=True)
                task.attempt += 1
                self._make_ready(task)
            else:
                stage.failed(task.item, result)
                task.move(TaskState.FAILED)
                self._tell_end(task, "failed", seconds, failure)
                if stage.goes_on:
                    self._follow(task)
                self._on_failure(task, failure, task.spec.log if task.spec is not None else None)

    def _follow(self, failed: Task) -> None:
        """Let what a failed job left go through the stages after it: a failed build is pushed too."""
        if failed.stage + 1 == len(self._stages):
            return
        task = Task(failed.item, failed.stage + 1)
        self._tally.of[task.stage].entered += 1
        self._consider(task)
        # Before a policy says that nothing more is started.
        self._dispatch()

    def _on_lost(self, task: Task, how: str) -> None:
        seconds = self._release(task)
        if self._stop.terminating:
            task.move(TaskState.CANCELLED)
            self._tell_end(task, "cancelled", seconds)
            return
        failure = self._stages[task.stage].lost(task.item, how)
        retry = task.lost < LOST_RETRIES
        self._tell_end(task, "lost", seconds, failure, will_retry=retry)
        if retry:
            task.lost += 1
            self._make_ready(task)
        else:
            task.move(TaskState.FAILED)
            self._on_failure(task, failure, task.spec.log if task.spec is not None else None)

    def _tell_end(
        self, task: Task, status: str, seconds: float, failure: Failure | None = None, *, will_retry: bool = False
    ) -> None:
        saved = None
        if failure is not None and not will_retry and task.spec is not None and self._save is not None:
            saved = self._save(task.spec)
        action = self._stages[task.stage].action
        self._teller.ended(task, action, status, seconds, failure, will_retry=will_retry, saved=saved)

    # Failures and stops

    def _on_failure(self, task: Task, failure: Failure, log: str | None) -> None:
        self._tally.of[task.stage].failed += 1
        action = self._stages[task.stage].action
        self.failures.append(FailedTask(task.item, action, failure, log))
        self._reporter.task_error(failure, task.item.display_name)
        if self._stop.quitting or self._stop.terminating:
            return
        if self._policy.ask:
            self._prompts.ask(task, action, failure)
        else:
            self._apply(self._policy.on_error)

    def answer(self, prompt: int, choice: str) -> None:
        """Apply the answer to a prompt; one that is closed or unknown is ignored."""
        if choice == "shell":
            # A shell is something one comes back from: the question stays open.
            task = self._prompts.about(prompt)
            if task is not None and self._shell is not None:
                self._shell(task.item)
            return
        task = self._prompts.close(prompt, choice)
        if task is None:
            return
        if choice == "retry":
            self.retry(task.item.display_name)
        else:
            self._apply(choice)

    def _apply(self, choice: str) -> None:
        if choice == "quit":
            self.quit("error")
        elif choice == "terminate":
            self.terminate("error")

    def quit(self, why: str = "quit") -> None:
        """Start no more jobs; those that run may finish."""
        self._stop.quitting = True
        self._announce(why)
        self._prompts.close_all("quit")

    def terminate(self, why: str = "terminate", *, hurry: bool = False) -> None:
        """Cancel every job; with `hurry` kill them at once."""
        self._stop.terminating = True
        if self._stop.suspended:
            self.resume()
        self._announce(why)
        self._prompts.close_all("terminate")
        for number in list(self._running):
            if hurry:
                self._pool.kill(number)
            else:
                self._pool.cancel(number)

    def cancel(self, job: int) -> None:
        """Cancel one job."""
        self._pool.cancel(job)

    def suspend(self) -> None:
        """Stop every job's processes and the clock."""
        if not self._stop.suspended:
            self._stop.suspended = True
            self._reporter.clock.pause()
            self._pool.suspend()

    def resume(self) -> None:
        """Go on."""
        if self._stop.suspended:
            self._stop.suspended = False
            self._reporter.clock.resume()
            self._pool.resume()

    def _announce(self, why: str) -> None:
        if why not in self._stop.announced:
            self._stop.announced.add(why)
            self._reporter.emit(events.Terminating(time=time.time(), why=why, running=len(self._running)))
