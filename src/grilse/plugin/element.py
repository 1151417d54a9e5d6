"""`Element`: the base of all element plugins.

Must not know how elements are loaded, how their keys are computed or how their artifacts are stored: what is known of
an element comes from `ElementFacts`, what a running one needs from its `Host`.  Names and signatures are BuildStream's
(``buildstream.element``).
"""

from __future__ import annotations

import os
import string
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from . import staging
from .closure import build_closure, runtime_closure
from .exceptions import ElementError
from .plugin import Plugin, PluginState
from .proxy import ElementProxy
from .types import OverlapAction

if TYPE_CHECKING:
    from ..storage.filetypes import FileListResult
    from .host import ElementFacts, Host
    from .node import MappingNode, ScalarNode, SequenceNode
    from .sandbox import Sandbox
    from .source import Source

__all__ = ["DependencyConfiguration", "Element", "ElementError", "artifact_name", "normal_name"]

_NAME_CHARACTERS = frozenset(string.digits + string.ascii_letters + "-._")


def normal_name(name: str) -> str:
    """An element's name without slashes and extension."""
    return os.path.splitext(name.replace("/", "-"))[0]


def artifact_name(facts: ElementFacts, key: str | None = None) -> str:
    """``PROJECT/ELEMENT/KEY``: how an artifact is named, and where its ref lies.

    Raises:
        ElementError: no key is given and the element's is not known.
    """
    key = key or facts.cache_key
    if key is None:
        raise ElementError(f"{facts.full_name}: the cache key is not known yet")
    return f"{facts.project.name}/{storage_name(facts.name)}/{key}"


def storage_name(name: str) -> str:
    """An element's name as part of the path of its artifacts."""
    return "".join(c if c in _NAME_CHARACTERS else "_" for c in normal_name(name))


class DependencyConfiguration:
    """A build dependency with the configuration that the declaration gives it.

    Attributes:
        element: the dependency.
        path: the name that the declaration uses for it.
        config: the ``config`` given there, or None.
    """

    def __init__(self, element: Element, path: str, config: MappingNode | None) -> None:
        self.element = element
        self.path = path
        self.config = config


class ElementState(PluginState):
    """What the core keeps of an element.

    Attributes:
        facts: what is known of it.
        sources: its sources.
        collectors: what watches over overlaps, by sandbox.
        public: public data as the running element changes it.
        environment: what `get_environment` gives, which plugins may change.
        proxies: what it sees of its dependencies.
    """

    __slots__ = ("collectors", "environment", "facts", "proxies", "public", "sources")

    def __init__(self, facts: ElementFacts, host: Host) -> None:
        super().__init__(host, facts.project, facts.kind, "element", facts.full_name, facts.node)
        self.facts = facts
        self.sources: list[Source] = []
        self.collectors: dict[int, Any] = {}
        self.public: MappingNode | None = None
        self.environment: dict[str, str] | None = None
        self.proxies: dict[int, ElementProxy] = {}


