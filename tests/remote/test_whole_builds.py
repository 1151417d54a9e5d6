"""`examples/compile` built wholly by BuildGrid, from a machine whose own sandbox is switched off.

Whatever happens to bots and server meanwhile, the artifacts are those of a local build, or the failure is reported.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.tools import REPOSITORY
from tests.remote.buildgrid import Bot
from tests.remote.projects import copy_base
from tests.remote.servers import Server

pytestmark = [pytest.mark.remote, pytest.mark.sandbox, pytest.mark.slow, pytest.mark.timeout(300)]

SESSION_SECONDS = 200
STOP_SECONDS = 30
COMPILED = ("greeting.bst", "hello.bst")
DIGESTS = "%{name} %{full-key} %{artifact-cas-digest}"


class Machine:
    """Sessions with caches of their own.

    Args:
        home: for all that is theirs.
        project: the project.
        grid: where commands run, or None for here.
        path: value of PATH.
    """

    def __init__(self, home: Path, project: Path, grid: Server | None, path: str = os.environ["PATH"]) -> None:
        home.mkdir()
        self._home, self._project, self._path = home, project, path
        execution = ""
        if grid is not None:
            # Short pauses, so that tests of lost services do not take minutes.
            service = f"{{url: '{grid.url}', connection-config: {{request-timeout: 20}}}}"
            execution = f"remote-execution:\n  execution-service: {service}\n  storage-service: {service}\n"
        (home / "user.conf").write_text(f"cachedir: {home}/cache\nlogdir: {home}/logs\n{execution}")
        self._output = home / "output"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a session; what it says goes to a file."""
        with self._output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "grilse", "--no-interactive", "--config", str(self._home / "user.conf"), *words],
                cwd=self._project,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "PATH": self._path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """What the last session has said so far."""
        return self._output.read_text(errors="replace")

    def run(self, *words: str, status: int = 0) -> str:
        """Run a session to its end; what it said."""
        return self.end(self.start(*words), status)

    def end(self, session: subprocess.Popen[bytes], status: int = 0) -> str:
        """Wait for the end of a session; what it said."""
        try:
            found = session.wait(SESSION_SECONDS)
        finally:
            if session.poll() is None:
                os.killpg(session.pid, signal.SIGKILL)
                session.wait()
        assert found == status, self.said()[-6000:]
        return self.said()

    def artifacts(self) -> dict[str, list[str]]:
        """Key and digest of the artifact of each element that was built."""
        lines = self.run("show", "--deps", "all", "--format", DIGESTS, "hello.bst").splitlines()
        found = {words[0]: words[1:] for words in map(str.split, lines) if len(words) == 3 and ".bst" in words[0]}
        assert sorted(found) == ["base.bst", *COMPILED], lines
        return found

    def digests(self) -> dict[str, str]:
        """Likewise without the keys."""
        return {name: digest for name, (_, digest) in self.artifacts().items()}


