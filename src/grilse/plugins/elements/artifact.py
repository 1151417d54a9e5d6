"""What stands for an element of which only the artifact is known; no project can name it.

Its public data, environment and variables come from the artifact; there is nothing to build.
"""

from ...plugin.api import Element, MappingNode, Sandbox


class ArtifactElement(Element):
    """An artifact."""

    BST_MIN_VERSION = "2.0"

    def configure(self, node: MappingNode) -> None:
        """There is nothing to configure."""

    def preflight(self) -> None:
        """There is nothing to check."""

    def get_unique_key(self) -> int:
        """It has the key of its artifact."""
        return 0

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """There is nothing to configure."""


def setup() -> type[Element]:
    """The plugin's class."""
    return ArtifactElement
