"""``kind: link``: another name for an element.

Must not know where it leads: links are followed when elements are loaded, so that none is ever built.
"""

from __future__ import annotations

from ...plugin.api import Element, MappingNode, Sandbox


class LinkElement(Element):
    """A link, which only declares where it leads."""

    BST_MIN_VERSION = "2.0"
    BST_FORBID_BDEPENDS = True
    BST_FORBID_RDEPENDS = True
    BST_FORBID_SOURCES = True

    def configure(self, node: MappingNode) -> None:
        """Read where it leads."""
        node.validate_keys(["target"])
        self.target_node = node.get_scalar("target")

    def preflight(self) -> None:
        """Nothing to check."""

    def get_unique_key(self) -> int:
        """There is no artifact."""
        return 1

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """Links are followed before anything is built."""
        raise AssertionError(f"{self}: a link is never built")

    stage = configure_sandbox

    def assemble(self, sandbox: Sandbox) -> str:
        """Links are followed before anything is built."""
        raise AssertionError(f"{self}: a link is never built")


def setup() -> type[Element]:
    """The plugin's class."""
    return LinkElement
