"""``kind: filter``: some files of another element, as its split rules divide them.

Must not know what the other element is.  Configuration: the domains to take or to leave out, whether files without a
domain are taken, and whether integration commands are passed on.
"""

from __future__ import annotations

from typing import Any

from ...plugin.api import Element, ElementError, MappingNode, Sandbox


class FilterElement(Element):
    """A part of the one element that it is built with."""

    BST_MIN_VERSION = "2.0"
    BST_ARTIFACT_VERSION = 1
    BST_STRICT_REBUILD = True
    BST_FORBID_SOURCES = True
    BST_RUN_COMMANDS = False

    def configure(self, node: MappingNode) -> None:
        """Read what to take."""
        node.validate_keys(["include", "exclude", "include-orphans", "pass-integration"])
        self.include_node = node.get_sequence("include")
        self.exclude_node = node.get_sequence("exclude")
        self.include = self.include_node.as_str_list()
        self.exclude = self.exclude_node.as_str_list()
        self.include_orphans = node.get_bool("include-orphans")
        self.pass_integration = node.get_bool("pass-integration", False)

    def preflight(self) -> None:
        """Make sure that there is one element to take from, which has something, and that it is not needed to run."""
        build, runtime = self._direct_dependencies()
        if len(build) != 1:
            raise ElementError(
                f"A filter must have exactly 1 build dependency, this one has {len(build)}",
                detail="\n".join(dependency.name for dependency in build) or None,
                reason="filter-bdepend-wrong-count",
            )
        if build[0] in runtime:
            raise ElementError(
                f"The build dependency '{build[0].name}' of a filter cannot be a runtime dependency, too",
                reason="filter-bdepend-also-rdepend",
            )
        if not build[0]._has_artifact():
            raise ElementError(
                f"The build dependency '{build[0].name}' has no content that could be filtered",
                detail=f"Elements of the kind '{build[0].get_kind()}' have none.",
                reason="filter-bdepend-no-artifact",
            )

    def get_unique_key(self) -> dict[str, Any]:
        """What is taken."""
        return {"include": sorted(self.include), "exclude": sorted(self.exclude), "orphans": self.include_orphans}

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """There is nothing to configure."""

    def stage(self, sandbox: Sandbox) -> None:
        """Stage the files that are taken."""
        with self.timed_activity("Staging artifact", silent_nested=True):
            for dependency in self.dependencies(recurse=False):
                public = dependency.get_public_data("bst")
                rules = MappingNode.from_plain({}) if public is None else public.get_mapping("split-rules", {})
                problems = [
                    f"Unknown domains were used in {node.get_provenance()}\n"
                    + "\n".join(f" - {domain}" for domain in unknown)
                    for node, domains in ((self.include_node, self.include), (self.exclude_node, self.exclude))
                    if (unknown := [domain for domain in domains if domain not in rules])
                ]
                if problems:
                    raise ElementError("Unknown domains declared.", detail="\n".join(problems))
                dependency.stage_artifact(
                    sandbox, include=self.include, exclude=self.exclude, orphans=self.include_orphans
                )

    def assemble(self, sandbox: Sandbox) -> str:
        """Everything that was staged is the artifact."""
        if self.pass_integration:
            (dependency,) = self.dependencies(recurse=False)
            passed = dependency.get_public_data("bst")
            public = self.get_public_data("bst")
            if passed is not None and public is not None:
                commands = passed.get_str_list("integration-commands", [])
                public["integration-commands"] = commands + public.get_str_list("integration-commands", [])
                self.set_public_data("bst", public)
        return ""

    def _get_source_element(self) -> Any:
        """The element that files are taken from."""
        return self._grilse.facts.build_dependencies[0].element()._get_source_element()


def setup() -> type[Element]:
    """The plugin's class."""
    return FilterElement
