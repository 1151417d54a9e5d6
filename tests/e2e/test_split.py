"""The split itself: which processes there are, what they import, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from .conftest import SOURCE
from .projects import Program, alive, run, until, write_imports, write_waiting

pytestmark = pytest.mark.timeout(60)

Start = Callable[..., Program]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs, and ends those that a failed test leaves behind."""
    opened: list[Program] = []

    def make(root: Path, *words: str) -> Program:
        program = Program(root, *words)
        opened.append(program)
        return program

    yield make
    for program in opened:
        program.close()


def begun(root: Path, index: int = 0) -> bool:
    return (root / f"{index}.begun").exists()


def let_go(root: Path, index: int = 0) -> None:
    (root / f"{index}.go").touch()


def test_backend_and_workers_are_spawned_interpreters_in_sessions_of_their_own(tmp_path: Path, start: Start) -> None:
    root = write_waiting(tmp_path / "p")
    program = start(root, "build", "w0.bst")
    until(lambda: begun(root))
    backend = program.backend()
    workers = backend.children()
    assert workers
    assert "backend" in " ".join(backend.cmdline())
    assert backend.cmdline()[0] == sys.executable
    for worker in workers:
        assert "worker" in " ".join(worker.cmdline())
        assert worker.ppid() == backend.pid
    sessions = [os.getsid(process.pid) for process in program.family()]
    assert len(set(sessions)) == len(sessions)
    let_go(root)
    assert program.finish()[0] == 0


def test_when_the_frontend_is_killed_nothing_of_ours_goes_on(tmp_path: Path, start: Start) -> None:
    root = write_waiting(tmp_path / "p")
    program = start(root, "build", "w0.bst")
    until(lambda: begun(root))
    family = program.family()
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.communicate()
    until(lambda: not alive(family), timeout=5.0)
    let_go(root)
    assert run(root, "build", "w0.bst")[0] == 0


def test_when_the_backend_is_killed_the_frontend_says_so_and_no_worker_goes_on(tmp_path: Path, start: Start) -> None:
    root = write_waiting(tmp_path / "p")
    program = start(root, "build", "w0.bst")
    until(lambda: begun(root))
    family = program.family()
    os.kill(program.backend().pid, signal.SIGKILL)
    status, _, err = program.finish(timeout=5.0)
    assert status not in (0, None)
    assert "SIGKILL" in err
    until(lambda: not alive(family), timeout=5.0)


def test_when_a_worker_is_killed_its_job_is_tried_once_more(tmp_path: Path, start: Start) -> None:
    root = write_waiting(tmp_path / "p")
    program = start(root, "build", "w0.bst")
    until(lambda: begun(root))
    busy = until(lambda: _busy(program, root))
    (root / "0.begun").unlink()
    busy.kill()
    until(lambda: begun(root))
    let_go(root)
    status, _, err = program.finish()
    assert status == 0, err
    ends = [event for event in program.events() if event["event"] == "job-finished"]
    assert [end["status"] for end in ends] == ["lost", "ok"]
    assert ends[0]["will_retry"]


def _busy(program: Program, root: Path) -> psutil.Process | None:
    """The worker that has the job's log open."""
    for worker in program.backend().children():
        if any(file.path.endswith(".log") for file in worker.open_files()):
            return worker
    return None


def test_a_stopped_frontend_does_not_stop_the_build(tmp_path: Path, start: Start) -> None:
    root = write_imports(tmp_path / "p", 30)
    program = start(root, "build", "all.bst")
    backend = program.backend()
    until(program.events)
    os.kill(program.process.pid, signal.SIGSTOP)
    until(lambda: any(event["event"] == "result" for event in program.events()), timeout=30.0)
    assert [event["status"] for event in program.events() if event["event"] == "result"] == [0]
    os.kill(program.process.pid, signal.SIGCONT)
    assert program.finish()[0] == 0
    assert not alive([backend])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_session_leaves_no_process_and_says_so_at_once(
    tmp_path: Path, number: signal.Signals, start: Start
) -> None:
    root = write_waiting(tmp_path / "p", 2)
    program = start(root, "build", "w0.bst", "w1.bst")
    until(lambda: begun(root, 0) and begun(root, 1))
    family = program.family()
    os.kill(program.process.pid, number)
    status, _, _ = program.finish(timeout=10.0)
    assert status != 0
    until(lambda: not alive(family), timeout=5.0)
    assert list((program.cachedir / "build").iterdir()) == []


def test_what_was_built_before_a_failure_stays_cached(tmp_path: Path) -> None:
    root = write_imports(tmp_path / "p", 2, chain=True)
    element = root / "elements" / "e1.bst"
    element.write_text(element.read_text().replace("path: files/1", "path: files/1\nconfig:\n  source: /nowhere"))
    status, _, err = run(root, "build", "e1.bst")
    assert status == 255
    assert "nowhere" in err
    status, out, _ = run(root, "show", "--format", "%{name} %{state}", "e1.bst")
    assert out.split()[:2] == ["e0.bst", "cached"]


def test_the_frontend_imports_nothing_that_belongs_behind_the_split(tmp_path: Path) -> None:
    root = write_imports(tmp_path / "p", 2)
    code = (
        "import sys\nfrom grilse.__main__ import main\n"
        "sys.argv = ['grilse', 'build', 'all.bst']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "rooms = ('project', 'plugin', 'plugins', 'storage', 'sandbox', 'remote', 'backend', 'worker')\n"
        "bad = [m for m in sys.modules if m.split('.')[:2] in [['grilse', r] for r in rooms]]\n"
        "bad += [m for m in sys.modules if m.split('.')[0] in ('yaml', 'ruamel', 'grpc', 'google')]\n"
        "assert not bad, bad\nprint('clean')\n"
    )
    home = tmp_path / "home"
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, timeout=50
    )
    assert "clean" in done.stdout, done.stdout + done.stderr


def test_a_session_ends_with_removing_old_ones_but_none_that_runs(tmp_path: Path, start: Start) -> None:
    root = write_waiting(tmp_path / "p", 2)
    first = start(root, "build", "w0.bst")
    until(lambda: begun(root))
    sessions = first.cachedir.parent / "grilse" / "sessions"
    (running,) = sessions.iterdir()
    gone = sessions / "20200101-000000-abcdef"
    gone.mkdir()
    for log in (gone / "events.jsonl", running / "events.jsonl"):
        log.touch()
        os.utime(log, (0, 0))
    assert run(root, "show", "w1.bst")[0] == 0
    until(lambda: not gone.exists())
    assert running.exists()
    let_go(root)
    assert first.finish()[0] == 0
