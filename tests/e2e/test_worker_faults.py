"""Whatever becomes of a worker in the middle of a job, the session stays within its bounds, tells, and ends.

Further misdeeds of plugins are in ``test_bad_plugins``.  FLOOD_MEGABYTES says how much is written where output floods;
``python -m tests.faults.flood`` does it with a gigabyte.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .bad_project import Bench, sleepers
from .projects import Program, alive, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + int(os.environ.get("FLOOD_MEGABYTES", "0")))]

FLOOD_MEGABYTES = os.environ.setdefault("FLOOD_MEGABYTES", "48")
# Bytes that frontend and backend may have more while output floods than without: queues, and what is being written.
GROWTH_LIMIT = 100 << 20


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "p")
    yield made
    made.close()


def largest(program: Program) -> dict[str, int]:
    """Wait for a session's end; the largest resident size that its frontend and its backend have had, bytes."""
    members = {"frontend": psutil.Process(program.process.pid), "backend": program.backend()}
    found = dict.fromkeys(members, 0)
    while program.process.poll() is None:
        for name, process in members.items():
            try:
                found[name] = max(found[name], process.memory_info().rss)
            except psutil.NoSuchProcess:
                pass
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("do", ["flood", "say-much"])
def test_a_flood_of_output_takes_no_memory_and_ends(bench: Bench, do: str) -> None:
    quiet = bench.start("build", bench.element("quiet"), quiet=True)
    usual = largest(quiet)
    name = bench.element(do, at="assemble", do=do)
    program = bench.start("build", name, quiet=True)
    sizes = largest(program)
    assert program.finish()[0] == 0
    for role, size in sizes.items():
        print(f"{do}, {FLOOD_MEGABYTES} MB: the {role} grew to {size >> 20} MB, without a flood {usual[role] >> 20} MB")
        assert size - usual[role] < GROWTH_LIMIT, (role, size, usual)
    assert bench.succeeded() == {name}
    # All of it is in the log, which is in the artifact.
    (log,) = (one for one in (program.cachedir / "logs").rglob("*-build.*.log") if one.stat().st_size > 10_000)
    assert log.stat().st_size >= int(FLOOD_MEGABYTES) << 20


def test_a_flood_can_be_stopped(bench: Bench) -> None:
    program = bench.start("build", bench.element("e", at="assemble", do="flood", hangs=str(bench.root / "begun")))
    until((bench.root / "begun").exists)
    family = program.family()
    program.process.send_signal(signal.SIGTERM)
    program.finish(timeout=20)
    until(lambda: not alive(family), timeout=5.0)


@pytest.mark.parametrize("do", ["backtrack", "ignore-terminations", "stop"])
def test_a_job_that_does_not_listen_is_killed_with_all_it_started(bench: Bench, do: str) -> None:
    before = {one.pid for one in sleepers()}
    mark = bench.root / "hangs"
    program = bench.start("build", bench.element(do, at="assemble", do=do, hangs=str(mark)))
    until(mark.exists)
    if do == "ignore-terminations":
        until(lambda: {one.pid for one in sleepers()} - before)
    family = program.family()
    started = time.monotonic()
    program.process.send_signal(signal.SIGINT)
    status, _, err = program.finish(timeout=20)
    assert status == 255, err
    # The grace of a job is two seconds.
    assert time.monotonic() - started < 6.0
    until(lambda: not alive(family), timeout=5.0)
    assert {one.pid for one in sleepers()} <= before


@pytest.mark.parametrize("at", ["configure_sandbox", "stage", "assemble"])
def test_a_worker_killed_at_any_stage_of_a_build_is_named_and_leaves_nothing(bench: Bench, at: str) -> None:
    names = [bench.element(f"{at}-{do}", at=at, do=do) for do in ("kill", "garbage")]
    good = bench.element("good")
    status, _, _ = bench.run("build", *names, good)
    assert status == 255
    failures = bench.failures()
    assert "signal 9 (SIGKILL)" in failures[names[0]]["message"]
    assert "it sent what is no message" in failures[names[1]]["message"]
    assert bench.succeeded() == {good}
    assert_nothing_left(bench)


@pytest.mark.parametrize("at", ["fetch", "stage", "track"])
def test_a_worker_killed_at_any_stage_of_a_source_is_named_and_leaves_nothing(bench: Bench, at: str) -> None:
    names = [bench.source(f"{at}-{do}", at=at, do=do) for do in ("kill", "garbage")]
    status, _, _ = bench.run(*(("source", "track") if at == "track" else ("build",)), *names)
    assert status == 255
    failures = bench.failures()
    assert "signal 9 (SIGKILL)" in failures[names[0]]["message"]
    assert "it sent what is no message" in failures[names[1]]["message"]
    assert_nothing_left(bench)


def test_half_a_message_holds_nobody_up(bench: Bench) -> None:
    name = bench.element("half", at="assemble", do="half-message")
    good = [bench.element(f"good{index}") for index in range(3)]
    program = bench.start("build", name, *good)
    until(lambda: bench.succeeded() == set(good), timeout=60.0)
    program.process.send_signal(signal.SIGTERM)
    status, _, err = program.finish(timeout=20)
    assert status == 255, err
    assert_nothing_left(bench)


def test_a_job_without_memory_says_so_and_the_next_one_has_it(bench: Bench) -> None:
    name = bench.element("greedy", at="assemble", do="take-all-memory")
    good = bench.element("good")
    settings = bench.root / "one.conf"
    settings.write_text("scheduler:\n  builders: 1\n")
    assert bench.run("--config", str(settings), "build", name, good)[0] == 255
    failure = bench.failures().pop(name)
    assert "MemoryError" in failure["message"] and "the plugin 'wicked'" in failure["message"]
    assert bench.succeeded() == {good}


def test_a_job_without_descriptors_says_so_and_the_next_one_has_them(bench: Bench) -> None:
    name = bench.element("greedy", at="assemble", do="few-descriptors")
    good = bench.element("good")
    settings = bench.root / "one.conf"
    settings.write_text("scheduler:\n  builders: 1\n")
    assert bench.run("--config", str(settings), "build", name, good)[0] == 255
    assert "Too many open files" in bench.failures().pop(name)["message"]
    assert bench.succeeded() == {good}


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ("-n 5", "open files"),
        ("-n 8", "open files"),
        ("-n 12", "open files"),
        ("-n 16", "open files"),
        ("-v 60000", "memory"),
    ],
)
def test_a_session_that_may_have_hardly_anything_ends_with_words(bench: Bench, limit: str, word: str) -> None:
    program = bench.start(
        "build",
        bench.element("e"),
        before=("sh", "-c", f'ulimit {limit}; exec "$@"', "sh"),
    )
    status, out, err = program.finish(timeout=60)
    assert status not in (0, None) and status > 0, err
    assert out == ""
    assert word in err
    assert "Traceback" not in err and "bug of grilse" not in err, err
    assert bench.run("build", "e.bst")[0] == 0


def assert_nothing_left(bench: Bench) -> None:
    cachedir = bench.last.cachedir
    for place in ("build", "cas/tmp", "grilse/sandbox", "grilse/sessions"):
        directory = cachedir / place
        assert not directory.exists() or list(directory.iterdir()) == [], place
