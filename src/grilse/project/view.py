"""A loaded project as plugins see it: `ProjectHost` made of a `Project`.

Must not know elements or how plugins are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from ..plugin.aliases import Aliases, Mapping
from ..plugin.paths import ProjectPaths

if TYPE_CHECKING:
    from ..plugin.factory import LoadedPlugin
    from ..plugin.host import Host
    from ..plugin.node import MappingNode
    from ..plugin.sourcemirror import SourceMirror
    from ..protocol.records import PluginRecord
    from .project import Project


class ProjectView:
    """See `plugin.host.ProjectHost`.

    Args:
        project: the project.
        first_pass: whether it is seen by junctions, which only know its first-pass configuration.
        parent: gives the view of a project above.
        mirror_plugins: the plugins of a view's source mirrors, with their declarations, and whether these are all.
        host: the process around plugins.
    """

    __slots__ = (
        "_aliases",
        "_host",
        "_mirror_plugins",
        "_mirrors",
        "_parent",
        "directory",
        "first_pass",
        "junction",
        "name",
        "paths",
        "project",
    )

    def __init__(
        self,
        project: Project,
        first_pass: bool,
        parent: Callable[[Project, bool], ProjectView],
        mirror_plugins: Callable[[ProjectView], tuple[list[tuple[LoadedPlugin, MappingNode]], bool]],
        host: Host,
    ) -> None:
        self.project = project
        self.first_pass = first_pass
        self.name = project.name
        self.directory = project.directory
        self.junction = project.junction.full_name if project.junction is not None else ""
        self.paths: ProjectPaths = project.paths
        self._parent = parent
        self._mirror_plugins = mirror_plugins
        self._host = host
        self._aliases: Aliases | None = None
        self._mirrors: dict[str, SourceMirror] | None = None

    @property
    def fatal_warnings(self) -> Sequence[str]:
        """Names of warnings that are errors."""
        return self.project.fatal_warnings

    @property
    def provenance_attributes(self) -> Sequence[str] | None:
        """Names of provenance attributes; None for what sees the first pass only."""
        if self.first_pass:
            return None
        return self.project.full.source_provenance_attributes.keys()

    @property
    def aliases(self) -> Aliases:
        """The project's aliases."""
        if self._aliases is None:
            self._aliases = self._make_aliases()
        return self._aliases

    def parent(self) -> ProjectView:
        """The project that the junction to this one is in; there must be one."""
        assert self.project.junction is not None
        return self._parent(self.project.junction.project, self.first_pass)

    def mirror_plugins(self) -> tuple[list[tuple[PluginRecord, MappingNode]], bool]:
        """Where the plugin of each source mirror comes from, with its declaration; and whether these are all.

        They are not while a plugin is looked for: where that takes a download, it has to do with the mirrors before it.
        """
        plugins, complete = self._mirror_plugins(self)
        return [(plugin.record, node) for plugin, node in plugins], complete

    def _make_mirrors(self) -> dict[str, SourceMirror]:
        if self._mirrors is not None:
            return self._mirrors
        found: dict[str, SourceMirror] = {}
        plugins, complete = self._mirror_plugins(self)
        for plugin, node in plugins:
            mirror = cast("type[SourceMirror]", plugin.type)(node, self, self._host)
            found[mirror.name] = mirror
        if complete:
            self._mirrors = found
        return found

    def _make_aliases(self) -> Aliases:
        project = self.project
        settings = project.pass_config(self.first_pass)
        config = project.context.config
        mapping = None
        junction = project.junction
        if junction is not None:
            mapping = Mapping(
                parent=self.parent().aliases,
                names={name: junction.aliases.get_str(name) for name in junction.aliases.value},
                identity=junction.identity_aliases,
                only=junction.project.disallow_subproject_uris,
                label=f"junction element at {junction.load_element.provenance}",
            )
        return Aliases(
            urls={name: settings.aliases.get_str(name) for name in settings.aliases.value},
            mirrors=self._make_mirrors,
            default_mirror=settings.default_mirror,
            fetch=config.fetch_source,
            track=config.track_source,
            user_mirrors=project.mirrors_overridden,
            mapping=mapping,
        )
