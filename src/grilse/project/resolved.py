"""An element whose configuration is complete: what resolving makes, and what everything else works with.

Must not know how elements are resolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ..plugin import keytext
from .keys import Closure, KeyText, name_fragment

if TYPE_CHECKING:
    from ..plugin.element import Element
    from ..plugin.factory import LoadedPlugin
    from ..plugin.node import MappingNode, Node
    from ..plugin.source import Source
    from ..plugin.variables import Variables
    from .load_element import Dependency, LoadElement
    from .template import Expanded
    from .view import ProjectView


class ResolvedElement:
    """An element whose configuration is complete; what its plugin sees of it is `plugin.host.ElementFacts`.

    Attributes:
        load_element: what it was made from.
        number: place in the order of loading; `bit` is the bit of that number.
        name, full_name, kind, description: as of the load element.
        project: its project as plugins see it.
        plugin: its plugin.
        workspace: host directory of its open workspace, or None.
        config: its configuration, variables replaced.
        sandbox: sandbox configuration, plain.
        nocache: names of environment variables that do not count in keys.
        build_dependencies, runtime_dependencies, strict_dependencies: direct ones in staging order.
        build_closure: what it is built with; `run_closure` what it needs to run, itself included.
        source_keys: unique keys of its sources, plain; None if a source has no ref.
        encoded_sources: their text, as it counts in keys.
        key_text: from which its keys are computed, None without `source_keys`.
        weak_key, strict_key: None if a source, of its own or of a dependency, has no ref.
        cache_key: the full key, as soon as it is known.
        fragments: what keys of others say of it: without key, with the weak and with the strict one.
    """

    __slots__ = (
        "_element",
        "_environment",
        "_public",
        "_sources_key",
        "_variables",
        "bit",
        "build_closure",
        "build_dependencies",
        "cache_key",
        "config",
        "description",
        "encoded_sources",
        "fragments",
        "full_name",
        "key_text",
        "kind",
        "load_element",
        "name",
        "nocache",
        "node",
        "number",
        "plugin",
        "project",
        "run_closure",
        "runtime_dependencies",
        "sandbox",
        "source_keys",
        "strict_dependencies",
        "strict_key",
        "weak_key",
        "workspace",
    )

    build_closure: Closure
    run_closure: Closure
    build_dependencies: list[ResolvedElement]
    runtime_dependencies: list[ResolvedElement]
    strict_dependencies: list[ResolvedElement]
    config: MappingNode
    sandbox: dict[str, Any]

    def __init__(self, load_element: LoadElement, project: ProjectView, plugin: LoadedPlugin) -> None:
        self.load_element = load_element
        self.take_number()
        self.name = load_element.name
        self.full_name = load_element.full_name
        self.kind = load_element.kind
        self.description = load_element.description
        self.node: Node = load_element.node
        self.project = project
        self.plugin = plugin
        self.workspace: str | None = None
        self.nocache: list[str] = []
        self.source_keys: list[dict[str, Any]] | None = None
        self.encoded_sources = b""
        self.key_text: KeyText | None = None
        self.weak_key: str | None = None
        self.strict_key: str | None = None
        self.cache_key: str | None = None
        self.fragments: list[bytes | None] = [name_fragment(project.name, self.name), None, None]
        self._element: Element | None = None
        self._variables: Variables | None = None
        self._environment: Expanded | None = None
        self._public: Expanded | None = None
        self._sources_key: str | None = None

    def __repr__(self) -> str:
        return f"<ResolvedElement {self.full_name}>"

    def take_number(self) -> None:
        """Learn its place in the order of elements."""
        self.number: int = self.load_element.number
        self.bit = 1 << max(self.number, 0)

    def plugin_class(self) -> type[Element]:
        """The class of its plugin."""
        return cast("type[Element]", self.plugin.type)

    def element(self) -> Element:
        """Its plugin."""
        assert self._element is not None
        return self._element

    def variable(self, name: str) -> str | None:
        """The value of a variable, or None."""
        assert self._variables is not None
        return self._variables.get(name)

    def variables(self) -> dict[str, str]:
        """Every variable, in order of declaration."""
        assert self._variables is not None
        return self._variables.plain()

    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        assert self._environment is not None
        return dict(self._environment.plain)

    def plain_environment(self) -> dict[str, str]:
        """The same; not to be changed."""
        assert self._environment is not None
        return self._environment.plain

    def public(self) -> MappingNode:
        """Public data as declared."""
        assert self._public is not None
        return self._public.node.clone()

    def plain_public(self) -> dict[str, Any]:
        """Public data as declared, plain; not to be changed."""
        assert self._public is not None
        return self._public.plain

    def encoded_public(self) -> bytes:
        """Public data as it counts in keys."""
        public = self._public
        assert public is not None
        if public.encoded is None:
            public.encoded = keytext.encode_text(public.plain)
        return public.encoded

    def plain_config(self) -> dict[str, Any]:
        """Its configuration as plain data."""
        return self.config.strip_node_info()

    def expanded(self, node: MappingNode) -> MappingNode:
        """`node` with this element's variables replaced."""
        assert self._variables is not None
        return self._variables.expand(node)

    def dependencies(self) -> list[tuple[Dependency, ResolvedElement]]:
        """Its dependencies as declared, in staging order, with what they lead to."""
        direct = {id(below.load_element): below for below in (*self.build_dependencies, *self.runtime_dependencies)}
        return [(item, direct[id(item.element)]) for item in self.load_element.dependencies]

    @property
    def sources(self) -> list[Source]:
        """Its sources."""
        return self.element()._grilse.sources

    def sources_present(self) -> bool:
        """Whether all its sources are on this machine, each by itself.

        Raises:
            GrilseError: what a plugin says, or that it is broken.
        """
        return all(source._is_cached() for source in self.sources)

    @property
    def is_resolved(self) -> bool:
        """Whether all its sources have refs."""
        return self.source_keys is not None

    def sources_key(self) -> str | None:
        """The key under which its sources are cached together, or None if one has no ref."""
        if self._sources_key is None and self.source_keys is not None:
            self._sources_key = hashlib.sha256(self.encoded_sources).hexdigest()
        return self._sources_key

    def full_key(self, keys: Callable[[ResolvedElement], str | None]) -> str | None:
        """The full key in a build that is not strict.

        Args:
            keys: gives the full key of a dependency, None if it is not known yet.
        """
        if self.key_text is None or self.weak_key is None:
            return None
        closure = list(self.build_closure)
        return self.key_text.full(closure, self.weak_key, map(keys, closure))
