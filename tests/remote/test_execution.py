"""Commands run on BuildGrid with bots of ours as they run here."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grilse.protocol.errors import SandboxError
from grilse.remote.config import ExecutionConfig, RemoteConfig
from grilse.remote.connection import Connections
from grilse.remote.sandbox import RemoteRunner, open_services
from grilse.sandbox.runner import Runner
from grilse.sandbox.spec import Command
from grilse.sandbox.workshop import Workshop
from grilse.storage.closure import missing_blobs
from grilse.storage.digest import Digest
from grilse.storage.directory import CasDirectory
from grilse.storage.store import Store
from tests.remote.buildgrid import Bot
from tests.remote.servers import Server
from tests.unit.sandbox.conftest import put, tools

__all__ = ["tools"]

pytestmark = [pytest.mark.remote, pytest.mark.sandbox, pytest.mark.timeout(180)]

CONFIG = {"build-os": "linux", "build-arch": os.uname().machine.replace("_", "-")}
ENVIRONMENT = {"PATH": "/usr/bin", "LC_ALL": "C"}


class Machine:
    """A machine that has its commands run remotely, with a store and a log of its own."""

    def __init__(self, directory: Path, grid: Server, tools: dict[str, object], config: dict[str, str]) -> None:
        self.store = Store(str(directory / "cache"))
        self.root = put(self.store, tools)  # type: ignore[arg-type]
        self.said: list[tuple[str, str]] = []
        self._log = (directory / "log").open("w+b")
        self.connections = Connections()
        service = RemoteConfig(url=grid.url, type="endpoint")
        services = open_services(
            self.connections, ExecutionConfig(execution=service, storage=service, action_cache=service), None
        )
        self.runner = RemoteRunner(services, self.store, config, self._log.fileno(), say=self.say, timed=self.timed)

    def say(self, kind: str, text: str, *, detail: str | None = None) -> None:
        self.said.append((kind, text))

    @contextmanager
    def timed(self, text: str, *, detail: str | None = None) -> Iterator[None]:
        self.said.append(("timed", text))
        yield

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def stage(self, command: Command) -> Digest:
        """The root as the plugin-visible sandbox prepares it."""
        root = CasDirectory(self.store, self.root)
        for path in ("dev", "proc", "tmp", command.cwd.lstrip("/"), *(p.lstrip("/") for p in command.writable or ())):
            directory = root.open_directory(path, create=True)
            if command.writable is not None:
                directory.set_read_only(False)
        if command.writable is not None:
            root.set_read_only(True)
        return root.digest()

    def run(self, command: Command) -> tuple[int, dict[str, Digest | None]]:
        session = self.runner.open([])
        session.stage(self.stage(command))
        status = session.run(command)
        return status, {path: session.capture(path) for path in command.writable or ("/",)}

    def close(self) -> None:
        self.connections.close()
        self._log.close()


@pytest.fixture
def machine(tmp_path: Path, grid: Server, tools: dict[str, object]) -> Iterator[Machine]:
    made = Machine(tmp_path, grid, tools, CONFIG)
    yield made
    made.close()


@pytest.fixture
def bot(tmp_path: Path, grid: Server) -> Iterator[Bot]:
    with Bot(grid.url, tmp_path / "bot") as made:
        yield made


def sh(script: str, **settings: object) -> Command:
    # The salt keeps what one test ran from being another's cached result.
    environment = {**ENVIRONMENT, "SALT": os.urandom(8).hex()}
    defaults = {"cwd": "/build", "environment": environment, "writable": ("/build", "/install")}
    return Command(argv=("sh", "-c", script), **{**defaults, **settings})  # type: ignore[arg-type]


def locally(machine: Machine, tmp_path: Path, command: Command) -> tuple[int, dict[str, Digest | None], str]:
    """What the local sandbox makes of the same command."""
    workshop = Workshop(machine.store, str(tmp_path / "work"))
    if workshop.means().bwrap is None:
        pytest.skip(f"no sandbox: {workshop.means().problem}")
    with (tmp_path / "local-log").open("w+b") as log:
        session = Runner(workshop, log.fileno()).open([machine.root])
        try:
            session.stage(machine.stage(command))
            status = session.run(command)
            outputs = {path: session.capture(path) for path in command.writable or ("/",)}
        finally:
            session.close()
        log.seek(0)
        return status, outputs, log.read().decode()


@pytest.mark.parametrize(
    "command",
    [
        sh("echo hello; mkdir -p sub/dir; echo 1 > sub/file; ln -s file sub/link; chmod +x sub/file"),
        sh("echo out; echo err >&2; touch /install/partial; exit 7"),
        sh("pwd; env | grep -v SALT; id -u; hostname > /dev/null; cat /etc/motd > /install/motd"),
        sh("echo all > /everywhere; rm /etc/motd", writable=None),
        sh("true", writable=("/install",), cwd="/"),
        sh("cat /proc/self/status > /dev/null; id -u; id -g", uid=1000, gid=1001),
    ],
    ids=["outputs", "failure", "environment", "whole root", "nothing", "other user"],
)
def test_a_command_gives_the_same_here_and_there(machine: Machine, bot: Bot, tmp_path: Path, command: Command) -> None:
    status, outputs = machine.run(command)
    said = machine.log()
    expected = locally(machine, tmp_path, command)
    assert (status, outputs, said) == expected


def test_content_comes_when_it_is_asked_for(machine: Machine, bot: Bot) -> None:
    _, outputs = machine.run(sh("echo needed > /install/a; echo also > /install/b"))
    tree = outputs["/install"]
    assert tree is not None
    assert len(list(missing_blobs(machine.store, (), [tree]))) == 2
    with CasDirectory(machine.store, tree).open_file("a") as file:
        assert file.read() == "needed\n"
    assert len(list(missing_blobs(machine.store, (), [tree]))) == 1
    machine.store.complete([tree])
    assert not list(missing_blobs(machine.store, (), [tree]))


def test_a_known_action_is_not_run_again(machine: Machine, bot: Bot) -> None:
    # (BuildGrid 0.4.4 takes results with an empty directory for incomplete.)
    command = sh("echo once; touch /build/a /install/b")
    first = machine.run(command)
    bot.wait_for("running")
    assert machine.run(command) == first
    assert ("info", "Action result found in action cache") in machine.said
    assert bot.said.count("running") == 1
    assert machine.log() == "once\n" * 2


def test_a_program_that_is_not_there_is_named_before_anything_is_sent(machine: Machine) -> None:
    with pytest.raises(SandboxError) as caught:
        machine.run(Command(argv=("gcc",), environment=ENVIRONMENT, writable=("/build",)))
    assert caught.value.reason == "missing-command"


def test_a_killed_bot_is_replaced(machine: Machine, grid: Server, tmp_path: Path) -> None:
    never = tmp_path / "never"
    with Bot(grid.url, tmp_path / "first", hold=never) as first:
        ended: list[tuple[int, dict[str, Digest | None]]] = []
        thread = threading.Thread(target=lambda: ended.append(machine.run(sh("echo done > /install/file"))))
        thread.start()
        first.wait_for("taken")
        with Bot(grid.url, tmp_path / "second") as second:
            first.kill()
            second.wait_for("running")
            thread.join(60)
    assert ended and ended[0][0] == 0
    tree = ended[0][1]["/install"]
    assert tree is not None
    with CasDirectory(machine.store, tree).open_file("file") as file:
        assert file.read() == "done\n"


def test_cancelling_ends_the_command_on_the_bot(machine: Machine, grid: Server, tmp_path: Path, bot: Bot) -> None:
    class Cancelled(BaseException):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Cancelled

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        main = threading.get_ident()

        def cancel() -> None:
            bot.wait_for("running")
            signal.pthread_kill(main, signal.SIGUSR1)

        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(Cancelled):
            machine.run(sh("sleep 1000"))
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    # The bot has only one hand, which is free again.
    assert machine.run(sh("true"))[0] == 0


def test_a_worker_that_does_not_exist_is_an_orderly_error(
    tmp_path: Path, grid: Server, tools: dict[str, object]
) -> None:
    machine = Machine(tmp_path, grid, tools, {**CONFIG, "remote-apis-socket": {"path": "/s"}})  # type: ignore[dict-item]
    try:
        with pytest.raises(SandboxError, match="remoteApisSocketPath") as caught:
            machine.run(sh("true"))
        assert caught.value.reason == "remote-inputs-missing"
    finally:
        machine.close()
