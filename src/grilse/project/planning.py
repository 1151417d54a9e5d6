"""One session's loading and resolving in one place: what a backend calls.

Must not know commands or jobs.  `Planner` is the host of loading: it knows plugins::

    planner = Planner(session, say=...)
    planner.open()                                    # the toplevel project
    elements = planner.load(["app.bst"])              # resolved, with everything below them
    planner.close()

What loads and resolves is imported when it is needed: what is recalled needs none of it.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from .. import __version__
from ..plugin.importing import keep_bytecode
from ..protocol.errors import LoadError, LoadErrorReason
from .api import bounded_depth
from .plan_host import PlanHost, Say
from .resolved import ResolvedElement
from .snapshot import Said, mark_used, read_snapshot, snapshot_path

if TYPE_CHECKING:
    from ..plugin.node import Node
    from ..storage.supply import Supplier
    from .api import LoadSession
    from .load_element import LoadElement
    from .plugins import PluginFactories
    from .project import Project
    from .recall import Recalled
    from .resolve import Resolver

# Makes sure that the sources of a junction are cached; called with the resolved junction.
Fetch = Callable[[ResolvedElement], None]


class Planner:
    """See the module.

    Args:
        session: loads the project.
        say: sends messages.
        fetch: gets the sources of junctions that are not cached, or None where that cannot be done.
        remember: whether digests of local files are kept for the next session.
        note: as of `Resolver`.

    Attributes:
        session: as given.
        supplier: supplies the store that sources of junctions are staged from, or None.
    """

    def __init__(
        self,
        session: LoadSession,
        *,
        say: Say,
        fetch: Fetch | None = None,
        remember: bool = True,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.session = session
        self._factories: PluginFactories | None = None
        self._say = say
        self._fetch = fetch
        self._remember = remember
        self._note = note
        self._host: PlanHost | None = None
        self.supplier: Supplier | None = None
        self._resolver: Resolver | None = None
        # Plugins ask for what is kept in whole snapshots only.
        self._curious = False

    def open(self) -> Project:
        """Load the toplevel project's configuration.

        Raises:
            LoadError: as `LoadSession.open_project` does.
        """
        return self.session.open_project(self)

    def load(self, names: Iterable[str]) -> list[ResolvedElement]:
        """Load and resolve elements with everything below them.

        Args:
            names: element names below the toplevel project, with junctions.

        Raises:
            GrilseError: whatever is wrong with any of them.
        """
        elements = self.session.load(names)
        resolved = self.resolve(elements)
        self.finish()
        return resolved

    def resolve(self, elements: Iterable[LoadElement]) -> list[ResolvedElement]:
        """Resolve loaded elements with everything below them; raises as `load` does."""
        with bounded_depth():
            return self.resolver.resolve(elements)

    def finish(self, *, complete: bool = True) -> None:
        """Check and tell what only shows when everything is loaded and resolved; see `LoadSession.finish`.

        Raises:
            LoadError: CONFLICTING_JUNCTION, or what is wrong with a project's configuration.
        """
        self.session.finish(complete=complete)
        if complete:
            self.resolver.check_projects(self.session.context.projects)
        self._warn_redundant()

    @property
    def factories(self) -> PluginFactories:
        """Plugins by project."""
        if self._factories is None:
            from .plugins import PluginFactories

            self._factories = PluginFactories(self._warn)
        return self._factories

    @property
    def resolver(self) -> Resolver:
        """Resolves elements."""
        if self._resolver is None:
            from .resolve import Resolver

            project = self.session.project
            strict = self.session.config.is_strict(project.name)
            self._resolver = Resolver(self.host, self.factories.get, strict=strict, note=self._note)
        return self._resolver

    @property
    def host(self) -> PlanHost:
        """The surroundings of plugins."""
        if self._host is None:
            keep_bytecode(self.session.config.cachedir)
            self._host = self._make_host(self._say)
        return self._host

    def _make_host(self, say: Say) -> PlanHost:
        config = self.session.config
        host = PlanHost(
            config.cachedir,
            config.sourcedir,
            os.path.realpath(self.session.directory),
            say,
            debug=config.debug,
            remember=self._remember,
            note=self.session.files.inputs.tree,
        )
        if self.supplier is not None:
            host.store.supplier = self.supplier
        return host

    # What the last session found out

    def recall(self, names: Sequence[str], excepted: Sequence[str], *, whole: bool) -> Recalled | None:
        """What came of loading these names before, if everything is as it was then.

        Args:
            names, excepted: element names.
            whole: whether elements will be asked for more than names, dependencies, keys and states.

        Raises:
            LoadError: as `LoadSession.find_project` does.
        """
        path = self._snapshot_path(names, excepted)
        snapshot = None if path is None else read_snapshot(path)
        if path is None or snapshot is None or not self.session.config.is_strict(snapshot.index.project):
            return None
        if whole and not snapshot.index.whole:
            return None
        from .recall import recall

        heard: list[Said] = []
        listener = self._make_host(lambda *message: heard.append(Said(2, *message)))
        with bounded_depth():
            recalled = recall(snapshot, self.host, listener, heard)
        self._curious = snapshot.lacked
        if recalled is not None:
            mark_used(path)
        return recalled

    def remember(
        self,
        names: Sequence[str],
        excepted: Sequence[str],
        targets: Sequence[ResolvedElement],
        said: Sequence[Said],
        *,
        whole: bool,
    ) -> None:
        """Keep for the next session what came of loading these names; what was `said` belongs to it."""
        path = self._snapshot_path(names, excepted)
        if path is None or not self.session.config.is_strict(self.session.project.name):
            return
        from .remember import remember

        remember(path, self, targets, said, whole=whole or self._curious)

    def _snapshot_path(self, names: Sequence[str], excepted: Sequence[str]) -> str | None:
        """Where the snapshot for these names is, None if there cannot be one."""
        workspaces = self.session.find_project()
        if len(workspaces) or not self._remember:
            return None
        config = self.session.config
        return snapshot_path(
            config.cachedir,
            [
                __version__,
                sys.version,
                sys.path,
                platform.machine(),
                platform.system(),
                self.session.directory,
                names,
                excepted,
                config.origin,
                config.sourcedir,
                config.max_jobs,
                config.default_mirror,
                config.options,
                config.debug,
            ],
        )

    def close(self) -> None:
        """Keep for the next session what was found out in this one."""
        if self._host is not None:
            self._host.close()
        self.session.close()

    # What loading asks of its host

    def project_loaded(self, project: Project) -> None:
        """Take note of where a project's plugins come from.

        Raises:
            LoadError, PluginError: that is malformed.
        """
        self.factories.add(project)

    def check_junction(self, element: LoadElement) -> None:
        """Let plugins look at a junction.

        Raises:
            GrilseError: what they find.
        """
        self.resolver.make(element)

    def stage_junction(self, element: LoadElement, place: Node | None) -> str:
        """The directory with the sources of a junction.

        Raises:
            LoadError: SUBPROJECT_INCONSISTENT if a source has no ref.
            GrilseError: they cannot be fetched or staged.
        """
        junction = self.resolver.resolve([element])[0]
        key = junction.sources_key()
        if key is None:
            raise LoadError(
                f"The sources of the junction '{element.full_name}' have no ref",
                reason=LoadErrorReason.SUBPROJECT_INCONSISTENT,
                detail=f"Try tracking it: bst source track {element.full_name}",
                where=str(place.get_provenance()) if place is not None else "",
            )
        assert junction.strict_key is not None
        from .context import STAGED_JUNCTIONS

        base = os.path.join(element.project.directory, STAGED_JUNCTIONS, element.name)
        directory = os.path.join(base, junction.strict_key)
        if not os.path.exists(directory):
            self._stage(junction, key, directory)
        return directory

    def _stage(self, junction: ResolvedElement, key: str, directory: str) -> None:
        """Write the sources of a junction to where they are read from, as a whole or not at all."""
        import tempfile

        from ..storage.checkout import export_tree
        from ..storage.sources import SourceCache

        cache = SourceCache(self.host.store, together=True)
        if not cache.is_cached(key):
            if self._fetch is None:
                raise LoadError(
                    f"The sources of the junction '{junction.full_name}' are not cached",
                    reason=LoadErrorReason.SUBPROJECT_INCONSISTENT,
                    where=junction.load_element.provenance,
                )
            self._fetch(junction)
        tree = cache.lookup(key)
        assert tree is not None
        parent = os.path.dirname(directory)
        os.makedirs(parent, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=parent) as scratch:
            target = os.path.join(scratch, "tree")
            export_tree(self.host.store, tree, target)
            try:
                os.rename(target, directory)
            except OSError:
                # Another session may have been faster.
                if not os.path.isdir(directory):
                    raise

    def _warn(self, message: str, detail: str | None) -> None:
        self._say("warn", message, detail, None)

    def _warn_redundant(self) -> None:
        redundant = self.resolver.redundant_refs
        if redundant:
            lines = [f"{source._get_provenance()}:{ref}" for source, ref in redundant]
            self._warn(
                "Ignoring redundant source references",
                "The following inline specified source references will be ignored:\n\n" + "\n".join(lines),
            )
            redundant.clear()
