"""Starts a sandboxed command, waits for it and tells how it ended.

Knows processes and the reports of `enter` and bubblewrap; nothing of what is staged.
"""

from __future__ import annotations

import json
import os
import select
import signal
from types import TracebackType

from grilse.platform import Process
from grilse.protocol.errors import SandboxError
from grilse.sandbox.spec import Launch

# The child finds the pipe for the reports here.
STATUS_FD = 3

# The process has ended, or is being killed, when this is waited for; it can take long only where a disk does.
_REAP_SECONDS = 30.0

# Signals that the child gets in their default state. SIGPIPE is ignored, as under bst.
_DEFAULT_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    *(getattr(signal, name) for name in ("SIGHUP", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2")
      if hasattr(signal, name)),
)  # fmt: skip


class Running:
    """A sandboxed command that was started; everything in the sandbox is dead when a block ``with`` it has ended.

    Attributes:
        pid: the process whose death is the death of everything in the sandbox; it leads its own session.
    """

    __slots__ = ("_process", "_report", "pid")

    def __init__(self, process: Process, report: int) -> None:
        self._process = process
        self._report = report
        self.pid = process.pid

    def kill(self) -> None:
        """Kill everything in the sandbox at once; may be called from another thread, and more than once."""
        self._process.kill()

    def wait(self) -> int:
        """Wait for the end.

        Returns:
            Exit status of the command, 128 + N if signal N ended it.

        Raises:
            SandboxError: the sandbox could not be set up, or was killed.
        """
        poller = select.poll()
        poller.register(self._process.sentinel, select.POLLIN)
        # No limit: how long a command may take is for the caller to decide, who has kill().
        while self._process.poll() is None:
            poller.poll()
        status = self._process.wait(0.0)
        os.set_blocking(self._report, False)
        return _exit_status(_read(self._report), status)

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(_REAP_SECONDS)
        self._process.close()
        os.close(self._report)


def start(launch: Launch, *, stdin: int, stdout: int, stderr: int) -> Running:
    """Start a command in a session of its own.

    It dies with the calling *thread*, which must therefore live as long as the command may.

    Args:
        launch: what to execute; its report goes to descriptor `STATUS_FD`.
        stdin: descriptor for its standard input.
        stdout: descriptor for its standard output.
        stderr: descriptor for its standard error.

    Raises:
        SandboxError: it cannot be started.
    """
    reading, writing = os.pipe()
    numbers = [stdin, stdout, stderr, writing]
    high: list[int] = []
    try:
        # A target number may be one of those still to be duplicated: move all out of the way first.
        high += [_duplicate_above(number, STATUS_FD + 1) for number in numbers]
        pid = os.posix_spawn(
            launch.argv[0],
            launch.argv,
            launch.environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, number, target) for target, number in enumerate(high)],
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
    except OSError as error:
        os.close(reading)
        raise SandboxError(f"Could not start a sandbox: {error.strerror}", reason="sandbox-setup-failed") from error
    finally:
        os.close(writing)
        for number in high:
            os.close(number)
    return Running(Process(pid), reading)


def _duplicate_above(descriptor: int, lowest: int) -> int:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)


def _read(descriptor: int) -> list[dict[str, object]]:
    """The reports that wait in a pipe."""
    data = b""
    try:
        while block := os.read(descriptor, 65536):
            data += block
    except BlockingIOError:
        pass
    reports: list[dict[str, object]] = []
    for line in data.splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if isinstance(report, dict):
            reports.append(report)
    return reports


def _exit_status(reports: list[dict[str, object]], status: int | None) -> int:
    for report in reports:
        code = report.get("exit-code")
        if isinstance(code, int):
            return code
        if "error" in report:
            raise SandboxError(
                f"The sandbox could not be set up: could not {report['error']}",
                reason="sandbox-setup-failed",
                detail="Sandboxes need user namespaces that any user may make.",
            )
    if status is not None and status < 0:
        raise SandboxError(f"The sandbox was killed by signal {-status}", reason="sandbox-killed")
    # Bubblewrap reports no exit status when it did not get as far as running the command; it says why on stderr.
    raise SandboxError(
        "The sandbox could not be set up, or the command could not be started in it; the log says why",
        reason="sandbox-setup-failed",
    )
