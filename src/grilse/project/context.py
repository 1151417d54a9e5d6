"""What all projects of a session share while they are loaded.

Knows nothing of how one project or element is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from ..plugin.node import Node
from ..protocol.errors import LoadError, LoadErrorReason
from .files import YamlFiles
from .junction import first_pass_variables
from .user_config import UserConfig
from .workspaces import Workspaces

if TYPE_CHECKING:
    from .load_element import LoadElement
    from .loader import Loader
    from .project import Project

# Places sources of junctions that are not one local directory are staged to, below the project's directory.
STAGED_JUNCTIONS = os.path.join(".bst", "staged-junctions")


class LoadHost(Protocol):
    """What loading asks of its surroundings, which know plugins and caches."""

    def project_loaded(self, project: Project) -> None:
        """Called when the first pass over a project is done, before anything of it is loaded.

        Raises:
            GrilseError: its plugin origins are malformed.
        """

    def check_junction(self, element: LoadElement) -> None:
        """Called before the project behind a junction is loaded.

        Raises:
            GrilseError: its plugins find fault with the junction or its sources.
        """

    def stage_junction(self, element: LoadElement, place: Node | None) -> str:
        """The directory that holds the sources of a junction, fetched and staged if need be.

        Raises:
            GrilseError: LOAD SUBPROJECT_INCONSISTENT if a source has no ref, or why they cannot be fetched or staged.
        """


class LoadContext:
    """Shared by all projects of a session.

    Attributes:
        config: the user's configuration.
        files: loads YAML files.
        host: plugins and caches, or None where there are none.
        environment: environment variables.
        warn: takes a warning's message and detail.
        projects: every project loaded, in order; the first is the toplevel one.
        workspaces: open workspaces of the toplevel project.
    """

    def __init__(
        self,
        config: UserConfig,
        files: YamlFiles,
        host: LoadHost | None,
        environment: Mapping[str, str],
        warn: Callable[[str, str | None], None],
    ) -> None:
        self.config = config
        self.files = files
        self.host = host
        self.environment = environment
        self.warn = warn
        self.projects: list[Project] = []
        self.workspaces = Workspaces("", {})
        self._loaders: dict[str, list[Loader]] = {}

    @property
    def toplevel(self) -> Project:
        """The project that the command was started in."""
        return self.projects[0]

    def add_loader(self, loader: Loader) -> None:
        """Take note of an instance of a project."""
        self._loaders.setdefault(loader.project.name, []).append(loader)

    def loaders(self) -> Iterator[Loader]:
        """The loaders of all projects, instances of one project side by side."""
        for loaders in self._loaders.values():
            yield from loaders

    def junction_directory(self, element: LoadElement, place: Node | None) -> str:
        """The directory that holds the sources of a junction.

        A single local source, or a workspace, is used where it is, as BuildStream does.
        """
        if self.host is not None:
            self.host.check_junction(element)
        workspace = self.workspaces.directory(element.full_name)
        if workspace is not None:
            return workspace
        local = _local_directory(element)
        if local is not None:
            return local
        if not element.node.get_sequence("sources", []):
            return os.path.join(element.project.directory, STAGED_JUNCTIONS, element.name)  # holds nothing
        if self.host is None:
            raise LoadError(
                f"The sources of the junction '{element.full_name}' cannot be staged here",
                reason=LoadErrorReason.SUBPROJECT_INCONSISTENT,
                where=str(place.get_provenance()) if place is not None else "",
            )
        return self.host.stage_junction(element, place)

    def check_conflicts(self) -> None:
        """Make sure that no project was loaded more than once without leave.

        Called when everything is loaded, plugins included, since these may stand behind junctions too.

        Raises:
            LoadError: CONFLICTING_JUNCTION.
        """
        for name, loaders in self._loaders.items():
            self._check_instances(name, loaders)

    def relations(self, loader: Loader) -> tuple[list[Loader], list[Loader]]:
        """The loaders above that mark this one as a duplicate, and those that mark it as internal."""
        above = list(loader.ancestors())
        duplicating = [other for other in above if other.project.marks_duplicate(loader)]
        internal = [other for other in above if other.project.marks_internal(loader)]
        return duplicating, internal

    def _check_instances(self, name: str, loaders: list[Loader]) -> None:
        relations = [self.relations(loader) for loader in loaders]
        duplicates = sum(1 for duplicating, _ in relations if duplicating)
        primary = sum(1 for duplicating, internal in relations if not duplicating and not internal)
        if primary <= 1 and not (primary and duplicates):
            return
        lines: list[str] = []
        for loader, (duplicating, internal) in zip(loaders, relations):
            lines.append(loader.describe())
            lines.extend(f"  Duplicated by: {other.describe()}" for other in duplicating)
            lines.extend(f"  Internal to: {other.describe()}" for other in internal)
        lines.append("A project marked as internal conflicts with nothing; nor do instances that are all duplicates.")
        raise LoadError(
            f"Project '{name}' was loaded in multiple contexts",
            reason=LoadErrorReason.CONFLICTING_JUNCTION,
            detail="\n".join(lines),
        )


def _local_directory(element: LoadElement) -> str | None:
    """The directory of a junction whose only source is a local one, or None.

    Raises:
        LoadError: the source's path is not one inside the project.
    """
    sources = element.node.get_sequence("sources", [])
    if len(sources) != 1:
        return None
    source = sources.mapping_at(0)
    if source.get_str("kind") != "local":
        return None
    path = first_pass_variables(element).expand(source.get_scalar("path"))
    project = element.project
    return os.path.join(project.directory, project.paths.check(path))
