"""``kind: default``: a mirror that has other texts in place of aliases.

Must not know what is behind a URL.  Configuration: ``aliases``, from alias to a list of texts.
"""

from __future__ import annotations

from ...plugin.api import MappingNode, SourceMirror


class DefaultSourceMirror(SourceMirror):
    """Texts that stand for aliases."""

    BST_MIN_VERSION = "2.2"

    def configure(self, node: MappingNode) -> None:
        """Read the texts of each alias."""
        node.validate_keys(["name", "kind", "aliases"])
        aliases = node.get_mapping("aliases")
        self._texts = {alias: aliases.get_sequence(alias).as_str_list() for alias in aliases.keys()}  # noqa: SIM118
        self.set_supported_aliases(list(self._texts))

    def grilse_offers(self, alias: str) -> list[SourceMirror | str]:
        """The texts."""
        return list(self._texts.get(alias, ()))


def setup() -> type[SourceMirror]:
    """The plugin's class."""
    return DefaultSourceMirror