class Element(Plugin):
    """Base of elements."""

    BST_ARTIFACT_VERSION: int = 0
    """To be increased when the plugin makes other output of the same unique key."""

    BST_STRICT_REBUILD: bool = False
    """Whether to build again when a dependency changed, even if the build plan is not strict."""

    BST_FORBID_RDEPENDS: bool = False
    """Whether runtime dependencies are an error."""

    BST_FORBID_BDEPENDS: bool = False
    """Whether build dependencies are an error."""

    BST_FORBID_SOURCES: bool = False
    """Whether sources are an error."""

    BST_RUN_COMMANDS: bool = True
    """Whether the element may run commands in its sandbox."""

    BST_ELEMENT_HAS_ARTIFACT: bool = True
    """Whether the artifact has content."""

    _grilse: ElementState

    def __init__(self, facts: ElementFacts, host: Host) -> None:
        super().__init__(facts.name, ElementState(facts, host))

        self.project_name = facts.project.name
        """Name of the project; with `name` it is not unique, since one project may be used through two junctions."""

        self.normal_name = normal_name(facts.name)
        """`name` without slashes and extension, for file names."""

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)

    # Abstract methods

    def configure_dependencies(self, dependencies: Iterable[DependencyConfiguration]) -> None:
        """Read what the declaration says about each build dependency; optional.

        A dependency that is listed several times comes several times.

        Args:
            dependencies: build dependencies in order, with or without ``config``.

        Raises:
            ElementError: the configuration is wrong.
        """
        raise AssertionError("only called on elements that implement it")

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """Set the environment, the working directory and the like of the sandbox.

        Raises:
            ElementError: it cannot be done.
        """
        raise self._missing("configure_sandbox")

    def stage(self, sandbox: Sandbox) -> None:
        """Put artifacts of dependencies and sources into the sandbox.

        Raises:
            ElementError: it cannot be done.
        """
        raise self._missing("stage")

    def assemble(self, sandbox: Sandbox) -> str:
        """Make the output.

        Returns:
            the absolute directory of the sandbox that becomes the artifact; "" for an empty one.

        Raises:
            ElementError: it cannot be done.
        """
        raise self._missing("assemble")

    def generate_script(self) -> str:
        """A shell script that builds the element outside of a sandbox, with ``PREFIX`` as the install root."""
        raise self._missing("generate_script")

    # For plugins

    def sources(self) -> Iterator[Source]:
        """The element's sources."""
        return iter(self._grilse.sources)

    def dependencies(self, selection: Sequence[Any] | None = None, *, recurse: bool = True) -> Iterator[Element]:
        """Dependencies in staging order.

        Args:
            selection: dependencies, for which what they need to run is given, themselves included; None for what
                this element needs to be built, itself left out.
            recurse: whether to go beyond direct dependencies.

        There are none in `configure`, as in BuildStream: what a declaration configures does not depend on others.
        """
        visited = set[int]()
        for item in (self,) if selection is None else selection:
            for facts in self._reachable(item, recurse, visited):
                yield cast("Element", self._proxy(facts))

    def _reachable(self, item: Any, recurse: bool, visited: set[int]) -> Iterable[ElementFacts]:
        if self._grilse.configuring:
            return ()
        if item is self:
            facts = self._grilse.facts
            return build_closure(facts, visited) if recurse else _unique(facts.build_dependencies)
        facts = item._grilse_facts
        return runtime_closure([facts], visited) if recurse else _unique(facts.runtime_dependencies)

    def search(self, name: str) -> Element | None:
        """The element called `name` among what this element needs to be built, or None."""
        for facts in () if self._grilse.configuring else build_closure(self._grilse.facts):
            if facts.name == name:
                return cast("Element", self._proxy(facts))
        return None

    def node_subst_vars(self, node: ScalarNode) -> str:
        """Deprecated: configuration comes with variables replaced; gives the text of `node`."""
        _warn_deprecated("node_subst_vars")
        return node.as_str()

    def node_subst_sequence_vars(self, node: SequenceNode) -> list[str]:
        """Deprecated as `node_subst_vars`; gives the texts of `node`."""
        _warn_deprecated("node_subst_sequence_vars")
        return node.as_str_list()

    def compute_manifest(
        self, *, include: list[str] | None = None, exclude: list[str] | None = None, orphans: bool = True
    ) -> Iterator[str]:
        """Relative paths of the files in this element's artifact that belong to the selected domains.

        Args:
            include: domains to take, all if None.
            exclude: domains to leave out.
            orphans: whether to take files that no domain claims.
        """
        return staging.manifest(self, self._grilse.facts, include, exclude, orphans)

    def get_artifact_name(self, key: str | None = None) -> str:
        """``PROJECT/ELEMENT/KEY``, safe as a relative path.

        Args:
            key: cache key, the element's own by default.
        """
        return artifact_name(self._grilse.facts, key)

    def stage_artifact(
        self,
        sandbox: Sandbox,
        *,
        path: str | None = None,
        action: OverlapAction = OverlapAction.WARNING,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        orphans: bool = True,
    ) -> FileListResult:
        """Stage this element's artifact, without what it needs to run.

        Args:
            sandbox: where to.
            path: absolute directory there, the root by default.
            action: what to do about files that earlier calls staged.
            include: domains to take, all if None.
            exclude: domains to leave out.
            orphans: whether to take files that no domain claims.

        Returns:
            which files were written, and which others they replaced.

        Raises:
            ElementError: there is no artifact, or overlaps are forbidden.
        """
        overlaps = staging.collector(self, sandbox)
        with overlaps.session(action, path):
            return staging.stage_one(self, self._grilse.facts, sandbox, path, include, exclude, orphans, overlaps)

    def stage_dependency_artifacts(
        self,
        sandbox: Sandbox,
        selection: Sequence[Any] | None = None,
        *,
        path: str | None = None,
        action: OverlapAction = OverlapAction.WARNING,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        orphans: bool = True,
    ) -> None:
        """Stage artifacts of dependencies, in staging order, with all that they need to run.

        Args:
            sandbox: where to.
            selection: as for `dependencies`.
            path, action, include, exclude, orphans: as for `stage_artifact`.

        Raises:
            ElementError: an artifact is missing, or overlaps are forbidden.
        """
        overlaps = staging.collector(self, sandbox)
        visited = set[int]()
        with overlaps.session(action, path):
            for item in (self,) if selection is None else selection:
                found = self._reachable(item, True, visited)
                staging.stage_all(self, found, sandbox, path, include, exclude, orphans, overlaps)

    def integrate(self, sandbox: Sandbox) -> None:
        """Run this element's integration commands in a sandbox that it is staged in."""
        staging.integrate(self, self._grilse.facts, sandbox)

    def stage_sources(self, sandbox: Sandbox, directory: str) -> None:
        """Stage the element's sources.

        Args:
            sandbox: where to.
            directory: absolute directory there, which must be empty.

        Raises:
            ElementError: it is not empty.
        """
        state = self._grilse
        with self.timed_activity("Staging sources", silent_nested=True):
            target = sandbox.get_virtual_directory().open_directory(directory.lstrip("/"), create=True)
            if target:
                raise ElementError(f"Staging directory '{directory}' is not empty")
            target.import_files(state.host.run.staged_sources(state.facts), collect_result=False)

    def get_public_data(self, domain: str) -> MappingNode | None:
        """Public data of one domain, or None; only when the element is being built, or has been.

        What is returned may be changed; `set_public_data` makes it count.
        """
        found = self._public().get_mapping(domain, default=None)
        return None if found is None else found.clone()

    def set_public_data(self, domain: str, data: MappingNode) -> None:
        """Change the public data that goes into the artifact; for `assemble`."""
        self._public()[domain] = data if data is None else data.clone()

    def _public(self) -> MappingNode:
        state = self._grilse
        if state.public is None:
            state.public = state.host.run.artifact_public(state.facts)
        return state.public

    def get_environment(self) -> dict[str, str]:
        """The environment that commands run with; a change to it is recorded in the artifact."""
        state = self._grilse
        if state.environment is None:
            state.environment = state.facts.environment()
        return state.environment

    def get_variable(self, varname: str) -> str | None:
        """The value of a variable, or None if there is none of that name."""
        return self._grilse.facts.variable(varname)

    def run_cleanup_commands(self, sandbox: Sandbox) -> None:
        """Empty the build directory at the end of a build, so that it need not be captured.

        Nothing is done where somebody wants it: in workspaces, and when build trees are always kept.
        """
        state = self._grilse
        if state.facts.workspace or state.host.run.keeps_buildtree:
            return
        build_root, install_root = self.get_variable("build-root"), self.get_variable("install-root")
        if build_root is None:
            return
        if install_root and (build_root.startswith(install_root) or install_root.startswith(build_root)):
            return
        sandbox.grilse_clean_directory(build_root)

    @contextmanager
    def subsandbox(self, sandbox: Sandbox) -> Iterator[Sandbox]:
        """A second sandbox, empty, for work on artifacts that is not to show in the first one."""
        second = sandbox.grilse_subsandbox()
        with staging.collecting(self, second):
            yield second

    # Private

    def _proxy(self, facts: ElementFacts) -> ElementProxy:
        """What this element sees of another, always the same object."""
        proxies = self._grilse.proxies
        proxy = proxies.get(id(facts))
        if proxy is None:
            proxy = proxies[id(facts)] = ElementProxy(self, facts)
        return proxy

    def _direct_dependencies(self) -> tuple[list[ElementProxy], list[ElementProxy]]:
        """What the declaration lists to build and to run the element."""
        facts = self._grilse.facts
        build = [self._proxy(dependency) for dependency in _unique(facts.build_dependencies)]
        return build, [self._proxy(dependency) for dependency in _unique(facts.runtime_dependencies)]

    def _get_workspace(self) -> str | None:
        """Host directory of the open workspace, or None."""
        return self._grilse.facts.workspace

    def _get_source_element(self) -> ElementFacts:
        """Whose sources commands about this element's sources mean."""
        return self._grilse.facts


def _unique(dependencies: Iterable[ElementFacts]) -> list[ElementFacts]:
    return list({id(facts): facts for facts in dependencies}.values())


def _warn_deprecated(method: str) -> None:
    import warnings

    warnings.warn(f"{method}() does nothing: variables are replaced already", DeprecationWarning, stacklevel=3)
