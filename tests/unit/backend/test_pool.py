"""The pool under good and bad workers: each child is a real, spawned process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grilse import platform
from grilse.backend.hearing import Said
from grilse.backend.loop import Loop
from grilse.backend.pool import Pool
from grilse.backend.workers import Job
from grilse.protocol.jobs import JobActivity, JobLaunch, JobResult, JobSpec

SCRIPT = str(Path(__file__).parents[2] / "fixtures" / "bad_worker.py")
LIMIT = 15.0


class Bench:
    """A pool and what its jobs said."""

    def __init__(self, limit: int = 2, grace: float = 0.3) -> None:
        self.loop = Loop()
        self.unclean: list[int] = []
        self.pool = Pool(self.loop, limit, grace=grace, script=SCRIPT, on_unclean=self.unclean.append, processors=limit)
        self.results: dict[int, JobResult] = {}
        self.lost: dict[int, str] = {}
        self.messages: list[Said | JobActivity | JobLaunch] = []

    def submit(self, number: int, task: str) -> None:
        spec = JobSpec(job=number, task=task, plan="", header=(0, 0), element=None)
        self.pool.submit(
            Job(
                spec,
                self.messages.append,
                lambda result: self.results.update({number: result}),
                lambda how: self.lost.update({number: how}),
            )
        )

    def texts(self) -> list[str]:
        return [text.text for said in self.messages if isinstance(said, Said) for text in said.texts]

    def until(self, condition: Any) -> None:
        limit = self.loop.after(LIMIT, lambda: pytest.fail("nothing happened in time"))
        while not condition():
            # The loop wakes for its own events; conditions may be about processes that it knows nothing of.
            look = self.loop.after(0.05, lambda: None)
            self.loop.turn()
            look.cancel()
        limit.cancel()


@pytest.fixture
def bench() -> Iterator[Bench]:
    platform.become_subreaper()
    made = Bench()
    yield made
    made.pool.close()
    made.loop.close()
    assert not made.pool.workers


def sleeping(number: int) -> list[int]:
    wanted = ["sleep", str(3000 + number)]
    return [p.pid for p in psutil.process_iter(["cmdline", "status"]) if p.info["cmdline"] == wanted]


def test_a_worker_is_used_again(bench: Bench) -> None:
    bench.submit(1, "ok")
    bench.until(lambda: 1 in bench.results)
    bench.submit(2, "ok")
    bench.until(lambda: 2 in bench.results)
    assert bench.results[1].values == bench.results[2].values


def test_prestarted_workers_take_the_first_jobs(bench: Bench) -> None:
    bench.pool.prestart(2, ())
    pids = {worker.process.pid for worker in bench.pool.workers.values()}
    bench.submit(1, "ok")
    bench.submit(2, "ok")
    bench.until(lambda: len(bench.results) == 2)
    assert {result.values["pid"] for result in bench.results.values()} <= pids


@pytest.mark.parametrize(("task", "how"), [("exits", "status 7"), ("killed", "signal 9")])
def test_a_worker_that_dies_loses_its_job_and_only_that(bench: Bench, task: str, how: str) -> None:
    bench.submit(1, task)
    bench.submit(2, "ok")
    bench.until(lambda: 1 in bench.lost and 2 in bench.results)
    assert how in bench.lost[1]
    bench.submit(3, "ok")
    bench.until(lambda: 3 in bench.results)


def test_a_result_that_was_sent_before_the_death_counts(bench: Bench) -> None:
    bench.submit(1, "result_then_dies")
    bench.until(lambda: 1 in bench.results or 1 in bench.lost)
    assert bench.results[1].values == {"said": True}


def test_a_flood_of_messages_arrives_whole_and_in_order(bench: Bench) -> None:
    bench.submit(1, "floods")
    bench.until(lambda: 1 in bench.results)
    assert bench.texts() == [f"line {i}" for i in range(20_000)]
    lines = b"".join(said.lines for said in bench.messages if isinstance(said, Said))
    assert [json.loads(line)["text"] for line in lines.splitlines()] == bench.texts()


def test_what_a_job_says_that_talks_much_is_read_in_bundles(bench: Bench) -> None:
    bench.submit(1, "chatters")
    bench.until(lambda: 1 in bench.results)
    assert bench.texts() == [f"line {i}" for i in range(300)]
    assert len(bench.messages) < 100


def test_a_polite_job_ends_by_itself_and_its_worker_is_replaced(bench: Bench) -> None:
    bench.submit(1, "polite")
    bench.until(lambda: any(worker.state.value == "busy" for worker in bench.pool.workers.values()))
    bench.pool.cancel(1)
    bench.until(lambda: 1 in bench.results)
    assert bench.results[1].status == "cancelled"
    assert not bench.pool.workers


def test_a_deaf_job_is_killed_after_the_grace(bench: Bench) -> None:
    bench.submit(1, "deaf")
    bench.until(lambda: bench.messages)
    started = time.monotonic()
    assert bench.pool.cancel(1)
    bench.until(lambda: 1 in bench.lost)
    assert 0.2 < time.monotonic() - started < 5.0


def test_a_cancelled_job_takes_its_grandchildren_with_it(bench: Bench) -> None:
    job = os.getpid()  # the grandchildren are told by it from those of other runs of this test
    bench.submit(job, "grandchildren")
    bench.until(lambda: len(sleeping(job)) == 2)
    bench.pool.cancel(job)
    bench.until(lambda: job in bench.lost)
    assert sleeping(job) == []


def test_a_killed_worker_takes_its_grandchildren_with_it(bench: Bench) -> None:
    job = os.getpid() + 1_000_000_000
    bench.submit(job, "grandchildren")
    bench.until(lambda: len(sleeping(job)) == 2)
    os.kill(bench.pool.busy_pids()[0], 9)
    bench.until(lambda: job in bench.lost)
    assert sleeping(job) == []


@pytest.mark.parametrize(("task", "said"), [("garbage", []), ("garbage_lines", ["good"]), ("no_line", ["good"])])
def test_garbage_from_a_worker_ends_the_worker(bench: Bench, task: str, said: list[str]) -> None:
    bench.submit(1, task)
    bench.until(lambda: 1 in bench.lost)
    assert bench.texts() == said


def test_half_a_message_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.submit(1, "half")
    bench.until(lambda: bench.messages)
    for number in (2, 3):
        bench.submit(number, "ok")
        bench.until(lambda number=number: number in bench.results)  # type: ignore[misc]
    assert bench.lost == {}
    bench.pool.cancel(1)
    bench.until(lambda: 1 in bench.lost)


def test_a_message_that_never_becomes_whole_ends_its_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grilse.backend.pool.MESSAGE_TIME", 0.2)
    bench.submit(1, "half")
    bench.until(lambda: 1 in bench.lost)
    assert bench.lost[1] == "it sent what is no message, and was killed"


def test_a_worker_that_was_suspended_within_a_message_is_given_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grilse.backend.pool.MESSAGE_TIME", 0.1)
    bench.submit(1, "half")
    bench.until(lambda: bench.messages)
    bench.pool.suspend()
    later: list[bool] = []
    bench.loop.after(0.5, lambda: later.append(True))
    bench.until(lambda: later)
    assert bench.lost == {}
    bench.pool.resume()
    bench.until(lambda: 1 in bench.lost)


def test_a_message_beyond_all_measure_ends_its_worker(bench: Bench) -> None:
    bench.submit(1, "endless")
    bench.until(lambda: 1 in bench.lost)
    assert "no message" in bench.lost[1]


def test_a_large_message_arrives_whole(bench: Bench) -> None:
    bench.submit(1, "large")
    bench.until(lambda: 1 in bench.results)
    assert len(bench.results[1].values["text"]) == 8_000_000


@pytest.mark.parametrize("kind", ["exits-at-once", "garbage", "old"])
def test_a_worker_that_cannot_start_loses_its_job(bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD_WORKER", kind)
    bench.submit(1, "ok")
    bench.until(lambda: 1 in bench.lost)


def test_a_job_that_waits_makes_room_for_another_worker_and_one_that_computes_does_not(bench: Bench) -> None:
    bench.pool.close()
    bench.pool = Pool(bench.loop, 3, grace=0.3, script=SCRIPT, processors=1)
    bench.submit(1, "computes")
    assert bench.pool.free() == 0
    bench.until(lambda: bench.messages)
    for _ in range(5):
        assert bench.pool.free() == 0
        bench.loop.turn()
    bench.pool.cancel(1)
    bench.until(lambda: 1 in bench.results)
    bench.submit(2, "deaf")
    bench.until(lambda: bench.pool.free() == 1)


def test_it_is_told_of_workers_that_may_have_left_something_and_of_no_others(bench: Bench) -> None:
    bench.submit(1, "ok")
    bench.until(lambda: 1 in bench.results)
    assert bench.unclean == []
    bench.submit(2, "killed")
    killed = bench.pool.busy_pids()
    bench.until(lambda: 2 in bench.lost)
    bench.submit(3, "polite")
    killed += bench.pool.busy_pids()
    bench.until(lambda: any(worker.state.value == "busy" for worker in bench.pool.workers.values()))
    bench.pool.cancel(3)
    bench.until(lambda: 3 in bench.results)
    assert bench.unclean == killed


def test_an_unclean_worker_is_replaced(bench: Bench) -> None:
    bench.submit(1, "unclean")
    bench.until(lambda: 1 in bench.results)
    assert not bench.pool.workers


def test_no_descriptor_is_left_behind(bench: Bench) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    bench.submit(1, "ok")
    bench.until(lambda: 1 in bench.results)
    before = descriptors()
    for number in range(2, 12):
        bench.submit(number, "unclean" if number % 2 else "exits")
        bench.until(lambda number=number: number in bench.results or number in bench.lost)
    assert descriptors() <= before + 2
