"""What surrounds a plugin: the interfaces that a backend or a worker provides, so that plugins are the same in both.

Must not know who implements them.  In the backend plugins are configured and asked for their unique keys; a worker runs
them.  What only a running plugin needs is `RunHost`, and asking for it in the backend is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from ..storage.digest import Digest
    from ..storage.directory import CasDirectory
    from ..storage.store import Store
    from .aliases import Aliases
    from .element import Element
    from .node import MappingNode, Node, ScalarNode


class Paths(Protocol):
    """Checks paths below a project's directory (`paths.ProjectPaths`)."""

    @property
    def directory(self) -> str:
        """The project's directory, absolute."""

    def check(self, node: ScalarNode, *, check_is_file: bool = False, check_is_dir: bool = False) -> str:
        """The path that `node` holds, as written.

        Raises:
            LoadError: it does not exist, leads out of the project, or is of the wrong kind.
        """


class ProjectHost(Protocol):
    """What a plugin may ask of the project that uses it.

    Attributes:
        name: name of the project.
        directory: its directory, absolute.
        junction: full name of the junction element through which it was reached, "" for the toplevel project.
        fatal_warnings: names of the warnings that are errors.
        provenance_attributes: names that ``provenance`` mappings of sources may have; None until the project is loaded.
        paths: checks paths below `directory`.
        aliases: translates the project's aliases.
    """

    @property
    def name(self) -> str: ...
    @property
    def directory(self) -> str: ...
    @property
    def junction(self) -> str: ...
    @property
    def fatal_warnings(self) -> Sequence[str]: ...
    @property
    def provenance_attributes(self) -> Sequence[str] | None: ...
    @property
    def paths(self) -> Paths: ...
    @property
    def aliases(self) -> Aliases: ...


class ElementFacts(Protocol):
    """What is known of an element: in the backend what was resolved, in a worker what its record says.

    Attributes:
        name: file name below the project's element path.
        full_name: with junctions, as users see it.
        kind: kind of its plugin.
        project: its project.
        node: its declaration, for places in messages.
        description: text of its ``description``.
        workspace: host directory of its open workspace, or None.
        weak_key, strict_key, cache_key: keys as far as they are known.
        build_dependencies, runtime_dependencies: direct ones, in staging order.
        paths: the name that the declaration uses for each build dependency, with the configuration given there.
        sandbox: sandbox configuration, plain.
        nocache: environment variables that do not count in the key.
    """

    @property
    def name(self) -> str: ...
    @property
    def full_name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def project(self) -> ProjectHost: ...
    @property
    def node(self) -> Node: ...
    @property
    def description(self) -> str: ...
    @property
    def workspace(self) -> str | None: ...
    @property
    def weak_key(self) -> str | None: ...
    @property
    def strict_key(self) -> str | None: ...
    @property
    def cache_key(self) -> str | None: ...
    @property
    def build_dependencies(self) -> Sequence[ElementFacts]: ...
    @property
    def runtime_dependencies(self) -> Sequence[ElementFacts]: ...
    @property
    def sandbox(self) -> Mapping[str, Any]: ...
    def plugin_class(self) -> type[Element]:
        """The class of its plugin, imported when it is first asked for."""

    def variable(self, name: str) -> str | None:
        """The value of a variable, or None."""

    def variables(self) -> dict[str, str]:
        """Every variable, in order of declaration."""

    def environment(self) -> dict[str, str]:
        """The environment of its commands; a new dictionary."""

    def public(self) -> MappingNode:
        """Public data as declared; a clone."""

    def element(self) -> Element:
        """The plugin, configured; made when it is first asked for."""


class RunHost(Protocol):
    """What a running element needs: artifacts of its dependencies, staged sources, another sandbox."""

    def artifact_files(self, facts: ElementFacts) -> CasDirectory:
        """The files of an element's artifact; a new tree that may be changed.

        Raises:
            ElementError: the artifact is not cached (reason ``uncached-checkout-attempt``).
        """

    def artifact_public(self, facts: ElementFacts) -> MappingNode:
        """Public data as it was when the element was built; a clone."""

    def staged_sources(self, facts: ElementFacts) -> CasDirectory:
        """The element's sources as one tree, prepared for a build (merged into the last build of a workspace).

        Raises:
            ElementError: they are not cached.
        """

    @property
    def keeps_buildtree(self) -> bool:
        """Whether the build tree is wanted even of a build that succeeds."""


class Host(Protocol):
    """What any plugin may ask of its process.

    Attributes:
        debug: whether anybody sees debug messages.
        source_directory: where sources keep what they download.
        strict: whether the build plan is strict.
        log: where the output of programs goes, or None.
        store: the content-addressed store.
    """

    @property
    def debug(self) -> bool: ...
    @property
    def source_directory(self) -> str: ...
    @property
    def log(self) -> TextIO | None: ...
    @property
    def store(self) -> Store: ...

    def message(
        self, kind: str, text: str, *, detail: str | None = None, element: str | None = None, key: str | None = None
    ) -> None:
        """Send a message; `kind` is "debug", "status", "info", "warn", "error" or "log"."""

    def timed(
        self,
        text: str,
        *,
        detail: str | None = None,
        silent_nested: bool = False,
        element: str | None = None,
        key: str | None = None,
    ) -> AbstractContextManager[None]:
        """Report start and end of an activity around a block."""

    def silenced(self) -> AbstractContextManager[None]:
        """Keep messages below a warning to the log within a block."""

    def tree_digest(self, path: str, *, mtimes: bool = False) -> Digest:
        """The digest of a host file or directory as a tree (a file becomes the only entry of one).

        Raises:
            CasError: something cannot be read.
        """

    def stage_tree(self, path: str, *, mtimes: bool = False) -> CasDirectory:
        """Put a host file or directory into the store and give it as a tree.

        Raises:
            CasError: something cannot be read or stored.
        """

    @property
    def run(self) -> RunHost:
        """What a running element needs.

        Raises:
            ImplError: elements do not run in this process.
        """
