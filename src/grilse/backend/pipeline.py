"""From a request to resolved elements: configuration, project, plugins, keys; each phase is a span.

Knows the order of loading, nothing of commands or jobs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..project.api import LoadSession, open_session, without_collector
from ..project.plan_host import PlanHost
from ..project.plugins import PluginFactories
from ..project.resolve import ResolvedElement, Resolver
from ..project.selection import leave_out, select
from ..project.targets import Targets, classify_targets, default_targets
from ..protocol import events
from ..protocol.errors import LoadError
from .states import States

if TYPE_CHECKING:
    from ..plugin.node import Node
    from ..project.load_element import LoadElement
    from ..project.project import Project
    from ..project.user_config import UserConfig
    from .session import Session

# Fetches and stages the sources of a junction: takes the resolved junction element, gives the directory.
StageJunction = Callable[[ResolvedElement], str]


class Pipeline:
    """What a command works on.

    Args:
        session: the session.

    Attributes:
        config: the user's configuration.
        load: the loading session.
        strict: whether the build plan is strict.
        targets: resolved targets.
        states: what is cached of elements.

    Raises:
        LoadError: the user's configuration is wrong.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        reporter = session.reporter
        self.load: LoadSession = open_session(session.request.invocation, os.environ, warn=self._warn)
        self.config: UserConfig = self.load.config
        tell_style(session, self.config)
        self._factories = PluginFactories(self._warn)
        self._say = lambda kind, text, detail, element: reporter.text(kind, text, detail=detail, element=element)
        self._host: PlanHost | None = None
        self._resolver: Resolver | None = None
        self._states: States | None = None
        self.stage: StageJunction | None = None
        self.strict = True

    def _warn(self, message: str, detail: str | None = None) -> None:
        self.session.reporter.text("warn", message, detail=detail)

    # The host of loading (project.context.LoadHost)

    def project_loaded(self, project: Project) -> None:
        """Read a project's plugin origins; the first one is the toplevel project."""
        if self._resolver is None:
            self._open(project)
        self._factories.add(project)

    def stage_junction(self, element: LoadElement, place: Node | None) -> str:
        """The directory that holds a junction's sources, fetched and staged if need be."""
        from .junctions import stage_junction

        (resolved,) = self.resolver.resolve([element])
        return stage_junction(self, resolved, str(place.get_provenance()) if place is not None else "")

    def _open(self, project: Project) -> None:
        config = self.config
        override = config.projects.get(project.name)
        strict = config.strict
        if strict is None and override is not None:
            strict = override.strict
        self.strict = True if strict is None else strict
        self._host = PlanHost(
            config.cachedir, config.sourcedir, project.directory, self._say, debug=config.debug, remember=True
        )
        self._resolver = Resolver(self._host, self._factories.get, strict=self.strict)

    @property
    def host(self) -> PlanHost:
        """What surrounds plugins; there once a project is open."""
        assert self._host is not None
        return self._host

    @property
    def resolver(self) -> Resolver:
        """Resolves elements; there once a project is open."""
        assert self._resolver is not None
        return self._resolver

    @property
    def factories(self) -> PluginFactories:
        """The plugins of all projects."""
        return self._factories

    @property
    def states(self) -> States:
        """What is cached of elements."""
        if self._states is None:
            self._states = States(self.host.store, strict=self.strict)
        return self._states

    @property
    def project(self) -> Project:
        """The toplevel project."""
        return self.load.project

    def open_project(self) -> Project:
        """Find and open the project.

        Raises:
            LoadError: there is none, or its configuration is wrong.
        """
        return self.load.open_project(self)

    def try_open_project(self) -> Project | None:
        """Open the project if there is one; commands about artifacts work without.

        Raises:
            LoadError: its configuration is wrong.
        """
        try:
            return self.open_project()
        except LoadError as error:
            if error.reason != "MISSING_PROJECT_CONF":
                raise
            return None

    # Loading

    def targets_of(self, names: Sequence[str], *, artifacts: bool = False, defaults: bool = True) -> Targets:
        """What the names of a command line mean in the open project.

        Raises:
            StreamError: a name cannot be meant.
        """
        if not names and defaults:
            names = default_targets(self.project, self.load.workspace_element)
            self.defaulted = True
        found = classify_targets(names, self.project, artifacts=artifacts)
        for pattern in found.unmatched:
            self._warn(f"No elements matched the glob expression: {pattern}")
        return found

    def load_elements(self, names: Iterable[str], excepted: Iterable[str] = ()) -> list[ResolvedElement]:
        """Load and resolve elements with everything below them.

        Raises:
            GrilseError: whatever is wrong with any of them.
        """
        reporter = self.session.reporter
        names, excepted = list(names), list(excepted)
        with without_collector():
            with reporter.span("Loading elements"):
                loaded = self.load.load([*names, *excepted])
                self.load.finish()
            with reporter.span("Resolving elements"):
                resolved = self.resolver.resolve(loaded)
        self._report_redundant_refs()
        self.excepted = resolved[len(names) :]
        return resolved[: len(names)]

    def select(self, targets: Sequence[ResolvedElement], deps: str) -> list[ResolvedElement]:
        """The elements that ``--deps`` asks for, dependencies before dependants, without those excepted."""
        loaded = [target.load_element for target in targets]
        chosen = select(loaded, deps)
        excepted = [element.load_element for element in getattr(self, "excepted", ())]
        if excepted:
            chosen = leave_out(chosen, loaded, excepted)
        known = self.resolver.known
        return [known(element) for element in chosen]

    def _report_redundant_refs(self) -> None:
        refs = self.resolver.redundant_refs
        if refs:
            detail = "\n".join(f"{source}" for source, _ in refs)
            self._warn("Ignoring redundant source references", detail)
            refs.clear()

    def close(self) -> None:
        """Keep what the next session can use."""
        if self._host is not None:
            self._host.close()
        self.load.close()


def tell_style(session: Session, config: UserConfig) -> None:
    """Tell the frontend how the user wants messages shown."""
    session.reporter.emit(
        events.LogStyle(
            message_format=config.message_format,
            element_format=config.element_format,
            key_length=config.key_length,
            error_lines=config.error_lines,
            message_lines=config.message_lines,
            verbose=config.verbose,
            debug=config.debug,
            log_directory=config.logdir,
        )
    )


def now() -> float:
    """Seconds since the epoch, for events."""
    return time.time()
