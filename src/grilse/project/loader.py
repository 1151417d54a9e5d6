"""Find elements: names to files, through junctions, links and overrides, and load them with all their dependencies.

Knows nothing of plugins.  There is one `Loader` for each project loaded.  Loading keeps a stack of its own, so that
chains of dependencies may be of any length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..plugin.node import MappingNode, Node
from ..protocol.errors import LoadError, LoadErrorReason
from .conditionals import resolve_file
from .errors import circular_search, invalid
from .includes import Includes
from .junction import read_link_target
from .load_element import FIRST_PASS_KINDS, Dependency, LoadElement
from .missing import no_such_element
from .names import check_element_name
from .overrides import Links, note_link, overrides_of
from .subprojects import Subprojects

if TYPE_CHECKING:
    from .project import Project


class Loader:
    """Loads the elements of one project.

    Attributes:
        project: the project.
        parent: loader of the project whose junction led here first, or None.
        provenance: what referred to this project's junction, or None.
        other_parents: loaders of projects whose own junction was overridden in favour of this project.
        includes: includes files on its behalf.
        elements: its elements whose files have been read, by name.
        links: the links met so far.
        subprojects: the projects behind its junctions.
    """

    def __init__(self, project: Project, parent: Loader | None, provenance: Node | None) -> None:
        self.project = project
        self.parent = parent
        self.provenance = provenance
        self.other_parents: list[Loader] = []
        self.includes = Includes(self)
        self.elements: dict[str, LoadElement] = {}
        self.links = Links()
        self.subprojects = Subprojects(self)

    def __repr__(self) -> str:
        return f"<Loader {self.describe()}>"

    def describe(self) -> str:
        """The project, its junction, and what led to it, for messages."""
        junction = self.project.junction
        if junction is None:
            return f"{self.project.name} (toplevel)"
        if self.provenance is None:
            return f"{self.project.name} ({junction.full_name})"
        return f"{self.project.name} ({junction.full_name}): {self.provenance.get_provenance()}"

    def ancestors(self) -> Iterator[Loader]:
        """Every loader from which a path leads here, nearest first."""
        seen: set[int] = set()
        for start in (self.parent, *self.other_parents):
            loader = start
            while loader is not None:
                if id(loader) in seen:
                    break
                seen.add(id(loader))
                yield loader
                loader = loader.parent

    def load_yaml(self, path: str, shortname: str) -> MappingNode:
        """Load a file of this project; users see its junction in front of its name.

        Raises:
            LoadError: as `YamlFiles.load` does.
        """
        project = self.project
        junction = project.junction
        return project.context.files.load(
            path,
            shortname,
            owner=project.directory,
            displayname=f"{junction.name}:{shortname}" if junction is not None else shortname,
            project=project,
        )

    def subproject(self, path: str, place: Node | None) -> Loader:
        """The loader of the project behind a path of junctions; see `Subprojects.open`."""
        return self.subprojects.open(path, place)

    def known_subproject(self, path: str, place: Node) -> Loader | None:
        """As `subproject`, but None instead of loading a project that is not loaded yet."""
        return self.subprojects.known(path, place)

    def load(self, name: str, place: Node | None = None) -> LoadElement:
        """Load an element and everything it depends on.

        Args:
            name: its name below this project, with junctions.
            place: what refers to it, for messages.

        Raises:
            LoadError: whatever is wrong with it or with what it depends on.
        """
        top = self._find(name, place)
        if top.entered:
            return top
        # Elements whose dependencies are being loaded: the rest of these, and those found, by element.
        stack = [_enter(top)]
        while stack:
            element, rest, found = stack[-1]
            dependency = next(rest, None)
            if dependency is None:
                stack.pop()
                continue
            loader = element.project.loader
            if dependency.junction:
                loader = loader.subprojects.open(dependency.junction, dependency.node)
            target = dependency.element = loader._find_local(dependency.name, dependency.node)
            if not target.entered:
                if target.kind == "junction" and target is loader.elements.get(os.path.normpath(dependency.name)):
                    if not dependency.junction:
                        raise invalid("An element cannot depend on a junction", dependency.node)
                stack.append(_enter(target))
            known = found.get(id(target))
            if known is None:
                found[id(target)] = dependency
                element.dependencies.append(dependency)
            else:
                known.merge(dependency)  # another name, through a link, for the same element
        return top

    def _find(self, name: str, place: Node | None) -> LoadElement:
        """The element of a name with junctions; its dependencies are not loaded."""
        junction, colon, local = name.rpartition(":")
        loader = self.subproject(junction, place) if colon else self
        return loader._find_local(local, place)

    def _find_local(self, name: str, place: Node | None) -> LoadElement:
        """The element that a name in this project means in the end, overrides and links followed."""
        loader: Loader = self
        visited: set[tuple[int, str]] = set()
        while True:
            name = os.path.normpath(name)
            element = loader.elements.get(name)
            if element is not None and element.entered:
                return element
            if element is None:
                element = loader.read_element(name, place)
            if (id(loader), name) in visited:
                raise circular_search(name, place)
            visited.add((id(loader), name))
            overrides = overrides_of(loader, name)
            if overrides:
                start, target = overrides[-1]
            elif element.link_target is not None:
                start, target = loader, element.link_target
            else:
                return element
            junction, _, name = target.as_str().rpartition(":")
            loader, place = start.subproject(junction, target) if junction else start, target

    def read_element(self, name: str, place: Node | None) -> LoadElement:
        """Load one element's file, without its dependencies."""
        element = self.read_file(name, place, first_pass_only=False)
        assert element is not None
        return element

    def read_file(self, name: str, place: Node | None, *, first_pass_only: bool) -> LoadElement | None:
        """As `read_element`; None if only those of the first pass are wanted and it is none."""
        check_element_name(name, place)
        project = self.project
        try:
            node = self.load_yaml(os.path.join(project.element_path, name), name)
        except LoadError as error:
            if error.reason == LoadErrorReason.MISSING_FILE.name:
                raise no_such_element(project, name, place) from None
            raise
        kind = node.get_str("kind")
        if kind in FIRST_PASS_KINDS:
            node = resolve_file(node, project.first_pass.options)
        elif first_pass_only:
            return None
        else:
            project.ensure_fully_loaded()
            node = self.includes.process(node)
        element = LoadElement(project, name, node)
        if element.kind == "link":
            element.link_target = read_link_target(element)
            note_link(self, name, element.link_target.as_str())
        self.elements[name] = element
        return element


def _enter(element: LoadElement) -> tuple[LoadElement, Iterator[Dependency], dict[int, Dependency]]:
    element.entered = True
    return element, iter(element.declared_dependencies()), {}
