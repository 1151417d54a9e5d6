"""From a request to the elements that a command works on; each phase is a span.

Knows the order of loading, selection and states; nothing of single commands or of jobs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..plugin.surroundings import undisturbed
from ..project.api import open_session, without_collector
from ..project.planning import Planner
from ..project.recall import RecalledElement
from ..project.resolved import ResolvedElement
from ..project.selection import leave_out, select
from ..project.snapshot import Said
from ..project.targets import Targets, classify_targets, default_targets, is_pattern
from ..protocol import events
from ..protocol.errors import LoadError, LoadErrorReason, StreamError
from ..storage.store import Store
from .states import Planned, States

if TYPE_CHECKING:
    from ..project.project import Project
    from ..project.recall import Recalled
    from ..project.user_config import UserConfig
    from .backing import Backing
    from .leftovers import Leftovers
    from .planbook import PlanBook
    from .pool import Pool
    from .remotes import SessionRemotes
    from .session import Session
    from .upkeep import Upkeep


_P = TypeVar("_P", bound=Planned)

# Reason of the error when a command needs a project and there is none
NO_PROJECT = "project-not-loaded"
NO_PROJECT_HELP = (
    "Run grilse in the directory of a project or below it, or say where that is: grilse --directory DIRECTORY ...\n"
    "A new project is made by: grilse init"
)

# Said before artifacts are pulled that a command cannot do without.
PULLING = "Attempting to fetch missing or incomplete artifact(s)"

# What bst calls the sessions of commands whose beginning and end are messages.
SESSION_NAMES = {
    "Build": "Build",
    "SourceFetch": "Fetch",
    "SourceTrack": "Track",
    "SourcePush": "Push",
    "ArtifactPull": "Pull",
    "ArtifactPush": "Push",
}


# Directories of bst's cache layout that whoever looks after a cache directory expects to be there.  Builds work in the
# first one, which is empty whenever none runs; the others are of use to a cache daemon of bst's on the same directory.
LAYOUT = ("build", "assets", "actioncache")


class Pipeline:
    """What a command works on.

    Args:
        session: the session.

    Attributes:
        config: the user's configuration.
        planner: loads and resolves.
        strict: whether the build plan is strict.

    Raises:
        LoadError: the user's configuration is wrong.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        load = open_session(session.request.invocation, os.environ, warn=self._warn)
        self.config: UserConfig = load.config
        self.planner = Planner(load, say=self._say, fetch=self._fetch_junction, note=session.trail.note)
        self.strict = True
        self._project: Project | None = None
        self._states: States | None = None
        self._excepted: list[Any] = []
        # What is said while loading, if that is to be kept, and in which phase (see `project.snapshot.Said`)
        self._said: list[Said] | None = None
        self._phase = 0
        # Whether the command runs no jobs
        self._settled = False
        self._rememberable: Callable[[], None] | None = None
        self._pool: Pool | None = None
        self._book: PlanBook | None = None
        self._upkeep: Upkeep | None = None
        self._backing: Backing | None = None
        self.planner.supplier = self.backing
        self._leftovers: Leftovers | None = None
        tell_style(session, self.config)

    def _warn(self, message: str, detail: str | None = None) -> None:
        self._say("warn", message, detail, None)

    def _say(self, kind: str, text: str, detail: str | None, element: str | None) -> None:
        if self._said is not None:
            self._said.append(Said(self._phase, kind, text, detail, element))
        self.session.reporter.text(kind, text, detail=detail, element=element)

    def _fetch_junction(self, junction: ResolvedElement) -> None:
        from .junctions import fetch_junction

        fetch_junction(self, junction)

    @property
    def states(self) -> States:
        """What is cached of elements."""
        if self._states is None:
            guarded = self._upkeep is not None
            store = Store(self.config.cachedir)
            store.supplier = self.backing
            self._states = States(store, strict=self.strict, guarded=guarded, settled=self._settled)
        return self._states

    @property
    def backing(self) -> Backing | None:
        """The storage service of the cache, or None."""
        if self._backing is None and self.config.storage_service is not None:
            from .backing import Backing

            self._backing = Backing(self)
        return self._backing

    @property
    def project(self) -> Project:
        """The toplevel project."""
        return self.planner.session.project

    def open_project(self, names: Sequence[str] = ()) -> Project:
        """Find and open the project.

        Args:
            names: what is to be loaded from it.

        Raises:
            StreamError: there is none, or without one a name cannot be meant.
            LoadError: its configuration is wrong.
        """
        try:
            project = self._project = self.planner.open()
        except LoadError as error:
            missing = _without_project(error)
            if isinstance(missing, StreamError):
                classify_targets(names, None)
            raise missing from None
        self.strict = self.config.is_strict(project.name)
        return project

    def try_open_project(self) -> Project | None:
        """Open the project if there is one; commands about artifacts work without.

        Raises:
            LoadError: its configuration is wrong.
        """
        try:
            return self.open_project()
        except StreamError as error:
            if error.reason != NO_PROJECT:
                raise
            return None

    def targets_of(self, names: Sequence[str], *, artifacts: bool = False, defaults: bool = True) -> Targets:
        """What the names of a command line mean in the open project.

        Raises:
            StreamError: a name cannot be meant.
        """
        project = self._project
        if not names and defaults and project is not None:
            names = default_targets(project, self.planner.session.workspace_element)
        found = classify_targets(names, project, artifacts=artifacts)
        for pattern in found.unmatched:
            self._warn(f"No elements matched the glob expression: {pattern}")
        return found

    def _left_out(self, names: Sequence[str]) -> list[str]:
        """The elements that ``--except`` names: what is no pattern is taken as it is for a name."""
        found: dict[str, None] = {}
        for name in names:
            found.update(dict.fromkeys(self.targets_of([name]).elements if is_pattern(name) else [name]))
        return list(found)

    def load_elements(
        self, names: Iterable[str], excepted: Iterable[str] = (), *, complete: bool = True
    ) -> list[ResolvedElement]:
        """Load and resolve elements with everything below them; `excepted` are left out of selections.

        Args:
            names: element names.
            excepted: likewise.
            complete: see `LoadSession.finish`.

        Raises:
            GrilseError: whatever is wrong with any of them.
        """
        reporter, planner = self.session.reporter, self.planner
        names = list(names)
        with without_collector(), undisturbed():
            before = planner.session.count
            with reporter.span("Loading elements") as phase:
                self._phase = 1
                loaded = planner.session.load([*names, *excepted])
                count = planner.session.count - before
                phase.detail = f"{count} subtasks processed"
            with reporter.span("Resolving elements") as phase:
                self._phase = 2
                resolved = planner.resolve(loaded)
                planner.finish(complete=complete)
                phase.detail = f"{count} of {count} subtasks processed"
        self._excepted = resolved[len(names) :]
        return resolved[: len(names)]

    def recall_targets(self, names: Sequence[str], excepted: Sequence[str] = (), *, whole: bool) -> Sequence[Planned]:
        """As `open_project` and `load_targets`, but takes what the last session found out if nothing has changed.

        Only for commands that run no jobs; `whole` is as for `Planner.recall`.

        Raises:
            GrilseError: whatever is wrong.
        """
        self._said = []
        self._settled = True
        if names and all(map(_is_element_name, (*names, *excepted))):
            # What they mean does not depend on the project.
            given = list(dict.fromkeys(names)), list(dict.fromkeys(excepted))
        else:
            self.open_project(names)
            left_out = self._left_out(excepted)
            given = self.targets_of(names).elements, left_out
        recalled = self._recall(*given, whole=whole)
        if recalled is not None:
            return recalled
        self.open_project()
        targets = self.load_elements(*given)
        # Nothing is executed, but what is wrong with the services is said here too
        self.config.execution(self.project.name)
        if self.strict:
            everything = targets + self._excepted
            self._rememberable = partial(self.planner.remember, *given, everything, self._said, whole=whole)
        else:
            self.states.require(targets)
        self._said = None
        return targets

    def _recall(self, names: list[str], excepted: list[str], *, whole: bool) -> Sequence[Planned] | None:
        try:
            with without_collector(), undisturbed():
                recalled = self.planner.recall(names, excepted, whole=whole)
        except LoadError as error:
            raise _without_project(error) from None
        if recalled is None:
            return None
        reporter = self.session.reporter
        if self._project is None:
            self._repeat(recalled, 0)
        count = recalled.snapshot.index.count
        with reporter.span("Loading elements") as phase:
            self._repeat(recalled, 1)
            phase.detail = f"{count} subtasks processed"
        with reporter.span("Resolving elements") as phase:
            self._repeat(recalled, 2)
            phase.detail = f"{count} of {count} subtasks processed"
        targets = recalled.targets
        self._excepted = targets[len(names) :]
        return targets[: len(names)]

    def _repeat(self, recalled: Recalled, phase: int) -> None:
        """Say what was said in a phase of loading."""
        for said in recalled.said(phase):
            self.session.reporter.text(said.kind, said.text, detail=said.detail, element=said.element)

    def remember_targets(self) -> None:
        """Keep what `recall_targets` had to find out."""
        if self._rememberable is not None:
            self._rememberable()

    def pull_missing(self, elements: Sequence[ResolvedElement], remotes: SessionRemotes) -> None:
        """Pull the artifacts that are not here, as far as remotes have them.

        Raises:
            GrilseError: a job failed.
        """
        from .items import Item
        from .run import Run
        from .stages import PullStage

        states = self.states
        if not remotes.any_pull:
            return
        trees = self.config.pull_buildtrees
        missing = [one for one in elements if states.artifact(one) is None or (trees and states.lacks_tree(one))]
        if not missing:
            return
        self.session.reporter.text("info", PULLING)
        stage = PullStage(self.book, states, self.config.network_retries, remotes.pull_artifacts, trees=trees)
        run = Run(self, [stage])
        for index, element in enumerate(missing):
            run.scheduler.enter(Item(element, index, index, states))
        run.run()

    def redirected(self, names: Sequence[str]) -> list[str]:
        """Full names of the elements whose sources `names` mean; what cannot be loaded is given as it is."""
        from .redirect import source_element

        try:
            found = self.planner.resolve(self.planner.session.load(names))
        except LoadError:
            return list(names)
        return [source_element(self, element).full_name for element in found]

    def load_targets(
        self, names: Sequence[str], excepted: Sequence[str] = (), *, complete: bool = True
    ) -> list[ResolvedElement]:
        """Load the elements that a command line names, or the default targets; `complete` as for `load_elements`.

        Raises:
            GrilseError: whatever is wrong.
        """
        left_out = self._left_out(excepted)
        targets = self.load_elements(self.targets_of(names).elements, left_out, complete=complete)
        if not self.strict:
            self.states.require(targets)
        return targets

    def select(self, targets: Sequence[_P], deps: str) -> list[_P]:
        """The elements that ``--deps`` asks for, dependencies before dependants, without those excepted."""
        loaded: list[Any] = [target.load_element for target in targets]
        chosen = select(loaded, deps)
        if self._excepted:
            chosen = leave_out(chosen, loaded, [element.load_element for element in self._excepted])
        return [self._planned(element) for element in chosen]

    def _planned(self, element: Any) -> Any:
        return element if isinstance(element, RecalledElement) else self.planner.resolver.known(element)

    @property
    def pool(self) -> Pool:
        """The session's workers."""
        if self._pool is None:
            from .run import make_pool

            self._pool = make_pool(self)
        return self._pool

    def worker_died(self, pid: int) -> None:
        """A worker was killed: what it left is to be removed."""
        if self._leftovers is not None:
            self._leftovers.died(pid)

    @property
    def book(self) -> PlanBook:
        """The session's plan file."""
        if self._book is None:
            from .planbook import PlanBook

            session = self.session
            self._book = PlanBook(session.directory, session.identifier, self.settings(), self.config.logdir)
        return self._book

    def settings(self) -> dict[str, Any]:
        """What jobs need of the configuration, as plain data."""
        config = self.config
        settings: dict[str, Any] = {
            "cachedir": config.cachedir,
            "mark": self._upkeep.mark if self._upkeep is not None else "",
            "quota": config.quota,
            "reserved": config.reserved,
            "low_watermark": config.low_watermark,
            "sourcedir": config.sourcedir,
            "debug": config.debug,
            "strict": self.strict,
            "key_length": config.key_length,
            "cache_buildtrees": config.cache_buildtrees,
            "pull_buildtrees": config.pull_buildtrees,
            "network_retries": config.network_retries,
        }
        if config.storage_service is not None:
            from .remotes import storage_settings

            settings["remotes"] = storage_settings(self).to_plain()
        return settings

    def projects(self) -> list[Project]:
        """Every project loaded, the toplevel one first; none without a project."""
        return list(self.planner.session.context.projects) if self._project is not None else []

    @contextmanager
    def working(self, tasks: tuple[str, ...] = ()) -> Iterator[None]:
        """Within the block jobs may run; workers for `tasks` start at once, while the project loads.

        What the session uses of the cache is kept from now on, and the cache within its limits.
        """
        from .leftovers import Leftovers
        from .upkeep import Upkeep, limits_of

        with self.session.lasting:
            self._upkeep = Upkeep(Store(self.config.cachedir), limits_of(self.config))
            self.session.at_abort(self._upkeep.abandon)
        self._leftovers = Leftovers(self.config.cachedir, self.config.sourcedir, self._upkeep.mark)
        for directory in LAYOUT:
            os.makedirs(os.path.join(self.config.cachedir, directory), exist_ok=True)
        if tasks:
            from .run import prestart_count

            self.pool.prestart(prestart_count(self), tasks)
        name = SESSION_NAMES.get(type(self.session.request.action).__name__)
        try:
            with self.session.reporter.span(name) if name else nullcontext():
                yield
        finally:
            self.close()

    def close(self) -> None:
        """End the workers, and keep what the next session can use."""
        if self._pool is not None:
            self._pool.close()
        if self._leftovers is not None:
            self._leftovers.close()
            self._leftovers = None
        if self._upkeep is not None:
            self._upkeep.close()
            self._tell_upkeep(self._upkeep)
            self._upkeep = None
        if self._book is not None:
            self._book.close()
        self.planner.close()

    def _tell_upkeep(self, upkeep: Upkeep) -> None:
        """Say what was removed from the cache, and what kept it from being cleaned."""
        count = sum(removed.blobs for removed in upkeep.removed)
        if count:
            names = [name for removed in upkeep.removed for name in removed.records or ()]
            self.session.reporter.text(
                "info", f"Removed {count:,} blobs and {len(names):,} records from the cache", detail="\n".join(names)
            )
        if upkeep.error is not None:
            self._warn(f"The cache could not be cleaned: {upkeep.error.message}", upkeep.error.detail)


def _is_element_name(name: str) -> bool:
    """Whether a word of the command line can mean nothing but one element."""
    return name.endswith(".bst") and not set(name) & set("*?[")


def _without_project(error: LoadError) -> LoadError | StreamError:
    """An error of opening a project as a command that needs one says it."""
    if error.reason != LoadErrorReason.MISSING_PROJECT_CONF.name:
        return error
    return StreamError(error.message, reason=NO_PROJECT, detail=NO_PROJECT_HELP)


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
