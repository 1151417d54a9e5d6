"""Source refs kept apart from elements: ``project.refs`` and ``junction.refs``.

Knows nothing of sources; an entry is a mapping at project, element and the source's place in the element.
"""

from __future__ import annotations

import os
from typing import Final

from ..plugin.composition import assert_fully_composed
from ..plugin.node import MappingNode, Node, SequenceNode
from .conditionals import resolve_file
from .files import YamlFiles
from .options import OptionPool

INLINE: Final = "inline"
PROJECT_REFS: Final = "project.refs"
JUNCTION_REFS: Final = "junction.refs"


class ProjectRefs:
    """The refs in one file.

    Attributes:
        path: the file, which need not exist.
    """

    __slots__ = ("_projects", "path")

    def __init__(self, path: str, projects: MappingNode) -> None:
        self.path = path
        self._projects = projects

    def lookup(self, project: str, element: str, index: int) -> MappingNode | None:
        """The entry of the source at `index` of an element, or None.

        Raises:
            LoadError: INVALID_DATA if there is something else in its place.
        """
        elements = self._projects.value.get(project)
        if type(elements) is not MappingNode:
            return None
        sources = elements.value.get(element)
        if type(sources) is not SequenceNode or index >= len(sources):
            return None
        return sources.mapping_at(index)


def load_refs(directory: str, name: str, options: OptionPool, files: YamlFiles) -> ProjectRefs:
    """Read a refs file of a project; a missing one holds nothing.

    Raises:
        LoadError: INVALID_YAML, INVALID_DATA, or what is wrong with its conditionals.
    """
    path = os.path.join(directory, name)
    if not files.exists(path):
        return ProjectRefs(path, Node.from_dict({}))
    root = resolve_file(files.load(path, name, owner=directory), options)
    assert_fully_composed(root)
    root.validate_keys(["projects"])
    return ProjectRefs(path, root.get_mapping("projects", {}))
