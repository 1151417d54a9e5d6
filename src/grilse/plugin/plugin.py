"""The base of all plugins: configuration, messages, running programs on the host.

Must not know elements, sources or who runs the plugin; what surrounds it is a `Host`.  Names and signatures are
BuildStream's (``buildstream.plugin``).  The only attribute that these classes keep on an instance is ``_grilse``, so
that plugins may name theirs as they like.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar

from .exceptions import ImplError, PluginError
from .types import CORE_WARNINGS, SourceRef

if TYPE_CHECKING:
    from .host import Host, ProjectHost
    from .node import MappingNode, Node, ScalarNode
    from .provenance import ProvenanceInformation

_T = TypeVar("_T")
_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
_File = None | int | IO[Any]


class PluginState:
    """What the core keeps of a plugin.

    Attributes:
        host: the process around it.
        project: the project that uses it.
        kind: its kind.
        tag: "element", "source" or "source-mirror".
        full_name: the element that messages are about.
        node: where it is declared.
        configuring: whether `Plugin.configure` is running.
        key: display key of the element, for messages.
    """

    __slots__ = ("__dict__", "configuring", "full_name", "host", "key", "kind", "node", "project", "tag")

    def __init__(self, host: Host, project: ProjectHost, kind: str, tag: str, full_name: str, node: Node) -> None:
        self.host = host
        self.project = project
        self.kind = kind
        self.tag = tag
        self.full_name = full_name
        self.node = node
        self.configuring = False
        self.key: str | None = None


class Plugin:
    """Base of `Element`, `Source` and `SourceMirror`; plugins derive from those."""

    BST_MIN_VERSION: str | None = None
    """The oldest version of the plugin API that the plugin works with, as ``"MAJOR.MINOR"``; required."""

    BST_PLUGIN_DEPRECATED: bool = False
    """Whether using the plugin is warned of, unless the project allows it."""

    BST_PLUGIN_DEPRECATION_MESSAGE: str | None = None
    """More to say with that warning: what to use instead."""

    _grilse: PluginState

    def __init__(self, name: str, state: PluginState) -> None:
        self._grilse = state
        self.name = name
        """Of an element, its file name in the project; of a source, its element's name and its index."""

    def __str__(self) -> str:
        state = self._grilse
        return f"{state.kind} {state.tag} at {state.node.get_provenance()}"

    # Abstract methods

    def configure(self, node: MappingNode) -> None:
        """Read the plugin's configuration; `MappingNode.validate_keys` refuses what is unexpected.

        Args:
            node: the ``config`` of an element, or the mapping that declares a source.

        Raises:
            ElementError, SourceError: the configuration is wrong.
        """
        raise self._missing("configure")

    def preflight(self) -> None:
        """Check that the plugin can work on this host, before anything is done.

        Raises:
            ElementError, SourceError: it cannot.
            ProgramNotFoundError: as `utils.get_host_tool` raises it.
        """
        raise self._missing("preflight")

    def get_unique_key(self) -> SourceRef:
        """Plain data that differs whenever the output could: part of the cache key."""
        raise self._missing("get_unique_key")

    # For plugins

    def get_kind(self) -> str:
        """The kind of this plugin."""
        return self._grilse.kind

    def node_get_project_path(
        self, node: ScalarNode, *, check_is_file: bool = False, check_is_dir: bool = False
    ) -> str:
        """The path in `node`, after making sure that it is in the project's directory.

        Raises:
            LoadError: it does not exist, leads elsewhere, is a link, or is no file or directory where one is wanted.
        """
        paths = self._grilse.project.paths
        return paths.check(node, check_is_file=check_is_file, check_is_dir=check_is_dir)

    def debug(self, brief: str, *, detail: str | None = None) -> None:
        """Say something to those who look for the cause of trouble."""
        if self._grilse.host.debug:
            self._message("debug", brief, detail)

    def status(self, brief: str, *, detail: str | None = None) -> None:
        """Say what the plugin does at the moment."""
        self._message("status", brief, detail)

    def info(self, brief: str, *, detail: str | None = None) -> None:
        """Say something worth knowing."""
        self._message("info", brief, detail)

    def warn(self, brief: str, *, detail: str | None = None, warning_token: str | None = None) -> None:
        """Warn.

        Args:
            brief: one line.
            detail: more text.
            warning_token: name of the warning: a value of `CoreWarnings`, or one of the plugin's own, which users write
                as ``KIND:TOKEN``.

        Raises:
            PluginError: the project declares this warning fatal.
        """
        if warning_token:
            # BuildStream asks for the very object, so that a plugin's own token of the same spelling is its own.
            core = any(warning_token is name for name in CORE_WARNINGS)
            token = warning_token if core else f"{self._grilse.kind}:{warning_token}"
            brief = f"[{token}]: {brief}"
            if token in self._grilse.project.fatal_warnings:
                raise PluginError(f"{brief}\n{detail or ''}", reason=token)
        self._message("warn", brief, detail)

    def log(self, brief: str, *, detail: str | None = None) -> None:
        """Write to the log file only."""
        self._message("log", brief, detail)

    @contextmanager
    def timed_activity(
        self, activity_name: str, *, detail: str | None = None, silent_nested: bool = False
    ) -> Generator[None, None, None]:
        """Report the start, and the success or failure with the time it took, of what a block does.

        Args:
            activity_name: what it does.
            detail: more text.
            silent_nested: whether messages from inside go to the log only.
        """
        state = self._grilse
        with state.host.timed(
            str(activity_name),
            detail=None if detail is None else str(detail),
            silent_nested=silent_nested,
            element=state.full_name,
            key=self._message_key(),
        ):
            yield

    def blocking_activity(
        self,
        target: Callable[..., _T],
        args: Sequence[Any],
        activity_name: str,
        *,
        detail: str | None = None,
        silent_nested: bool = False,
    ) -> _T:
        """Call something that may wait long and cannot be interrupted, such as a download without a time limit.

        A job is alone in its worker, which is killed if a cancelled job does not end: it may wait right here.

        Args:
            target: what to call; it should return errors, not raise them.
            args: with what.
            activity_name: what it does.
            detail: more text.
            silent_nested: whether messages from inside go to the log only.

        Raises:
            PluginError: `target` raised something.
        """
        with self.timed_activity(activity_name, detail=detail, silent_nested=silent_nested):
            try:
                return target(*args)
            except Exception as error:
                import traceback

                raise PluginError(
                    f"{self}: '{activity_name}' raised {type(error).__name__}: {error}", detail=traceback.format_exc()
                ) from error

    def call(
        self,
        args: _Path | Sequence[_Path],
        fail: str | None = None,
        fail_temporarily: bool = False,
        cwd: _Path | None = None,
        env: dict[str, str] | None = None,
        stdin: _File = None,
        stdout: _File = None,
        stderr: _File = None,
    ) -> int:
        """Run a program on the host; what it prints goes to the log unless `stdout` or `stderr` say otherwise.

        Args:
            args: program and arguments.
            fail: what to say if it fails; without it, the caller looks at the exit status.
            fail_temporarily: whether a failure may go away when tried again.
            cwd: directory to run it in.
            env: its environment.
            stdin, stdout, stderr: as for `subprocess.Popen`.

        Returns:
            the exit status.

        Raises:
            PluginError: it failed, and `fail` is given.
        """
        status, _ = self._run(args, fail, fail_temporarily, False, cwd, env, stdin, stdout, stderr)
        return status

    def check_output(
        self,
        args: _Path | Sequence[_Path],
        fail: str | None = None,
        fail_temporarily: bool = False,
        cwd: _Path | None = None,
        env: dict[str, str] | None = None,
        stdin: _File = None,
        stderr: _File = None,
    ) -> tuple[int, str]:
        """As `call`, but gives what the program prints.

        Returns:
            the exit status, and standard output as text.

        Raises:
            PluginError: it failed, and `fail` is given.
        """
        return self._run(args, fail, fail_temporarily, True, cwd, env, stdin, None, stderr)

    # Private

    def _run(
        self,
        args: _Path | Sequence[_Path],
        fail: str | None,
        temporary: bool,
        collect: bool,
        cwd: _Path | None,
        env: dict[str, str] | None,
        stdin: _File,
        stdout: _File,
        stderr: _File,
    ) -> tuple[int, str]:
        from . import processes

        log = self._grilse.host.log
        shown = processes.shown(args)
        self.status("Running host command", detail=shown)
        if log is not None:
            log.write(f"Running host command {processes.shown(cwd or os.getcwd())}: {shown}\n")
            log.flush()
        status, output = processes.run(
            args, collect=collect, log=log, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr
        )
        if fail and status:
            raise PluginError(f"{self}: {fail}", temporary=temporary)
        return status, output

    def _message(self, kind: str, brief: str, detail: str | None) -> None:
        state = self._grilse
        shown = None if detail is None else str(detail)
        # Plugins say errors and paths, too; what crosses processes is text.
        state.host.message(kind, str(brief), detail=shown, element=state.full_name, key=self._message_key())

    def _message_key(self) -> str | None:
        # What a source says of its element stands without key in bst's logs.
        return self._grilse.key if self._grilse.tag == "element" else ""

    def _missing(self, method: str) -> ImplError:
        state = self._grilse
        return ImplError(f"The {state.tag} plugin '{state.kind}' does not implement {method}()")

    def _get_provenance(self) -> ProvenanceInformation:
        """Where the plugin is declared; not public, but plugins in the wild use it."""
        return self._grilse.node.get_provenance()

    def _configure(self, node: MappingNode) -> None:
        """Call `configure`, during which URLs may be marked."""
        state = self._grilse
        state.configuring = True
        try:
            self.configure(node)
        finally:
            state.configuring = False


def made(plugin: Callable[..., _T], *given: Any) -> _T:
    """A plugin of its class.

    Raises:
        PluginError: the class has an `__init__` of its own with BuildStream's parameters, which are not public.
    """
    try:
        return plugin(*given)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        name = f"{plugin.__module__}.{plugin.__name__}"
        raise PluginError(
            f"The __init__() of the plugin class '{name}' has parameters of its own, and those of plugins are not "
            f"public: {error}",
            reason="plugin-bug",
        ) from error
