"""``kind: junction``: the place of another project, whose elements this one can use.

Must not know how the other project is loaded: what a junction means is read when its project is loaded, before there
are plugins.  As an element it only has sources; it cannot be built.
"""

from __future__ import annotations

from ...plugin.api import Element, FastEnum, MappingNode, Sandbox
from ...protocol.errors import ErrorDomain, GrilseError


class _Mapping(FastEnum):
    """What becomes of aliases that the junction does not mention."""

    NONE = "none"
    IDENTITY = "identity"


class JunctionElement(Element):
    """A junction as far as its sources are concerned."""

    BST_MIN_VERSION = "2.0"
    BST_FORBID_BDEPENDS = True
    BST_FORBID_RDEPENDS = True

    def configure(self, node: MappingNode) -> None:
        """Read what loading has read already."""
        node.validate_keys(["path", "options", "overrides", "aliases", "map-aliases"])
        self.path = node.get_str("path", "")
        self.options = node.get_mapping("options", {})
        self.overrides = node.get_mapping("overrides", {})
        self.aliases = node.get_mapping("aliases", {})
        self.map_aliases = node.get_enum("map-aliases", _Mapping, _Mapping.NONE)

    def preflight(self) -> None:
        """Nothing to check."""

    def get_unique_key(self) -> int:
        """There is no artifact; sources are cached under keys of their own."""
        return 1

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """A junction cannot be built."""
        raise self._not_built()

    def stage(self, sandbox: Sandbox) -> None:
        """A junction cannot be built."""
        raise self._not_built()

    def assemble(self, sandbox: Sandbox) -> str:
        """A junction cannot be built."""
        raise self._not_built()

    def generate_script(self) -> str:
        """A junction cannot be built."""
        raise self._not_built()

    def _not_built(self) -> GrilseError:
        return GrilseError(f"{self}: a junction cannot be built", domain=ErrorDomain.PIPELINE)


def setup() -> type[Element]:
    """The plugin's class."""
    return JunctionElement