@pytest.fixture(scope="module")
def compile_project(base_system: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with its base system."""
    place = tmp_path_factory.mktemp("compile") / "compile"
    shutil.copytree(REPOSITORY / "examples" / "compile", place, ignore=shutil.ignore_patterns("base"))
    copy_base(base_system, place / "base")
    return place


@pytest.fixture(scope="module")
def local(compile_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a local build of the example makes."""
    machine = Machine(tmp_path_factory.mktemp("local") / "home", compile_project, None)
    machine.run("build", "hello.bst")
    return machine.artifacts()


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A PATH without bubblewrap, and without anything else."""
    place = tmp_path / "no-programs"
    place.mkdir()
    return str(place)


@pytest.fixture
def salted(compile_project: Path, tmp_path: Path) -> Path:
    """The example with an environment that makes its actions new to the service, and nothing else."""
    place = tmp_path / "project"
    shutil.copytree(compile_project, place, symlinks=True, ignore=shutil.ignore_patterns("base"))
    copy_base(compile_project / "base", place / "base")
    conf = place / "project.conf"
    text = conf.read_text()
    assert "environment:\n" in text
    conf.write_text(text.replace("environment:\n", f"environment:\n  SALT: '{os.urandom(8).hex()}'\n"))
    return place


@pytest.fixture
def bots(tmp_path: Path, grid: Server) -> Iterator[tuple[Bot, Bot]]:
    with Bot(grid.url, tmp_path / "one") as one, Bot(grid.url, tmp_path / "two") as two:
        yield one, two


def commands_run(*bots: Bot) -> int:
    return sum(line == "running" for bot in bots for line in bot.said)


def test_a_machine_without_a_sandbox_has_everything_built_elsewhere(
    compile_project: Path,
    grid: Server,
    tmp_path: Path,
    nowhere: str,
    local: dict[str, list[str]],
    bots: tuple[Bot, Bot],
) -> None:
    # The sandbox of this machine is switched off: it cannot build this by itself.
    said = Machine(tmp_path / "alone", compile_project, None, nowhere).run("build", "hello.bst", status=255)
    assert "bubblewrap is not installed" in said
    machine = Machine(tmp_path / "home", compile_project, grid, nowhere)
    machine.run("build", "hello.bst")
    assert machine.artifacts() == local
    assert commands_run(*bots) == len(COMPILED)
    # What they made runs.
    machine.run("artifact", "checkout", "--deps", "none", "--directory", str(tmp_path / "out"), "hello.bst")
    assert subprocess.run([tmp_path / "out" / "usr" / "bin" / "hello"], check=False).returncode == 0


def test_a_bot_that_is_killed_in_the_middle_of_an_action_costs_time_only(
    salted: Path, grid: Server, tmp_path: Path, nowhere: str, local: dict[str, list[str]]
) -> None:
    machine = Machine(tmp_path / "home", salted, grid, nowhere)
    with Bot(grid.url, tmp_path / "first") as first:
        session = machine.start("build", "hello.bst")
        first.wait_for("started")
        with Bot(grid.url, tmp_path / "second") as second:
            first.kill()
            machine.end(session)
            assert commands_run(second) == len(COMPILED)
    assert not [line for line in first.said if line.startswith("done")]
    assert machine.digests() == {name: digest for name, (_, digest) in local.items()}


def slow(project: Path) -> None:
    """An element that runs a command without an end."""
    (project / "elements" / "slow.bst").write_text(
        "kind: manual\nbuild-depends: [base.bst]\nconfig:\n  build-commands:\n  - echo begun; sleep 1000\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "termination"])
def test_an_interrupted_session_cancels_what_runs_elsewhere(
    salted: Path, grid: Server, tmp_path: Path, nowhere: str, number: signal.Signals
) -> None:
    slow(salted)
    machine = Machine(tmp_path / "home", salted, grid, nowhere)
    with Bot(grid.url, tmp_path / "bot") as bot:
        session = machine.start("build", "slow.bst")
        pid = int(bot.wait_for("started").split()[1])
        session.send_signal(number)
        assert session.wait(STOP_SECONDS) != 0
        # The service tells the bot, and the command ends long before it would by itself.
        bot.wait_for("cancelled", STOP_SECONDS)
        for _ in range(STOP_SECONDS * 10):
            if not Path(f"/proc/{pid}").exists():
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail("the command still runs")
        # The bot has only one hand, which is free again.
        machine.run("build", "greeting.bst")


@pytest.mark.parametrize("again", [True, False], ids=["and started again", "for good"])
def test_a_server_that_is_lost(
    salted: Path, grid: Server, tmp_path: Path, nowhere: str, local: dict[str, list[str]], again: bool
) -> None:
    machine = Machine(tmp_path / "home", salted, grid, nowhere)
    go = tmp_path / "go"
    with Bot(grid.url, tmp_path / "bot", hold=go) as bot:
        session = machine.start("build", "hello.bst")
        bot.wait_for("taken")
        grid.stop(signal.SIGKILL)
        try:
            if again:
                grid.start()
                go.touch()
                said = machine.end(session)
            else:
                said = machine.end(session, status=255)
        finally:
            if not again:
                grid.start()
    assert "The connection to the execution service broke" in said
    if again:
        assert machine.digests() == {name: digest for name, (_, digest) in local.items()}
    else:
        assert "Remote execution failed: Execute failed with status UNAVAILABLE" in said
        # Nothing that is half-built is taken for an artifact.
        machine.run("cache", "check")
