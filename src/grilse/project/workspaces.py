"""Open workspaces: which element's sources are a directory of the user's instead.

Knows nothing of what a workspace holds.  The file is ``.bst2/workspaces.yml`` in the toplevel project, as BuildStream
writes it; ``.bstproject.yaml`` in a workspace leads back to the project.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from ..plugin.node import MappingNode, Node
from ..protocol.errors import LoadError, LoadErrorReason
from .files import YamlFiles

STATE_DIRECTORY: Final = ".bst2"
STATE_FILE: Final = "workspaces.yml"
PROJECT_FILE: Final = ".bstproject.yaml"
FORMAT_VERSION: Final = 4
PROJECT_FORMAT_VERSION: Final = 1


class Workspace(msgspec.Struct, frozen=True):
    """An open workspace.

    Attributes:
        path: as stored: absolute, or relative to the project's directory.
        last_build: key of the last build of it, or None.
    """

    path: str
    last_build: str | None = None


class WorkspaceProject(msgspec.Struct, frozen=True):
    """What a workspace's own file says: the project that opened it and the element it belongs to."""

    project_directory: str
    element: str


class Workspaces:
    """The open workspaces of a toplevel project, by the elements' full names.

    Args:
        project_directory: the toplevel project's directory.
        entries: workspaces by full element name.
    """

    __slots__ = ("_entries", "_project_directory")

    def __init__(self, project_directory: str, entries: dict[str, Workspace]) -> None:
        self._project_directory = project_directory
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """Elements that have a workspace, in the order of the file."""
        return list(self._entries)

    def without(self, names: Iterable[str]) -> Workspaces:
        """The same without the workspaces of some elements."""
        hidden = set(names)
        kept = {name: entry for name, entry in self._entries.items() if name not in hidden}
        return Workspaces(self._project_directory, kept)

    def get(self, full_name: str) -> Workspace | None:
        """The workspace of an element, or None."""
        return self._entries.get(full_name)

    def directory(self, full_name: str) -> str | None:
        """The directory of an element's workspace as an absolute path, or None."""
        workspace = self._entries.get(full_name)
        return None if workspace is None else os.path.join(self._project_directory, workspace.path)


def load_workspaces(project_directory: str, files: YamlFiles) -> Workspaces:
    """Read which workspaces are open.

    Raises:
        LoadError: the file is malformed, or of a version that is not supported.
    """
    path = os.path.join(project_directory, STATE_DIRECTORY, STATE_FILE)
    if not os.path.exists(path):
        return Workspaces(project_directory, {})
    node = files.load(path, STATE_FILE, owner=project_directory)
    version = node.get_int("format-version", 0)
    if version != FORMAT_VERSION:
        place = node.get_node("format-version", allow_none=True) or node
        raise _invalid(f"Workspaces of format version {version} are not supported, only of {FORMAT_VERSION}", place)
    entries: dict[str, Workspace] = {}
    workspaces = node.get_mapping("workspaces", {})
    for name in workspaces.keys():  # noqa: SIM118 - a mapping node is not a dict
        entry = workspaces.get_mapping(name)
        entries[name] = Workspace(entry.get_str("path"), entry.get_str("last_build", None))
    return Workspaces(project_directory, entries)


def load_workspace_project(directory: str, files: YamlFiles) -> WorkspaceProject:
    """Read a workspace's own file.

    Raises:
        LoadError: the file is missing, malformed or of a version that is not supported.
    """
    path = os.path.join(directory, PROJECT_FILE)
    node: MappingNode = files.load(path, path, owner=directory)
    version = node.get_int("format-version")
    if version != PROJECT_FORMAT_VERSION:
        raise _invalid(f"Workspace format version {version} is not supported", node.get_node("format-version"))
    projects = node.get_sequence("projects", allowed_types=[MappingNode])
    if not projects:
        raise _invalid("The workspace belongs to no project", projects)
    entry = projects.mapping_at(0)
    return WorkspaceProject(entry.get_str("project-path"), entry.get_str("element-name"))


def _invalid(message: str, node: Node) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
