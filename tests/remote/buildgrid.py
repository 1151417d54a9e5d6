"""Starts BuildGrid with a database of its own, and bots that run actions in our sandbox; knows nothing of any test.

GRILSE_BUILDGRID names the `bgd` program of an environment with `buildgrid` (0.4.4) and `psycopg2-binary`; without it
the one is used that `python -m tests.remote.get_buildgrid` makes.  PostgreSQL's server programs are looked for in PATH
and where distributions put them.
"""

from __future__ import annotations

import os
import pwd
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.remote.get_buildgrid import installed
from tests.remote.servers import STOP_SECONDS, Server, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
# A bot that does not call for so long is lost, and what it ran goes to another one (BuildGrid's own default is 600);
# BuildGrid looks for lost bots so often (default: 10).
BOT_SECONDS = 5
REAP_SECONDS = 1.0

CONFIGURATION = """\
description: A server for tests
server:
- !channel
  address: 127.0.0.1:{port}
  insecure-mode: true
grpc-server-options:
  grpc.so_reuseport: 0
authorization:
  method: none
connections:
- !sql-connection &sql
  connection-string: {database}
storages:
- !disk-storage &storage
  path: {directory}/cas
caches:
- !lru-action-cache &actions
  storage: *storage
  max-cached-refs: 256
  allow-updates: true
  cache-failed-actions: false
schedulers:
- !sql-scheduler &scheduler
  sql: *sql
  storage: *storage
  action-cache: *actions
  property-set:
    !dynamic-property-set
    unique-property-keys: [OSFamily]
    match-property-keys: [OSFamily, ISA]
    wildcard-property-keys: [unixUID, unixGID, network]
  bot-session-keepalive-timeout: {bot_seconds}
  session-expiry-timer-interval: {reap_seconds}
  assigners:
  - !priority-age-assigner
    count: 1
    interval: 0.1
    priority-assignment-percentage: 100
instances:
- name: ''
  services:
  - !action-cache
    cache: *actions
  - !execution
    scheduler: *scheduler
    operation-stream-keepalive-timeout: 30
  - !bots
    scheduler: *scheduler
  - !cas
    storage: *storage
  - !bytestream
    storage: *storage
thread-pool-size: 50
"""

# BuildGrid's own migrations, for a database that is new.
MIGRATE = """\
import os, sys
import buildgrid.server.sql as sql
from alembic import command
from alembic.config import Config
config = Config()
config.set_main_option("script_location", os.path.join(os.path.dirname(sql.__file__), "alembic"))
config.set_main_option("sqlalchemy.url", sys.argv[1])
command.upgrade(config, "head")
"""


def find_buildgrid() -> str | None:
    """Path of `bgd`, or None."""
    named = os.environ.get("GRILSE_BUILDGRID") or str(installed() or "")
    return named if named and os.access(named, os.X_OK) else None


def find_postgres() -> Path | None:
    """The directory of PostgreSQL's server programs, or None."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


def _unprivileged() -> str | None:
    """A user to run PostgreSQL as, which refuses to be root; None for ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


@contextmanager
def database(programs: Path, directory: Path) -> Iterator[str]:
    """A running PostgreSQL that only listens on a socket in `directory`; gives its URL."""
    user = _unprivileged()
    directory.mkdir(parents=True)
    if user is not None:
        shutil.chown(directory, user)
        for parent in [directory, *directory.parents]:
            if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 1:
                parent.chmod(parent.stat().st_mode | 0o011)
    data = directory / "data"
    with (directory.with_suffix(".log")).open("wb") as log:
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "bgd", "-N", "--no-locale", "-E", "UTF8"],
            stdout=log,
            stderr=log,
            check=True,
            user=user,
            cwd="/",
        )
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", directory, "-h", "", "-F"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            cwd="/",
            start_new_session=True,
        )
        try:
            ready = [programs / "pg_isready", "-q", "-h", directory, "-U", "bgd", "-t", "10"]
            for _ in range(100):
                if subprocess.run(ready, check=False).returncode == 0:
                    break
                threading.Event().wait(0.1)
            yield f"postgresql+psycopg2://bgd@/postgres?host={directory}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(STOP_SECONDS)


@contextmanager
def buildgrid(bgd: str, postgres: Path, directory: Path) -> Iterator[Server]:
    """A running BuildGrid: content, action cache, execution and bots in one."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = stack.enter_context(database(postgres, directory / "database"))
        log = directory / "buildgrid.log"
        with log.open("ab") as output:
            python = str(Path(bgd).with_name("python"))
            subprocess.run([python, "-c", MIGRATE, url], stdout=output, stderr=output, check=True)
        port = free_port()
        configuration = directory / "buildgrid.yml"
        configuration.write_text(
            CONFIGURATION.format(
                port=port, database=url, directory=directory, bot_seconds=BOT_SECONDS, reap_seconds=REAP_SECONDS
            )
        )
        yield stack.enter_context(Server([bgd, "server", "start", str(configuration), "-vv"], port, log))


class Bot:
    """A bot in a process of its own; it ends with us.

    Args:
        url: of the service.
        directory: for its store, sandboxes and log.
        hold: file without which it does not begin to run what it has taken.
    """

    def __init__(self, url: str, directory: Path, hold: Path | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "tests.remote.bot", url, "", str(directory), directory.name]
        if hold is not None:
            words += ["--hold", str(hold)]
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])
        self._log = (directory / "bot.log").open("wb")
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            cwd=directory,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.strip())
            self._lines.put(line.strip())

    def wait_for(self, word: str, seconds: float = 60.0) -> str:
        """Wait until the bot says a line that begins with `word`."""
        while True:
            line = self._lines.get(timeout=seconds)
            if line.startswith(word):
                return line

    def kill(self) -> None:
        """Kill the bot and what it runs, without a word to the service."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Bot:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
