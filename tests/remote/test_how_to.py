"""The commands of the pages on remotes do what the pages say, with real services."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.test_tutorial import DONE, commands, prints
from tests.oracle.tools import REPOSITORY
from tests.remote.buildgrid import Bot, database, find_buildgrid, find_postgres
from tests.remote.projects import copy_base
from tests.remote.servers import free_port

pytestmark = [pytest.mark.remote, pytest.mark.slow, pytest.mark.timeout(300)]

PAGE_SECONDS = 200
# Ports that the pages use.
PORTS = ("50051", "50052")
# Goes on once somebody listens, as a reader would.
LISTENING = """\
until "{python}" -c "import socket; socket.create_connection(('127.0.0.1', {port}), 1)" 2> /dev/null
do kill -0 $! || exit 1; sleep 0.1
done
services="$services $!"
"""


class Reader:
    """Somebody who follows a page, in a home of their own with the examples in the working directory.

    Args:
        page: name of the page.
        place: an empty directory.
        programs: what is installed besides grilse, by name.
        more: further variables of the environment.
    """

    def __init__(self, page: str, place: Path, programs: dict[str, Path], more: dict[str, str]) -> None:
        self.ports = {port: str(free_port()) for port in PORTS}
        text = (REPOSITORY / "docs" / "how-to" / page).read_text(encoding="utf-8")
        for port, free in self.ports.items():
            text = text.replace(f":{port}", f":{free}")
        self.steps = commands(text)
        self._place = place
        bin = place / "bin"
        bin.mkdir()
        scripts = {"grilse": f'exec "{sys.executable}" -m grilse --no-interactive "$@"'}
        scripts |= {name: f'exec "{program}" "$@"' for name, program in programs.items()}
        for name, script in scripts.items():
            (bin / name).write_text(f"#!/bin/sh\n{script}\n")
            (bin / name).chmod(0o755)
        home = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        path = f"{bin}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**home, "PATH": path, "HOME": str(place), "PYTHONPATH": str(REPOSITORY / "src"), **more}
        shutil.copytree(REPOSITORY / "examples", place / "examples", ignore=shutil.ignore_patterns("base"))

    def follow(self) -> None:
        """Run all commands, and compare what they print with the page."""
        lines = []
        for command, _ in self.steps:
            lines.append(command)
            if command.endswith("&"):
                port = next(free for free in reversed(self.ports.values()) if free in self._served(command))
                lines.append(LISTENING.format(python=sys.executable, port=port))
            lines.append(f"echo '{DONE}'")
        with self._process("\n".join(lines)) as process:
            output, _ = process.communicate(timeout=PAGE_SECONDS)
        outputs = output.split(DONE + "\n")
        assert process.returncode == 0, f"after {self.steps[len(outputs) - 1][0]}: {outputs[-1]}"
        for (command, expected), said in zip(self.steps, outputs, strict=False):
            assert prints(said, expected), f"{command} printed:\n{said}\nand not:\n" + "\n".join(expected)

    def _served(self, command: str) -> str:
        """The command, or the file that it names which an earlier step has written."""
        files = [word for word in re.findall(r"[\w.]+", command) if word.endswith((".conf", ".yml"))]
        written = [step for step, _ in self.steps if any(f"> {name} <<" in step for name in files)]
        listens = re.findall(r"(?:listen|address:) +([\d.:]+)", "".join(written))
        return " ".join(listens) if listens else command

    @contextmanager
    def _process(self, script: str) -> Iterator[subprocess.Popen[str]]:
        # The services that it leaves behind have its output open: they end with the shell.
        process = subprocess.Popen(
            ["sh", "-e", "-c", f"trap 'kill $services' EXIT\n{script}"],
            cwd=self._place,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.communicate()


def find_nginx() -> Path | None:
    """nginx: GRILSE_NGINX, or where distributions put it."""
    found = os.environ.get("GRILSE_NGINX") or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    return Path(found) if found else None


def test_setting_up_a_cache_server(casd_program: str, tmp_path: Path) -> None:
    nginx = find_nginx()
    if nginx is None:
        pytest.skip("nginx is not installed (GRILSE_NGINX names it)")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    reader = Reader("set-up-a-cache-server.md", tmp_path, {"buildbox-casd": Path(casd_program), "nginx": nginx}, {})
    assert len(reader.steps) > 15
    reader.follow()


@pytest.mark.sandbox
def test_setting_up_remote_execution(base_system: Path, tmp_path: Path) -> None:
    bgd, postgres = find_buildgrid(), find_postgres()
    if bgd is None:
        pytest.skip("BuildGrid is not installed (python -m tests.remote.get_buildgrid does it)")
    if postgres is None:
        pytest.skip("PostgreSQL is not installed, which BuildGrid needs")
    place = tmp_path / "reader"
    place.mkdir()
    with database(postgres, tmp_path / "database") as url:
        reader = Reader("set-up-remote-execution.md", place, {"bgd": Path(bgd)}, {"DATABASE": url})
        assert len(reader.steps) > 6
        copy_base(base_system, place / "examples" / "compile" / "base")
        with Bot(f"http://127.0.0.1:{reader.ports['50051']}", tmp_path / "bot") as bot:
            reader.follow()
            assert bot.said.count("running") == 2
