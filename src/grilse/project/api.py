"""The way into loading: configuration, a project, and its elements.

Knows nothing of plugins or messages.  ``open_session`` is what a backend calls first::

    session = open_session(invocation, environment, warn=...)
    project = session.open_project(host=...)          # the toplevel project, found from where the user is
    elements = session.load(["app.bst"])              # with everything below them, sorted
    selected = select(elements, "all")
    session.close()                                   # writes the cache of parsed files
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..protocol.errors import LoadError, LoadErrorReason
from ..protocol.requests import Invocation
from .files import YamlFiles
from .inputs import Inputs
from .names import PROJECT_FILE
from .user_config import UserConfig, likely_cachedir, load_user_config
from .workspaces import PROJECT_FILE as WORKSPACE_FILE
from .workspaces import Workspaces, load_workspace_project, load_workspaces

if TYPE_CHECKING:
    from .context import LoadContext, LoadHost
    from .load_element import LoadElement
    from .project import Project

# Below the cache directory; BuildStream does not look there.
PARSED_CACHE: Final = os.path.join("grilse", "parsed")

Warn = Callable[[str, str | None], None]


class LoadSession:
    """One session's loading.

    Attributes:
        config: the user's configuration.
        files: loads YAML files.
        context: what all projects share; set by `open_project`.
        directory: the toplevel project's directory; set by `find_project`.
        workspace_element: the element whose workspace the user is in, or None.
    """

    def __init__(
        self, config: UserConfig, files: YamlFiles, directory: str, environment: Mapping[str, str], warn: Warn
    ) -> None:
        self.config = config
        self.files = files
        self.workspace_element: str | None = None
        self.directory = ""
        self._start = directory
        self._workspaces: Workspaces | None = None
        self._environment = environment
        self._warn = warn
        self._context: LoadContext | None = None
        self._count = 0

    @property
    def context(self) -> LoadContext:
        """What all projects of the session share.

        Raises:
            RuntimeError: no project has been opened.
        """
        if self._context is None:
            raise RuntimeError("no project has been opened")
        return self._context

    @property
    def project(self) -> Project:
        """The toplevel project."""
        return self.context.toplevel

    def find_project(self) -> Workspaces:
        """Find the project that the user is in, or in a workspace of, without reading it; gives its open workspaces.

        Raises:
            LoadError: MISSING_PROJECT_CONF, or what is wrong with the files that workspaces are noted in.
        """
        if self._workspaces is None:
            with bounded_depth():
                self.directory, self.workspace_element = find_project(self._start, self.files)
                self._workspaces = load_workspaces(self.directory, self.files)
        return self._workspaces

    def open_project(self, host: LoadHost | None = None) -> Project:
        """Find the project and load its configuration's first pass; does nothing the second time.

        Raises:
            LoadError: MISSING_PROJECT_CONF, or what is wrong with the configuration.
        """
        if self._context is not None:
            return self._context.toplevel
        from .context import LoadContext
        from .project import Project

        workspaces = self.find_project()
        context = LoadContext(self.config, self.files, host, self._environment, self._warn)
        with without_collector(), bounded_depth():
            context.workspaces = workspaces
            project = Project(self.directory, context)
        self._context = context
        return project

    def hide_workspaces(self, names: Iterable[str]) -> None:
        """Load these elements with the sources that they declare from now on, as if they had no workspace."""
        self.context.workspaces = self.context.workspaces.without(names)

    @property
    def count(self) -> int:
        """How many elements have been loaded."""
        return self._count

    def load(self, names: Iterable[str]) -> list[LoadElement]:
        """Load elements with everything below them, and sort dependencies.

        Args:
            names: element names below the toplevel project, with junctions.

        Returns:
            One element for each name; links are followed.

        Raises:
            LoadError: whatever is wrong with any of them.
        """
        from .sorting import sort_elements

        loader = self.project.loader
        with without_collector(), bounded_depth():
            elements: list[LoadElement] = []
            for name in names:
                if os.path.isabs(name):
                    raise LoadError(
                        f"Target '{name}' should be relative to the project's elements: {self.project.element_path}",
                        reason=LoadErrorReason.INVALID_DATA,
                    )
                elements.append(loader.load(name))
            self._count += len(sort_elements(elements, self._count))
        return elements

    def finish(self, *, complete: bool = True) -> None:
        """Check what only shows when everything is loaded, plugins included: projects loaded more than once.

        Args:
            complete: whether the configuration of every project must be sound; what only works on junctions, whose
                subprojects may not be there yet, does not need it.

        Raises:
            LoadError: CONFLICTING_JUNCTION, or what is wrong with a project's configuration.
        """
        if complete:
            for project in list(self.context.projects):
                project.ensure_fully_loaded()
        self.context.check_conflicts()

    def close(self) -> None:
        """Keep what was parsed for the next session."""
        self.files.save()


def open_session(
    invocation: Invocation, environment: Mapping[str, str], *, warn: Warn, cached: bool = True
) -> LoadSession:
    """Read the user's configuration.

    Args:
        invocation: the command line's own options.
        environment: environment variables.
        warn: takes a warning's message and detail.
        cached: whether parsed files are kept on disk.

    Raises:
        LoadError: what is wrong with the configuration.
    """
    likely = likely_cachedir(invocation, environment) if cached else ""
    inputs = Inputs()
    files = YamlFiles(os.path.join(likely, PARSED_CACHE) if cached else None, inputs)
    config = load_user_config(invocation, files, environment)
    if cached and config.cachedir != likely:
        files = YamlFiles(os.path.join(config.cachedir, PARSED_CACHE), inputs)
    return LoadSession(config, files, invocation.directory, environment, warn)


def find_project(directory: str, files: YamlFiles) -> tuple[str, str | None]:
    """The directory of the project that `directory` is in, and the element of the workspace that leads to it, if any.

    Raises:
        LoadError: MISSING_PROJECT_CONF, or the workspace's file is malformed.
    """
    start = current = os.path.abspath(directory)
    if not os.path.isdir(start):
        raise LoadError(f"There is no directory '{start}'", reason=LoadErrorReason.MISSING_PROJECT_CONF)
    while True:
        if os.path.isfile(os.path.join(current, PROJECT_FILE)):
            return current, None
        if os.path.isfile(os.path.join(current, WORKSPACE_FILE)):
            workspace = load_workspace_project(current, files)
            return workspace.project_directory, workspace.element
        above = os.path.dirname(current)
        if above == current:
            raise LoadError(
                f"Neither {PROJECT_FILE} nor {WORKSPACE_FILE} was found in '{start}' or any directory above it",
                reason=LoadErrorReason.MISSING_PROJECT_CONF,
            )
        current = above


@contextmanager
def without_collector() -> Iterator[None]:
    """Let the cyclic garbage collector rest: what loading makes stays, and looking through it costs a third more.

    It does not look at what is there at the end later either.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


@contextmanager
def bounded_depth() -> Iterator[None]:
    """Turn what is nested beyond reason, in one file or through includes and junctions, into an error.

    Raises:
        LoadError: INVALID_DATA instead of a RecursionError.
    """
    try:
        yield
    except RecursionError:
        raise LoadError(
            "Declarations, included files or subprojects are nested too deeply", reason=LoadErrorReason.INVALID_DATA
        ) from None
