"""`SourceMirror`: the base of plugins that know where else the files behind an alias can be had.

Must not know sources.  Names and signatures are BuildStream's (``buildstream.sourcemirror``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import SourceMirrorError
from .plugin import Plugin, PluginState

if TYPE_CHECKING:
    from .host import Host, ProjectHost
    from .node import MappingNode

__all__ = ["SourceMirror", "SourceMirrorError"]

# Its whole declaration is its configuration; that of other kinds stands below ``config``.
DEFAULT_KIND = "default"


class MirrorState(PluginState):
    """What the core keeps of a mirror: the aliases that it serves."""

    __slots__ = ("aliases",)

    def __init__(self, host: Host, project: ProjectHost, kind: str, name: str, node: MappingNode) -> None:
        super().__init__(host, project, kind, "source-mirror", name, node)
        self.aliases: set[str] = set()


class SourceMirror(Plugin):
    """Base of source mirrors.

    Args:
        node: the declaration, variables replaced.
    """

    BST_MIN_VERSION: str | None = "2.2"

    _grilse: MirrorState

    def __init__(self, node: MappingNode, project: ProjectHost, host: Host) -> None:
        kind = node.get_str("kind", DEFAULT_KIND)
        config = node
        if kind != DEFAULT_KIND:
            node.validate_keys(["name", "kind", "config"])
            config = node.get_mapping("config", {})
        name = node.get_str("name")
        super().__init__(name, MirrorState(host, project, kind, name, node))
        self._configure(config)

    def configure(self, node: MappingNode) -> None:
        """Read the configuration, and call `set_supported_aliases`."""
        raise self._missing("configure")

    def set_supported_aliases(self, aliases: list[str]) -> None:
        """Say which aliases this mirror can translate; in `configure` only."""
        if not self._grilse.configuring:
            raise AssertionError(f"{self}: aliases are set while the mirror is configured")
        self._grilse.aliases.update(aliases)

    def translate_url(self, *, alias: str, alias_url: str, source_url: str, extra_data: dict[str, Any] | None) -> str:
        """The URL at which this mirror has a file.

        Args:
            alias: the alias in the project that declares the mirror.
            alias_url: what the alias stands for in the project of the source.
            source_url: the URL of the source, behind the alias.
            extra_data: may be filled with what the source should know, or None.
        """
        raise self._missing("translate_url")

    def grilse_offers(self, alias: str) -> list[SourceMirror | str]:
        """What this mirror has for an alias: itself, or texts that stand for the alias."""
        return [self] if alias in self._grilse.aliases else []
