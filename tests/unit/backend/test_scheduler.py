"""The scheduler's state machine, with a pool that answers when the test says so."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grilse.backend.clock import Clock
from grilse.backend.loop import Loop
from grilse.backend.prompts import Policy
from grilse.backend.scheduler import Scheduler
from grilse.backend.tasks import TRANSITIONS, Decision, Task, TaskState
from grilse.backend.workers import Job
from grilse.protocol import events
from grilse.protocol.jobs import JobResult, JobSpec
from grilse.protocol.message import Failure

DOCUMENT = Path(__file__).parents[3] / "docs" / "scheduler.md"


@dataclass
class FakeItem:
    display_name: str
    display_key: str = "0" * 64


@dataclass
class FakePool:
    limit: int = 4
    jobs: dict[int, Job] = field(default_factory=dict)
    history: list[tuple[int, str]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    answer: Callable[[FakePool, Job], None] | None = None
    loop: Loop | None = None

    def free(self) -> int:
        return self.limit - len(self.jobs)

    def submit(self, job: Job) -> int:
        self.jobs[job.spec.job] = job
        self.history.append((job.spec.job, job.spec.task))
        if self.answer is not None and self.loop is not None:
            self.loop.call(lambda: self.answer(self, job))  # type: ignore[misc]
        return 1

    def finish(self, job: Job, status: str = "ok", failure: Failure | None = None) -> None:
        del self.jobs[job.spec.job]
        job.on_result(JobResult(job=job.spec.job, status=status, failure=failure))

    def cancel(self, number: int) -> bool:
        self.cancelled.append(number)
        job = self.jobs.get(number)
        if job is not None and self.loop is not None:
            self.loop.call(lambda: self.finish(job, "cancelled"))
        return job is not None

    def kill(self, number: int) -> bool:
        job = self.jobs.pop(number)
        job.on_lost("killed")
        return True

    def suspend(self) -> None:
        self.suspended = True

    def resume(self) -> None:
        self.suspended = False


class FakeReporter:
    def __init__(self) -> None:
        self.clock = Clock()
        self.events: list[Any] = []
        self.errors: list[Failure] = []

    def emit(self, event: Any) -> None:
        self.events.append(event)

    def task_error(self, failure: Failure, element: str) -> None:
        self.errors.append(failure)


@dataclass
class FakeStage:
    action: str
    tokens: tuple[str, ...] = ("process",)
    retries: int = 0
    goes_on: bool = False
    decisions: dict[str, Decision] = field(default_factory=dict)

    def decide(self, item: FakeItem) -> Decision:
        return self.decisions.get(item.display_name, Decision.RUN)

    def failure(self, item: FakeItem, log: str | None) -> Failure:
        return Failure(domain="ELEMENT", message=f"{item.display_name} failed before")

    def spec(self, item: FakeItem, job: int, attempt: int) -> JobSpec:
        return JobSpec(job=job, task=f"{self.action}:{item.display_name}", plan="", header=(0, 0), element=None)

    def finished(self, item: FakeItem, result: JobResult) -> None: ...

    def failed(self, item: FakeItem, result: JobResult) -> None: ...

    def lost(self, item: FakeItem, how: str) -> Failure:
        return Failure(domain="PLUGIN", reason="worker-died", message=f"{item.display_name}: {how}")

    def priority(self, item: FakeItem) -> int:
        return 0


class Bench:
    def __init__(self, *stages: FakeStage, tokens: int = 4, policy: Policy | None = None) -> None:
        self.loop = Loop()
        self.pool = FakePool(loop=self.loop)
        self.reporter = FakeReporter()
        self.passed: list[tuple[str, str, bool]] = []
        self.scheduler = Scheduler(
            self.loop,
            self.pool,  # type: ignore[arg-type]
            self.reporter,  # type: ignore[arg-type]
            stages,
            {"process": tokens, "download": tokens, "upload": tokens},
            policy or Policy(on_error="continue"),
            lambda item, action, ran: self.passed.append((item.display_name, action, ran)),
        )

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.reporter.events if isinstance(event, kind)]


def test_the_document_shows_the_table_of_transitions() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| ([\w, ]*)\|$", DOCUMENT.read_text().split("## Workers")[0], re.M))
    rows.pop("from")
    shown = {state: {word for word in re.split(r"[ ,]+", targets) if word} for state, targets in rows.items()}
    assert shown == {state.value: {t.value for t in targets} for state, targets in TRANSITIONS.items()}


def test_a_task_moves_along_the_table_only() -> None:
    for start in TaskState:
        for end in TaskState:
            task = Task(None, 0, state=start)
            if end in TRANSITIONS[start]:
                task.move(end)
                assert task.state is end
            else:
                with pytest.raises(RuntimeError):
                    task.move(end)


def test_an_element_passes_all_stages_in_order() -> None:
    bench = Bench(FakeStage("fetch"), FakeStage("build"))
    bench.pool.answer = FakePool.finish
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert [task for _, task in bench.pool.history] == ["fetch:a", "build:a"]
    assert bench.passed == [("a", "fetch", True), ("a", "build", True)]


def test_skipped_stages_start_no_job() -> None:
    bench = Bench(FakeStage("fetch", decisions={"a": Decision.SKIP}), FakeStage("build"))
    bench.pool.answer = FakePool.finish
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert [task for _, task in bench.pool.history] == ["build:a"]
    assert next(iter(bench.scheduler.counts())) == events.QueueStatus("fetch", 0, 1, 0, 0, 1)


def test_no_more_jobs_run_than_there_are_tokens() -> None:
    bench = Bench(FakeStage("build"), tokens=2)
    seen = []

    def answer(pool: FakePool, job: Job) -> None:
        seen.append(len(pool.jobs))
        pool.finish(job)

    bench.pool.answer = answer
    for index in range(10):
        bench.scheduler.enter(FakeItem(f"e{index}"))
    bench.scheduler.run()
    assert max(seen) == 2
    assert len(seen) == 10


def test_a_blocked_element_runs_when_woken() -> None:
    stage = FakeStage("build", decisions={"b": Decision.WAIT})
    bench = Bench(stage)
    b = FakeItem("b")

    def answer(pool: FakePool, job: Job) -> None:
        pool.finish(job)
        stage.decisions.clear()
        bench.scheduler.wake(b)

    bench.pool.answer = answer
    bench.scheduler.enter(b)
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert [task for _, task in bench.pool.history] == ["build:a", "build:b"]


def test_network_failures_are_retried_as_often_as_configured() -> None:
    bench = Bench(FakeStage("fetch", retries=2))
    failure = Failure(domain="SOURCE", message="no route", temporary=True)
    bench.pool.answer = lambda pool, job: pool.finish(job, "failed", failure)
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert len(bench.pool.history) == 3
    assert [end.will_retry for end in bench.of(events.JobFinished)] == [True, True, False]
    assert [failed.failure for failed in bench.scheduler.failures] == [failure]


@pytest.mark.parametrize("domain", ["SANDBOX", "SOURCE"])
def test_a_failure_that_will_not_pass_is_not_retried(domain: str) -> None:
    bench = Bench(FakeStage("build", retries=2))
    bench.pool.answer = lambda pool, job: pool.finish(job, "failed", Failure(domain=domain, message="make failed"))
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert len(bench.pool.history) == 1


def test_what_a_failed_build_left_is_pushed_even_when_nothing_more_is_built() -> None:
    bench = Bench(FakeStage("build", goes_on=True), FakeStage("push"), policy=Policy(on_error="quit"))

    def answer(pool: FakePool, job: Job) -> None:
        failed = job.spec.task.startswith("build")
        failure = Failure(domain="SANDBOX", message="make failed")
        pool.finish(job, "failed" if failed else "ok", failure if failed else None)

    bench.pool.answer = answer
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert [task for _, task in bench.pool.history] == ["build:a", "push:a"]
    assert len(bench.scheduler.failures) == 1


def test_a_job_whose_worker_died_is_given_to_another_once() -> None:
    bench = Bench(FakeStage("build"))

    def answer(pool: FakePool, job: Job) -> None:
        del pool.jobs[job.spec.job]
        job.on_lost("it was killed by signal 9")

    bench.pool.answer = answer
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert len(bench.pool.history) == 2
    assert [end.status for end in bench.of(events.JobFinished)] == ["lost", "lost"]
    assert bench.scheduler.failures[0].failure.reason == "worker-died"


def test_a_job_that_shows_no_sign_of_life_is_marked_as_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grilse.backend.tally.STALL_CHECK", 0.01)
    monkeypatch.setattr("grilse.backend.tally.STALL_LIMIT", 0.02)
    bench = Bench(FakeStage("build"))

    def look(pool: FakePool, job: Job) -> None:
        # No limit but that of the test: it ends when the mark is there
        if bench.of(events.JobProgress):
            pool.finish(job)
        else:
            bench.loop.after(0.01, lambda: look(pool, job))

    bench.pool.answer = look
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert bench.of(events.JobProgress)[0].stalled >= 0.02


def test_a_mark_goes_when_the_job_does_and_output_in_the_log_is_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("grilse.backend.tally.STALL_CHECK", 0.01)
    monkeypatch.setenv("GRILSE_STALL_SECONDS", "0.2")
    log = tmp_path / "log"
    log.write_text("")
    os.utime(log, (0, 0))
    stage = FakeStage("build")
    plain = stage.spec
    stage.spec = lambda *args: msgspec.structs.replace(plain(*args), log=str(log))  # type: ignore[method-assign]
    bench = Bench(stage)

    def look(pool: FakePool, job: Job) -> None:
        marks = [event.stalled for event in bench.of(events.JobProgress)]
        if marks and marks[-1] == 0.0:
            pool.finish(job)
            return
        if marks:
            # It prints something, and says nothing.
            os.utime(log)
        bench.loop.after(0.01, lambda: look(pool, job))

    bench.pool.answer = look
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    marks = [event.stalled for event in bench.of(events.JobProgress)]
    assert marks[0] >= 0.2 and marks[-1] == 0.0


def test_no_job_is_marked_where_nobody_wants_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grilse.backend.tally.STALL_CHECK", 0.005)
    monkeypatch.setenv("GRILSE_STALL_SECONDS", "0")
    bench = Bench(FakeStage("build"))
    bench.pool.answer = lambda pool, job: bench.loop.after(0.05, lambda: pool.finish(job))  # type: ignore[assignment,return-value]
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.run()
    assert bench.of(events.JobProgress) == []


def test_quit_lets_running_jobs_finish_and_starts_no_more() -> None:
    bench = Bench(FakeStage("build"), tokens=1)

    def answer(pool: FakePool, job: Job) -> None:
        bench.scheduler.quit()
        pool.finish(job)

    bench.pool.answer = answer
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.enter(FakeItem("b"))
    bench.scheduler.run()
    assert bench.passed == [("a", "build", True)]
    assert bench.scheduler.stopped_early == "quit"


def test_terminate_cancels_what_runs() -> None:
    bench = Bench(FakeStage("build"))
    bench.scheduler.enter(FakeItem("a"))
    bench.loop.after(0.01, bench.scheduler.terminate)
    bench.scheduler.run()
    assert bench.pool.cancelled == [1]
    assert [end.status for end in bench.of(events.JobFinished)] == ["cancelled"]


@pytest.mark.parametrize(("policy", "jobs"), [("continue", 3), ("quit", 1), ("terminate", 1)])
def test_policy_decides_after_a_failure(policy: str, jobs: int) -> None:
    bench = Bench(FakeStage("build"), tokens=1, policy=Policy(on_error=policy))
    bench.pool.answer = lambda pool, job: pool.finish(job, "failed", Failure(domain="SANDBOX", message="no"))
    for name in "abc":
        bench.scheduler.enter(FakeItem(name))
    bench.scheduler.run()
    assert len(bench.pool.history) == jobs


def test_a_prompt_blocks_nothing_and_its_answer_is_applied() -> None:
    bench = Bench(FakeStage("build"), tokens=1, policy=Policy(ask=True))
    outcomes = {"build:a": ["failed", "ok"], "build:b": ["ok"]}

    def answer(pool: FakePool, job: Job) -> None:
        status = outcomes[job.spec.task].pop(0)
        pool.finish(job, status, Failure(domain="SANDBOX", message="no") if status == "failed" else None)
        if job.spec.task == "build:b":
            bench.scheduler.answer(1, "retry")

    bench.pool.answer = answer
    bench.scheduler.enter(FakeItem("a"))
    bench.scheduler.enter(FakeItem("b"))
    bench.scheduler.run()
    assert [task for _, task in bench.pool.history] == ["build:a", "build:b", "build:a"]
    assert bench.scheduler.failures == []
    assert [event.choice for event in bench.of(events.PromptClosed)] == ["retry"]


def test_suspension_stops_the_clock_and_starts_nothing() -> None:
    bench = Bench(FakeStage("build"), tokens=1)
    bench.pool.answer = FakePool.finish
    bench.scheduler.suspend()
    bench.scheduler.enter(FakeItem("a"))
    before = bench.reporter.clock.elapsed()
    started: list[int] = []

    def resume() -> None:
        started.append(len(bench.pool.history))
        assert bench.pool.suspended
        assert bench.reporter.clock.elapsed() == before
        bench.scheduler.resume()

    bench.loop.after(0.05, resume)
    bench.scheduler.run()
    assert started == [0]
    assert len(bench.pool.history) == 1
