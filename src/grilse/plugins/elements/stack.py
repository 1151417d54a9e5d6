"""``kind: stack``: a name for a group of elements, without content of its own.

Must not know what the elements are.  Every dependency of a stack is needed both to build and to run what depends on
the stack, so that nothing else may be declared.
"""

from ...plugin.api import Element, ElementError, MappingNode, Sandbox


class StackElement(Element):
    """A group of elements."""

    BST_MIN_VERSION = "2.0"
    BST_ELEMENT_HAS_ARTIFACT = False
    BST_FORBID_SOURCES = True
    BST_RUN_COMMANDS = False

    def configure(self, node: MappingNode) -> None:
        """There is nothing to configure."""

    def preflight(self) -> None:
        """Make sure that all dependencies are needed both to build and to run."""
        build, runtime = self._direct_dependencies()
        if set(build) != set(runtime):
            raise ElementError(
                "Every dependency of a stack must be both a build and a runtime dependency",
                detail="List them below 'depends', without a 'type'.",
                reason="stack-requires-build-and-run",
            )

    def get_unique_key(self) -> int:
        """Nothing differs but the dependencies."""
        return 1

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """There is nothing to configure."""

    def stage(self, sandbox: Sandbox) -> None:
        """There is nothing to stage."""

    def assemble(self, sandbox: Sandbox) -> str:
        """An empty directory."""
        root = sandbox.get_virtual_directory()
        root.open_directory("output", create=True)
        return "/output"


def setup() -> type[Element]:
    """The plugin's class."""
    return StackElement
