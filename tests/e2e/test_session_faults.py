"""Whichever of a session's processes goes, and at whatever stage: the others say so and end, and the next session
finds all in order.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .bad_project import Bench
from .projects import Program, alive, run, until, write_imports, write_waiting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# Where a session can be held while its project loads, and when a job runs.
STAGES = [
    ("configure", "hang"),
    ("configure", "hang-in-c"),
    ("configure_dependencies", "hang"),
    ("get_unique_key", "hang"),
    ("assemble", "hang"),
    ("assemble", "hang-in-c"),
]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "p")
    yield made
    made.close()


@pytest.fixture
def opened() -> Iterator[list[Program]]:
    """Programs that are ended when their test fails."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.close()


def held(bench: Bench, at: str, do: str) -> tuple[Program, list[psutil.Process]]:
    """A session that is held at a stage, and its processes."""
    mark = bench.root / "held"
    program = bench.start("build", bench.element("e", at=at, do=do, hangs=str(mark)))
    until(mark.exists)
    return program, program.family()


def assert_next_session_is_fine(bench: Bench) -> None:
    name = bench.element("fine")
    status, _, err = bench.run("build", name)
    assert status == 0, err
    for place in ("build", "cas/tmp", "grilse/sandbox", "grilse/sessions"):
        directory = bench.last.cachedir / place
        assert not directory.exists() or list(directory.iterdir()) == [], place


@pytest.mark.parametrize(("at", "do"), STAGES)
def test_a_frontend_killed_at_any_stage_takes_everything_with_it(bench: Bench, at: str, do: str) -> None:
    program, family = held(bench, at, do)
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.communicate()
    until(lambda: not alive(family), timeout=8.0)
    assert_next_session_is_fine(bench)


@pytest.mark.parametrize(("at", "do"), STAGES)
def test_a_backend_killed_at_any_stage_is_told_of_and_takes_everything_with_it(bench: Bench, at: str, do: str) -> None:
    program, family = held(bench, at, do)
    os.kill(program.backend().pid, signal.SIGKILL)
    status, _, err = program.finish(timeout=10.0)
    assert status == 255
    assert "The backend was killed by SIGKILL" in err
    if at != "assemble":
        assert "when it had called the plugin 'wicked' of e.bst [line 1 column 0]" in err
    until(lambda: not alive(family), timeout=8.0)
    assert_next_session_is_fine(bench)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
def test_workers_that_stand_still_do_not_outlive_their_killed_backend(bench: Bench) -> None:
    program, family = held(bench, "assemble", "hang")
    backend = program.backend()
    workers = backend.children(recursive=True)
    assert workers
    for worker in workers:
        worker.suspend()
    backend.kill()
    status, _, err = program.finish(timeout=10.0)
    assert status == 255
    assert "The backend was killed by SIGKILL" in err
    until(lambda: not alive(family), timeout=1.0)
    assert_next_session_is_fine(bench)


@pytest.mark.parametrize("event", ["pipeline", "summary", "result"])
def test_a_backend_killed_as_it_begins_or_ends_leaves_what_was_built(tmp_path: Path, event: str) -> None:
    root = write_imports(tmp_path / "p", 12)
    program = Program(root, "build", "all.bst")
    try:
        backend = program.backend()
        until(lambda: any(one["event"] == event for one in program.events()) or program.process.poll() is not None)
        told = any(one["event"] == "result" for one in program.events())
        try:
            backend.kill()
        except psutil.NoSuchProcess:
            pass
        status, _, err = program.finish(timeout=20.0)
        # Its last word counts, if it was said before.
        assert status == 255 or (status == 0 and (told or "SUCCESS Build" in err)), err
        assert status == 0 or "SIGKILL" in err
    finally:
        program.close()
    status, _, err = run(root, "build", "all.bst")
    assert status == 0, err
    status, out, _ = run(root, "show", "--deps", "all", "--format", "%{state}", "all.bst")
    assert set(out.split()) == {"cached"}


@pytest.mark.parametrize("at", ["configure", "assemble"])
def test_a_stopped_frontend_can_be_killed(bench: Bench, at: str) -> None:
    program, family = held(bench, at, "hang")
    os.kill(program.process.pid, signal.SIGSTOP)
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.communicate()
    until(lambda: not alive(family), timeout=8.0)
    assert_next_session_is_fine(bench)


@pytest.mark.parametrize("at", ["configure", "assemble"])
def test_a_terminal_that_is_hung_up_ends_the_session(bench: Bench, at: str) -> None:
    mark = bench.root / "held"
    master, slave = pty.openpty()
    program = bench.start(
        "build",
        bench.element("e", at=at, do="hang", hangs=str(mark)),
        # Makes the terminal that of the session, whose end the kernel then tells by SIGHUP.
        before=(sys.executable, "-c", OWN_TERMINAL),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    until(mark.exists)
    family = program.family()
    os.close(master)
    program.process.wait(20)
    until(lambda: not alive(family), timeout=8.0)
    assert_next_session_is_fine(bench)


# Whoever runs the tests may ignore hang-ups, and that is inherited.
OWN_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_that_nobody_reads_any_more_does_not_lose_what_is_built(
    tmp_path: Path, opened: list[Program], stream: str
) -> None:
    root = write_waiting(tmp_path / "p")
    reading, writing = os.pipe()
    program = Program(root, "build", "w0.bst", quiet=True, **{stream: writing})
    opened.append(program)
    os.close(writing)
    until((root / "0.begun").exists)
    family = program.family()
    os.close(reading)
    (root / "0.go").touch()
    program.process.wait(20)
    until(lambda: not alive(family), timeout=8.0)
    status, out, err = run(root, "show", "--deps", "none", "--format", "%{state}", "w0.bst")
    assert (status, out.strip()) == (0, "cached"), err


def test_results_that_nobody_reads_end_the_command(tmp_path: Path, opened: list[Program]) -> None:
    root = write_imports(tmp_path / "p", 12)
    reading, writing = os.pipe()
    os.close(reading)
    program = Program(root, "show", "all.bst", quiet=True, stdout=writing)
    opened.append(program)
    os.close(writing)
    assert program.process.wait(30) == 1


def test_a_session_that_cannot_write_its_cache_leaves_no_directory_behind(tmp_path: Path) -> None:
    root = write_imports(tmp_path / "p", 2)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the user's caches should be\n")
    home = tmp_path / "home"
    settings = tmp_path / "user.conf"
    settings.write_text(f"cachedir: {home}/bst\nlogdir: {home}/logs\nsourcedir: {home}/sources\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "XDG_CACHE_HOME": str(blocked),
        "XDG_CONFIG_HOME": str(home / "config"),
        "TMPDIR": str(temporary),
    }
    for words, status in ((("build", "all.bst"), 0), (("show", "nothing.bst"), 255)):
        done = subprocess.run(
            [sys.executable, "-m", "grilse", "--config", str(settings), *words],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert [one.name for one in temporary.iterdir() if one.name.startswith("grilse")] == []
