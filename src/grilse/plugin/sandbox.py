"""`Sandbox`: where elements stage files and run commands.

Must not know how commands are run: a `SandboxRunner` does that.  What is staged is a tree in the store; a session of
the runner is opened when the first command runs, shows that tree to it, and what commands changed comes back into the
tree when it ends.  A batch is one command: a shell script.  Names and signatures are those of ``buildstream.sandbox``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from .exceptions import ImplError, SandboxCommandError, SandboxError

if TYPE_CHECKING:
    from ..sandbox.batch import Item
    from ..sandbox.spec import Command, HostMount, Launch
    from ..storage.digest import Digest
    from ..storage.directory import CasDirectory
    from .host import Host

__all__ = ["Sandbox", "SandboxCommandError", "SandboxRunner", "SandboxSession"]


class SandboxSession(Protocol):
    """A staged root on which commands run (`grilse.sandbox.session.Session`)."""

    def stage(self, root: Digest) -> None:
        """Make the root show a tree."""

    def run(self, command: Command) -> int:
        """Run a command, its output going to the job's log; returns the exit status.

        Raises:
            SandboxError: ``missing-command`` if the root does not have it.
        """

    def launch(self, command: Command) -> AbstractContextManager[Launch]:
        """How another process runs a command, while the block lasts."""

    def capture(self, path: str, *, mtimes: bool, last: bool) -> Digest | None:
        """Put a directory of the root into the store; None if there is none.

        With `last` new files are moved into the store, so that nothing can be run on the root any more.
        """

    def close(self) -> None:
        """Remove the root."""


class SandboxRunner(Protocol):
    """Makes sessions."""

    def open(self, layers: Sequence[Digest]) -> SandboxSession:
        """A new session; `layers` are artifacts whose overlay comes close to what will be staged, bottom first."""


@dataclass(slots=True)
class _Batch:
    """What will run as one command when the outermost block ends."""

    read_only: bool
    collect: str | None
    items: list[Item] = field(default_factory=list)


class Sandbox:
    """A sandbox of an element.

    Args:
        host: the process around it.
        runner: runs commands; None where none may be run.
        element: full name of the element, for messages.
        config: sandbox configuration: ``build-uid``, ``build-gid``, ...
        mtimes: whether modification times are kept of what commands write (workspaces).
    """

    def __init__(
        self,
        host: Host,
        runner: SandboxRunner | None,
        element: str,
        config: Mapping[str, Any],
        *,
        mtimes: bool = False,
    ) -> None:
        self._host = host
        self._runner = runner
        self._element = element
        self._config = config
        self._mtimes = mtimes
        self._root: CasDirectory | None = None
        self._layers: list[Digest] = []
        self._directories: list[str] = []
        self._cwd: str | None = None
        self._env: dict[str, str] | None = None
        self._batch: _Batch | None = None
        self._session: SandboxSession | None = None
        self._subsandboxes: list[Sandbox] = []

    # For plugins

    def get_virtual_directory(self) -> CasDirectory:
        """The root as a `Directory`."""
        if self._root is None:
            from ..storage.directory import CasDirectory

            self._root = CasDirectory(self._host.store)
        return self._root

    def set_environment(self, environment: dict[str, str]) -> None:
        """Set the environment that commands run with unless they have one of their own."""
        self._env = environment

    def set_work_directory(self, directory: str) -> None:
        """Set the absolute directory that commands run in unless they have one of their own."""
        _absolute(directory)
        self._cwd = directory

    def mark_directory(self, directory: str) -> None:
        """Make sure that an absolute directory exists, and may be written to even if the root is read-only."""
        _absolute(directory)
        self._directories.append(directory)

    def run(
        self,
        command: list[str],
        *,
        root_read_only: bool = False,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        label: str | None = None,
    ) -> int | None:
        """Run a command, or add it to the batch of the surrounding `batch` block.

        Args:
            command: program and arguments.
            root_read_only: whether only marked directories may be written to; the same for all of a batch.
            cwd: absolute directory to run it in, made if it does not exist.
            env: its environment.
            label: what to call it in messages.

        Returns:
            the exit status; None in a batch.

        Raises:
            SandboxCommandError: the program does not exist in the sandbox.
        """
        if self._runner is None:
            raise ImplError(f"{self._element}: the plugin says that it runs no commands (BST_RUN_COMMANDS), but does")
        directory = cwd or self._cwd or "/"
        _absolute(directory)
        directory = "/" + os.path.normpath(directory).lstrip("/")
        environment = dict((self._env if env is None else env) or {})
        environment["PWD"] = directory
        argv = [command] if isinstance(command, str) else list(command)
        if self._batch is None:
            return self._execute(argv, directory, environment, root_read_only)
        if root_read_only != self._batch.read_only:
            raise AssertionError("all commands of a batch must have the same root_read_only")
        from ..sandbox.batch import Step

        self._batch.items.append(Step(argv, directory, environment, label))
        return None

    @contextmanager
    def batch(
        self, *, root_read_only: bool = False, label: str | None = None, collect: str | None = None
    ) -> Generator[None, None, None]:
        """Collect the commands of a block and run them as one when it ends, until one fails; blocks may be nested.

        Args:
            root_read_only: as for `run`.
            label: what to call the commands of this block; for readers of the code only.
            collect: directory worth keeping in the failed artifact if a command fails.

        Raises:
            SandboxCommandError: a command failed.
        """
        if self._batch is not None:
            if root_read_only != self._batch.read_only:
                raise AssertionError("nested batches must have the same root_read_only")
            yield
            return
        self._batch = batch = _Batch(root_read_only, collect)
        try:
            yield
        finally:
            self._batch = None
        self._execute_batch(batch)

    # For the core

    def grilse_note_layer(self, digest: Digest) -> None:
        """An artifact was staged at the root as a whole."""
        self._layers.append(digest)

    def grilse_clean_directory(self, path: str) -> None:
        """Empty a directory, after the commands of the batch so far."""
        from ..sandbox.batch import EmptyDirectory

        if self._batch is not None:
            self._batch.items.append(EmptyDirectory(path))
            return
        root, relative = self.get_virtual_directory(), path.lstrip("/")
        if root.exists(relative):
            root.remove(relative, recursive=True)
            root.open_directory(relative, create=True)

    def grilse_create_file(self, name: str) -> None:
        """Make an empty file in the working directory, after the commands of the batch so far."""
        from ..sandbox.batch import CreateFile

        if self._batch is not None:
            self._batch.items.append(CreateFile(name))
            return
        directory = self.get_virtual_directory().open_directory((self._cwd or "/").lstrip("/"), create=True)
        with directory.open_file(name, mode="w"):
            pass

    @contextmanager
    def grilse_launch(
        self, argv: Sequence[str], environment: Mapping[str, str], *, mounts: Sequence[HostMount], isolate: bool
    ) -> Iterator[Launch]:
        """How another process runs a command on its terminal, while the block lasts; the root is read-only.

        Args:
            argv: program and arguments.
            environment: the whole environment.
            mounts: files and directories of the host to show.
            isolate: whether the command gets the user and the (missing) network that builds get; otherwise it runs
                as the calling user, with the host's network.

        Raises:
            SandboxCommandError: the program does not exist in the sandbox.
            SandboxError: commands cannot be run.
        """
        cwd = self._cwd or "/"
        command = self._command(argv, cwd, environment, read_only=True)
        command = replace(command, mounts=tuple(mounts), interactive=True, network=not isolate)
        if not isolate:
            command = replace(command, uid=os.geteuid(), gid=os.getegid())
        with _missing_command(), self._staged(command).launch(command) as launch:
            yield launch

    def grilse_subsandbox(self) -> Sandbox:
        """An empty sandbox beside this one, for staging only."""
        second = Sandbox(self._host, None, self._element, self._config)
        self._subsandboxes.append(second)
        return second

    def grilse_subsandboxes(self) -> list[Sandbox]:
        """The sandboxes made by `grilse_subsandbox`."""
        return self._subsandboxes

    def grilse_work_directory(self) -> str | None:
        """The working directory that was set, or None."""
        return self._cwd

    def grilse_marked_directories(self) -> list[str]:
        """The directories that were marked."""
        return list(self._directories)

    def grilse_environment(self) -> dict[str, str] | None:
        """The environment that was set, or None."""
        return self._env

    def close(self) -> None:
        """Remove what commands ran in."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    # Private

    def _execute_batch(self, batch: _Batch) -> None:
        from ..sandbox.batch import Step, first_step, script

        first = first_step(batch.items)
        if first is None:
            return
        labels = "\n".join(item.label for item in batch.items if isinstance(item, Step) and item.label)
        # What the sandbox itself says of an element stands without key in bst's logs.
        with self._host.timed("Running commands", detail=labels or None, element=self._element, key=""):
            argv = ["sh", "-c", "-e", script(batch.items)]
            if self._execute(argv, first.cwd, first.environment, batch.read_only, last=batch.read_only):
                raise SandboxCommandError("Command failed", collect=batch.collect)

    def _execute(
        self, argv: Sequence[str], cwd: str, environment: Mapping[str, str], read_only: bool, *, last: bool = False
    ) -> int:
        """Run one command on the tree, and take what it changed into the tree.

        Args:
            argv: program and arguments.
            cwd: absolute working directory.
            environment: the whole environment.
            read_only: whether only marked directories may be written to.
            last: whether it is likely that no other command follows: new files are moved instead of copied.
        """
        command = self._command(argv, cwd, environment, read_only)
        root = self.get_virtual_directory()
        before = root.digest()
        session = self._staged(command)
        try:
            with _missing_command():
                status = session.run(command)
        except SandboxCommandError:
            # Nothing has run: the directories that every sandbox has are not in the tree either.
            root.reset(before)
            raise
        if command.writable is None:
            digest = session.capture("/", mtimes=self._mtimes, last=False)
            root.reset(digest)
            return status
        for path in command.writable:
            digest = session.capture(path, mtimes=self._mtimes, last=last)
            if digest is not None:
                root.open_directory(path.lstrip("/"), create=True).reset(digest)
        if last:
            # Files were taken away from it.
            self.close()
        return status

    def _command(self, argv: Sequence[str], cwd: str, environment: Mapping[str, str], read_only: bool) -> Command:
        from ..sandbox.spec import Command

        return Command(
            argv=tuple(argv),
            cwd=cwd,
            environment=environment,
            writable=tuple(dict.fromkeys(self._directories)) if read_only else None,
            uid=self._config.get("build-uid"),
            gid=self._config.get("build-gid"),
        )

    def _staged(self, command: Command) -> SandboxSession:
        """A session that shows the tree, with all directories that `command` needs."""
        root = self.get_virtual_directory()
        read_only = command.writable is not None
        root.open_directory(command.cwd.lstrip("/"), create=True)
        # The marks change digests of what is captured as a whole, so that they are where bst has them.
        for path in (*_MOUNTED, *self._directories):
            directory = root.open_directory(path.lstrip("/"), create=True)
            if read_only:
                directory.set_read_only(False)
        if read_only:
            root.set_read_only(True)
        if self._session is None:
            if self._runner is None:
                raise SandboxError(f"{self._element}: nothing can be run in this sandbox")
            self._session = self._runner.open(self._layers)
        self._session.stage(root.digest())
        return self._session


# Directories that every sandbox has, whose content is not the tree's.
_MOUNTED = ("/dev", "/proc", "/tmp")


@contextmanager
def _missing_command() -> Iterator[None]:
    """Give plugins the error that they know where a program does not exist."""
    try:
        yield
    except SandboxError as error:
        if error.reason != "missing-command":
            raise
        raise SandboxCommandError(error.message, detail=error.detail, reason=error.reason) from error


def _absolute(directory: str) -> None:
    if not directory.startswith("/"):
        raise AssertionError(f"'{directory}' should be an absolute path in the sandbox")
