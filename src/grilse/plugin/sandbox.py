"""`Sandbox`: where elements stage files and run commands.

Must not know how commands are run: a `SandboxRunner` does that.  What is staged is a tree in the store; a session of
the runner is opened when the first command runs, shows that tree to it, and what commands changed comes back into the
tree when a batch ends.  Names and signatures are BuildStream's (``buildstream.sandbox``).
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .exceptions import ImplError, SandboxCommandError, SandboxError

if TYPE_CHECKING:
    from ..sandbox.spec import Command
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

    def capture(self, path: str, *, mtimes: bool) -> Digest | None:
        """Put a directory of the root into the store; None if there is none."""

    def close(self) -> None:
        """Remove the root."""


class SandboxRunner(Protocol):
    """Makes sessions."""

    def open(self, layers: Sequence[Digest]) -> SandboxSession:
        """A new session; `layers` are artifacts whose overlay comes close to what will be staged, bottom first."""


@dataclass(slots=True)
class _Run:
    """A command of a batch."""

    command: list[str]
    cwd: str
    env: dict[str, str]
    label: str | None


@dataclass(slots=True)
class _Create:
    """An empty file to be made in the working directory."""

    path: str


@dataclass(slots=True)
class _Clean:
    """A directory to be emptied."""

    path: str


@dataclass(slots=True)
class _Group:
    """Items of a batch under one label."""

    label: str | None
    items: list[_Run | _Create | _Clean | _Group] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """What will run when the block ends."""

    group: _Group
    read_only: bool
    collect: str | None


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
        self._current: _Group | None = None
        self._subsandboxes: list[Sandbox] = []
        # Whether commands ran since the tree was last up to date, what the session showed before, what to empty.
        self._ran = False
        self._shown: Digest | None = None
        self._emptied: set[str] = set()

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
        argv = [command] if isinstance(command, str) else list(command)
        environment = dict((self._env if env is None else env) or {})
        environment["PWD"] = directory
        item = _Run(argv, directory, environment, label)
        if self._batch is None:
            status, error = self._execute(item, root_read_only)
            self._bring_back(root_read_only)
            if error is not None:
                raise error
            return status
        if root_read_only != self._batch.read_only:
            raise AssertionError("all commands of a batch must have the same root_read_only")
        assert self._current is not None
        self._current.items.append(item)
        return None

    @contextmanager
    def batch(
        self, *, root_read_only: bool = False, label: str | None = None, collect: str | None = None
    ) -> Generator[None, None, None]:
        """Collect the commands of a block and run them when it ends, until one fails; blocks may be nested.

        Args:
            root_read_only: as for `run`.
            label: what to call the commands of this block in messages.
            collect: directory worth keeping in the failed artifact if a command fails.

        Raises:
            SandboxCommandError: a command failed.
        """
        group = _Group(label)
        if self._batch is not None:
            if root_read_only != self._batch.read_only:
                raise AssertionError("nested batches must have the same root_read_only")
            outer = self._current
            assert outer is not None
            outer.items.append(group)
            self._current = group
            try:
                yield
            finally:
                self._current = outer
            return
        self._batch = batch = _Batch(group, root_read_only, collect)
        self._current = group
        try:
            yield
        finally:
            self._batch = self._current = None
        try:
            self._execute_group(group, batch)
        finally:
            self._bring_back(root_read_only)

    # For the core

    def grilse_note_layer(self, digest: Digest) -> None:
        """An artifact was staged at the root as a whole."""
        self._layers.append(digest)

    def grilse_clean_directory(self, path: str) -> None:
        """Empty a directory, after the commands of the batch so far."""
        self._add(_Clean(path))

    def grilse_create_file(self, name: str) -> None:
        """Make an empty file in the working directory, after the commands of the batch so far."""
        self._add(_Create(f"{self._cwd or '/'}/{name}"))

    def grilse_subsandbox(self) -> Sandbox:
        """An empty sandbox beside this one, for staging only."""
        second = Sandbox(self._host, None, self._element, self._config)
        self._subsandboxes.append(second)
        return second

    def grilse_subsandboxes(self) -> list[Sandbox]:
        """The sandboxes made by `grilse_subsandbox`."""
        return self._subsandboxes

    def grilse_environment(self) -> dict[str, str] | None:
        """The environment that was set, or None."""
        return self._env

    def close(self) -> None:
        """Remove what commands ran in."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    # Private

    def _add(self, item: _Clean | _Create) -> None:
        if self._batch is None:
            self._change_tree(item)
        else:
            assert self._current is not None
            self._current.items.append(item)

    def _execute_group(self, group: _Group, batch: _Batch) -> None:
        with nullcontext() if group.label is None else self._host.timed(group.label, element=self._element):
            for item in group.items:
                if isinstance(item, _Group):
                    self._execute_group(item, batch)
                elif isinstance(item, _Run):
                    self._execute_or_fail(item, batch)
                elif isinstance(item, _Clean) and item.path in self._directories:
                    # What is emptied last need not be captured first.
                    self._emptied.add(item.path)
                else:
                    self._bring_back(batch.read_only)
                    self._change_tree(item)

    def _execute_or_fail(self, item: _Run, batch: _Batch) -> None:
        if self._emptied:
            # A command follows that has to see the emptied directories.
            self._bring_back(batch.read_only)
        if item.label:
            self._host.message("status", "Running command", detail=item.label, element=self._element)
        status, error = self._execute(item, batch.read_only)
        if error is not None:
            error.collect = batch.collect
            raise error
        if status != 0:
            shown = item.label or " ".join(shlex.quote(word) for word in item.command)
            raise SandboxCommandError(f"Command failed with exitcode {status}", detail=shown, collect=batch.collect)

    def _execute(self, item: _Run, read_only: bool) -> tuple[int, SandboxCommandError | None]:
        from ..sandbox.spec import Command

        session = self._open()
        command = Command(
            argv=tuple(item.command),
            cwd=item.cwd,
            environment=item.env,
            writable=tuple(self._directories) if read_only else None,
            uid=self._config.get("build-uid"),
            gid=self._config.get("build-gid"),
        )
        try:
            self._ran = True
            return session.run(command), None
        except SandboxError as error:
            if error.reason == "missing-command":
                return 1, SandboxCommandError(error.message, detail=error.detail, reason=error.reason)
            raise

    def _open(self) -> SandboxSession:
        """The session, showing the tree as it is now."""
        root = self.get_virtual_directory()
        if self._session is None:
            assert self._runner is not None
            for directory in self._directories:
                root.open_directory(directory.lstrip("/"), create=True)
            self._session = self._runner.open(self._layers)
            self._shown = None
        if not self._ran:
            digest = root.digest()
            if digest != self._shown:
                self._session.stage(digest)
                self._shown = digest
        return self._session

    def _bring_back(self, read_only: bool) -> None:
        """Take what commands changed into the tree."""
        if not self._ran:
            return
        session, root = self._session, self._root
        assert session is not None and root is not None
        self._ran = False
        if not read_only:
            digest = session.capture("/", mtimes=self._mtimes)
            root.reset(digest)
        else:
            for path in dict.fromkeys(self._directories):
                self._take(session, path)
        for path in self._emptied:
            self._change_tree(_Clean(path))
        self._emptied.clear()
        self._shown = None

    def _take(self, session: SandboxSession, path: str) -> None:
        root = self._root
        assert root is not None
        if path in self._emptied:
            return
        relative = path.lstrip("/")
        digest = session.capture(path, mtimes=self._mtimes)
        if digest is not None:
            root.open_directory(relative, create=True).reset(digest)
        elif root.exists(relative):
            root.remove(relative, recursive=True)

    def _change_tree(self, item: _Clean | _Create | Any) -> None:
        root = self.get_virtual_directory()
        relative = item.path.lstrip("/")
        if isinstance(item, _Create):
            parent, _, name = relative.rpartition("/")
            with root.open_directory(parent, create=True).open_file(name, mode="w"):
                pass
        elif root.exists(relative):
            root.remove(relative, recursive=True)
            root.open_directory(relative, create=True)


def _absolute(directory: str) -> None:
    if not directory.startswith("/"):
        raise AssertionError(f"'{directory}' should be an absolute path in the sandbox")
