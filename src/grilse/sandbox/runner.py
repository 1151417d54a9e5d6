"""Runs the commands of one job: sessions whose output goes to the job's log.

The plugin-visible `Sandbox` talks to this; it knows nothing of plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from grilse.protocol.errors import SandboxError
from grilse.sandbox.session import Session
from grilse.sandbox.spec import Command, Launch
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import Digest


class LoggedSession:
    """A session whose commands write to one log.

    Args:
        session: the session.
        stdout: descriptor of the log; the kernel writes to it, no text passes through this process.
        stderr: descriptor for the error output.
        started: called with the process id of each sandbox.
    """

    __slots__ = ("_started", "_stderr", "_stdout", "session")

    def __init__(self, session: Session, stdout: int, stderr: int, started: Callable[[int], None] | None) -> None:
        self.session = session
        self._stdout = stdout
        self._stderr = stderr
        self._started = started

    def stage(self, root: Digest) -> None:
        """Make the root show a tree."""
        self.session.stage(root)

    def run(self, command: Command) -> int:
        """Run a command; returns its exit status.

        Raises:
            SandboxError: see `Session.run`.
        """
        return self.session.run(command, stdout=self._stdout, stderr=self._stderr, started=self._started)

    def launch(self, command: Command) -> AbstractContextManager[Launch]:
        """How another process runs a command, while the block lasts; see `Session.launch`."""
        return self.session.launch(command)

    def capture(self, path: str, *, mtimes: bool = False, last: bool = False) -> Digest | None:
        """Put a directory of the root into the store; None if there is none.

        Raises:
            CasError: something cannot be put into the store.
        """
        try:
            return self.session.capture(path, mtimes=mtimes, last=last)
        except SandboxError as error:
            if error.reason == "missing-output":
                return None
            raise

    def close(self) -> None:
        """Remove the root."""
        self.session.close()


class Runner:
    """Makes sessions for one job.

    Args:
        workshop: where sandboxes are made.
        stdout: descriptor of the job's log.
        stderr: descriptor for the error output, None for the same.
        started: called with the process id of each sandbox, for instance to kill it when the job is cancelled.
    """

    __slots__ = ("_started", "_stderr", "_stdout", "_workshop")

    def __init__(
        self,
        workshop: Workshop,
        stdout: int,
        stderr: int | None = None,
        started: Callable[[int], None] | None = None,
    ) -> None:
        self._workshop = workshop
        self._stdout = stdout
        self._stderr = stdout if stderr is None else stderr
        self._started = started

    def open(self, layers: Sequence[Digest]) -> LoggedSession:
        """A new session; `layers` are artifacts whose overlay comes close to what will be staged, bottom first.

        Raises:
            CasError: a layer is not in the store, or there is no space left.
        """
        return LoggedSession(self._workshop.session(layers), self._stdout, self._stderr, self._started)
