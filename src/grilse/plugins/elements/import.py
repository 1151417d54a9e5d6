"""``kind: import``: takes files from sources as they are.

Must not know where they come from.  Configuration: ``source``, the directory of the sources to take, and ``target``,
where it goes in the artifact.
"""

import os

from ...plugin.api import Element, ElementError, MappingNode, Sandbox


class ImportElement(Element):
    """Sources as an artifact."""

    BST_MIN_VERSION = "2.0"
    BST_RUN_COMMANDS = False

    def configure(self, node: MappingNode) -> None:
        """Read what to take and where to put it."""
        node.validate_keys(["source", "target"])
        self.source = node.get_str("source")
        self.target = node.get_str("target")

    def preflight(self) -> None:
        """Make sure that there is something to take."""
        if next(self.sources(), None) is None:
            raise ElementError(f"{self}: An import element must have at least one source.")

    def get_unique_key(self) -> dict[str, str]:
        """What is taken and where it goes."""
        return {"source": self.source, "target": self.target}

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """There is nothing to configure."""

    def stage(self, sandbox: Sandbox) -> None:
        """Sources are staged when the artifact is made."""

    def assemble(self, sandbox: Sandbox) -> str:
        """Stage the sources and take the directory from there."""
        self.stage_sources(sandbox, "input")
        root = sandbox.get_virtual_directory()
        taken = root.open_directory("input").open_directory(self.source.strip("/"))
        output = root.open_directory("output", create=True).open_directory(self.target.strip("/"), create=True)
        if not taken:
            raise ElementError(f"{self}: No files were found inside directory '{self.source}'")
        output.import_files(taken, collect_result=False)
        return "/output"

    def generate_script(self) -> str:
        """Moves the directory to where it belongs."""
        build_root, install_root = self.get_variable("build-root") or "", self.get_variable("install-root") or ""
        taken = os.path.join(build_root, self.normal_name, self.source.lstrip("/")).rstrip("/")
        output = os.path.join(install_root, self.target.lstrip("/")).rstrip("/")
        commands = (
            f"mkdir -p {os.path.dirname(output)}",
            f"[ ! -e {output} ] || rmdir {output}",
            f"mv {taken} {output}",
        )
        return "".join(f"(set -ex; {command}\n) || exit 1\n" for command in commands)


def setup() -> type[Element]:
    """The plugin's class."""
    return ImportElement
