"""The plugin factories of all projects of a session.

Must not know elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..plugin.factory import LoadedPlugin, PluginFactory
from ..plugin.origins import TAGS, read_origins

if TYPE_CHECKING:
    from ..plugin.node import Node
    from .project import Project


class PluginFactories:
    """Makes factories when a project is loaded, gives them when elements are resolved.

    Args:
        warn: takes message and detail of a warning.
    """

    def __init__(self, warn: Callable[[str, str | None], None]) -> None:
        self._warn = warn
        self._factories: dict[int, dict[str, PluginFactory]] = {}
        self._projects: list[Project] = []

    def add(self, project: Project) -> None:
        """Read where the plugins of a project come from.

        Raises:
            LoadError, PluginError: as `read_origins` does.
        """

        def subproject(junction: str, node: Node, tag: str) -> tuple[PluginFactory, str, str]:
            found = project.loader.subproject(junction, node).project
            display = found.junction.full_name if found.junction is not None else "toplevel project"
            return self.get(found, tag), found.name, display

        origins = read_origins(project.plugin_origins, project.directory, project.paths, subproject)
        self._factories[id(project)] = {tag: PluginFactory(tag, origins[tag], self._warn) for tag in TAGS}
        self._projects.append(project)

    def get(self, project: Project, tag: str) -> PluginFactory:
        """The factory of a project for a tag."""
        return self._factories[id(project)][tag]

    def used(self) -> list[tuple[Project, str, LoadedPlugin]]:
        """The plugins used so far: project, tag and plugin."""
        return [
            (project, tag, plugin)
            for project in self._projects
            for tag in TAGS
            for plugin in self.get(project, tag).loaded()
        ]
