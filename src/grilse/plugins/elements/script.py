"""``kind: script``: runs commands on what is staged, and keeps what they make.

Must not know what the commands do.  Configuration: ``commands``, and ``root-read-only``; dependencies may say at which
``location`` they are staged.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...plugin import api
from ...plugin.api import DependencyConfiguration, MappingNode


class ScriptElement(api.ScriptElement):
    """Commands, and ``%{install-root}`` as they leave it."""

    BST_MIN_VERSION = "2.0"

    def configure(self, node: MappingNode) -> None:
        """Read the commands."""
        node.validate_keys(["commands", "root-read-only"])
        self.add_commands("commands", node.get_str_list("commands"))
        self.set_work_dir()
        self.set_install_root()
        self.set_root_read_only(node.get_bool("root-read-only", False))

    def configure_dependencies(self, dependencies: Iterable[DependencyConfiguration]) -> None:
        """Read where each dependency is staged."""
        for dependency in dependencies:
            location = "/"
            if dependency.config is not None:
                dependency.config.validate_keys(["location"])
                location = dependency.config.get_str("location", location)
            self.layout_add(dependency.element, dependency.path, location)


def setup() -> type[api.Element]:
    """The plugin's class."""
    return ScriptElement
