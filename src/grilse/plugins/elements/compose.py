"""``kind: compose``: the content of several elements as one artifact.

Must not know what the elements are.  Configuration: whether to run integration commands, which domains of split rules
to take or to leave out, and whether files without a domain are taken.
"""

from __future__ import annotations

from typing import Any

from ...plugin.api import Element, MappingNode, Sandbox


class ComposeElement(Element):
    """What the dependencies, and all that they need to run, look like when they are staged together."""

    BST_MIN_VERSION = "2.0"
    BST_STRICT_REBUILD = True
    BST_FORBID_RDEPENDS = True
    BST_FORBID_SOURCES = True

    def configure(self, node: MappingNode) -> None:
        """Read what to take."""
        node.validate_keys(["integrate", "include", "exclude", "include-orphans"])
        self.integration = node.get_bool("integrate")
        self.include = node.get_str_list("include")
        self.exclude = node.get_str_list("exclude")
        self.include_orphans = node.get_bool("include-orphans")
        if not self.integration:
            self.BST_RUN_COMMANDS = False

    def preflight(self) -> None:
        """Nothing to check."""

    def get_unique_key(self) -> dict[str, Any]:
        """What is taken."""
        key: dict[str, Any] = {
            "integrate": self.integration,
            "include": sorted(self.include),
            "orphans": self.include_orphans,
        }
        if self.exclude:
            key["exclude"] = sorted(self.exclude)
        return key

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """There is nothing to configure."""

    def stage(self, sandbox: Sandbox) -> None:
        """Stage everything in the root."""
        with self.timed_activity("Staging dependencies", silent_nested=True):
            self.stage_dependency_artifacts(sandbox)

    def assemble(self, sandbox: Sandbox) -> str:
        """Integrate, and select files if not all are wanted."""
        selective = bool(self.include or self.exclude or not self.include_orphans)
        wanted = self._wanted() if selective else set()
        root = sandbox.get_virtual_directory()
        if self.integration:
            before = set(root.list_relative_paths()) if selective else set()
            with self.timed_activity("Integrating sandbox"), sandbox.batch():
                for dependency in self.dependencies():
                    dependency.integrate(sandbox)
            if selective:
                after = set(sandbox.get_virtual_directory().list_relative_paths())
                added, removed = after - before, wanted & before - after
                self.info(f"Integration added {len(added)} and removed {len(removed)} files")
                wanted = wanted - removed | added
        if not selective:
            return "/"
        output = root.open_directory("buildstream/install", create=True)
        with self.timed_activity("Creating composition", detail=self._selection(), silent_nested=True):
            self.info(f"Composing {len(wanted)} files")
            output.import_files(root, filter_callback=wanted.__contains__, collect_result=False)
        return "/buildstream/install"

    def _wanted(self) -> set[str]:
        """The files that the artifacts contribute."""
        with self.timed_activity("Computing split", silent_nested=True):
            wanted: set[str] = set()
            for dependency in self.dependencies():
                wanted.update(
                    dependency.compute_manifest(
                        include=self.include, exclude=self.exclude, orphans=self.include_orphans
                    )
                )
            return wanted

    def _selection(self) -> str:
        """What is taken, in words."""
        domains = f"files from domains: {', '.join(self.include)}" if self.include else "files from all domains"
        lines = [f"Including {domains}"]
        if self.exclude:
            lines.append(f"Excluding files from domains: {', '.join(self.exclude)}")
        lines.append("Including orphaned files" if self.include_orphans else "Excluding orphaned files")
        return "\n".join(lines)


def setup() -> type[Element]:
    """The plugin's class."""
    return ComposeElement
