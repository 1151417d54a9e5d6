"""Find elements: names to files, through junctions, links and overrides, and load them with all their dependencies.

Knows nothing of plugins.  There is one `Loader` for each project loaded.  Loading keeps a stack of its own, so that
chains of dependencies may be of any length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..plugin.node import MappingNode, Node, ScalarNode
from ..protocol.errors import LoadError, LoadErrorReason
from .conditionals import resolve_file
from .includes import Includes
from .junction import read_junction, read_link_target
from .load_element import FIRST_PASS_KINDS, Dependency, LoadElement
from .names import check_element_name

if TYPE_CHECKING:
    from .project import Project

# Files looked at, about, to find an element that is not where it was looked for.
_FILES_LOOKED_AT = 50_000


class Loader:
    """Loads the elements of one project.

    Attributes:
        project: the project.
        parent: loader of the project whose junction led here first, or None.
        provenance: what referred to this project's junction, or None.
        other_parents: loaders of projects whose own junction was overridden in favour of this project.
    """

    def __init__(self, project: Project, parent: Loader | None, provenance: Node | None) -> None:
        self.project = project
        self.parent = parent
        self.provenance = provenance
        self.other_parents: list[Loader] = []
        self.includes = Includes(self)
        self._elements: dict[str, LoadElement] = {}
        # Targets of the links met so far, by the path of the link; both below this project.
        self._links: dict[str, str] = {}
        self._subprojects: dict[str, Loader] = {}
        # Names of subprojects that are being looked for, to notice circles.
        self._searching: dict[str, Node] = {}

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

    # Elements

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
                loader = loader.subproject(dependency.junction, dependency.node)
            target = dependency.element = loader._find_local(dependency.name, dependency.node)
            if not target.entered:
                if target.kind == "junction" and target is loader._elements.get(os.path.normpath(dependency.name)):
                    if not dependency.junction:
                        raise _invalid("An element cannot depend on a junction", dependency.node)
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
        junction, _, local = name.rpartition(":")
        loader = self.subproject(junction, place) if junction else self
        return loader._find_local(local, place)

    def _find_local(self, name: str, place: Node | None) -> LoadElement:
        """The element that a name in this project means in the end, overrides and links followed."""
        loader: Loader = self
        visited: set[tuple[int, str]] = set()
        while True:
            name = os.path.normpath(name)
            element = loader._elements.get(name)
            if element is not None and element.entered:
                return element
            if element is None:
                element = loader._read_element(name, place)
            if (id(loader), name) in visited:
                raise _circular(name, place)
            visited.add((id(loader), name))
            overrides = loader._overrides_of(name)
            if overrides:
                start, target = overrides[-1]
            elif element.link_target is not None:
                start, target = loader, element.link_target
            else:
                return element
            junction, _, name = target.as_str().rpartition(":")
            loader, place = start.subproject(junction, target) if junction else start, target

    def _read_element(self, name: str, place: Node | None) -> LoadElement:
        """Load one element's file, without its dependencies."""
        element = self._read_file(name, place, first_pass_only=False)
        assert element is not None
        return element

    def _read_file(self, name: str, place: Node | None, *, first_pass_only: bool) -> LoadElement | None:
        check_element_name(name, place)
        project = self.project
        try:
            node = self.load_yaml(os.path.join(project.element_path, name), name)
        except LoadError as error:
            if error.reason == LoadErrorReason.MISSING_FILE.name:
                raise self._no_such_element(name, place, error) from None
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
            self._note_link(name, element.link_target.as_str())
        self._elements[name] = element
        return element

    def _no_such_element(self, name: str, place: Node | None, cause: LoadError) -> LoadError:
        project = self.project
        if project.junction is not None:
            where = f"the project behind the junction '{project.junction.full_name}'"
        else:
            where = f"the elements directory '{project.element_path}'"
        folder = os.path.relpath(project.element_path, project.directory)
        hint = ""
        inside = os.path.relpath(name, folder)
        if name.startswith(folder) and os.path.exists(os.path.join(project.element_path, inside)):
            hint = inside
        else:
            hint = _nearest_file(project.element_path, name)
        return LoadError(
            f"Could not find element '{name}' in {where}",
            reason=LoadErrorReason.MISSING_FILE,
            detail=f"Did you mean '{hint}'?" if hint else None,
            where=str(place.get_provenance()) if place is not None else "",
        )

    # Links

    def _note_link(self, path: str, target: str) -> None:
        """Remember a link here and, by its longer path, in every project above."""
        loader = self
        loader._add_link(path, target)
        while loader.parent is not None:
            junction = loader.project.junction
            assert junction is not None
            path, target = f"{junction.name}:{path}", f"{junction.name}:{target}"
            loader = loader.parent
            loader._add_link(path, target)

    def _add_link(self, path: str, target: str) -> None:
        self._links[path] = target
        for known, leads_to in self._links.items():
            if self._follow_links(leads_to) == path:
                self._links[known] = target

    def _follow_links(self, path: str) -> str:
        """`path` with the first link that it begins with replaced by where that leads."""
        for link, target in self._links.items():
            if path.startswith(link):
                return target + path[len(link) :]
        return path

    # Overrides

    def _overrides_of(self, name: str) -> list[tuple[Loader, ScalarNode]]:
        """Who overrides a name of this project, nearest first: the overriding loader and its replacement."""
        found: list[tuple[Loader, ScalarNode]] = []
        loader = self
        path = name
        while loader.parent is not None:
            junction = loader.project.junction
            assert junction is not None
            if junction.overrides:
                target = junction.overrides.get(path)
                if target is None:
                    for key, node in junction.overrides.items():
                        if loader._follow_links(key) == path:
                            target = node
                            break
                if target is not None:
                    found.append((loader.parent, target))
            path = f"{junction.name}:{path}"
            loader = loader.parent
        return found

    # Subprojects

    def subproject(self, path: str, place: Node | None) -> Loader:
        """The loader of the project behind a path of junctions, which is loaded if it is not yet.

        Args:
            path: names of junctions with ":" between them.
            place: what refers to it, for messages.

        Raises:
            LoadError: CIRCULAR_REFERENCE, INVALID_JUNCTION, SUBPROJECT_INCONSISTENT, INVALID_DATA, MISSING_FILE, or
                what is wrong with the subproject's configuration.
        """
        loader = self._subprojects.get(path)
        if loader is not None and path not in self._searching:
            return loader
        if place is not None:
            already = self._searching.get(path)
            if already is not None:
                detail = None
                if already is not place:
                    detail = f"Already searching for '{path}' at: {already.get_provenance()}"
                raise _circular(path, place, detail)
            self._searching[path] = place
        loader = self
        for name in path.split(":"):
            loader = loader._direct_subproject(name, place)
        if place is not None:
            del self._searching[path]
        return loader

    def known_subproject(self, path: str, place: Node) -> Loader | None:
        """As `subproject`, but None instead of loading a project that is not loaded yet."""
        loader: Loader | None = self
        for name in path.split(":"):
            assert loader is not None
            loader = loader._known_direct_subproject(name, place)
            if loader is None:
                return None
        return loader

    def _open_or_overriding(self, name: str) -> Loader | None:
        loader = self._subprojects.get(name) or self._overriding_subproject(name)
        if loader is not None:
            self._subprojects[name] = loader
        return loader

    def _direct_subproject(self, name: str, place: Node | None) -> Loader:
        name = os.path.normpath(name)
        loader = self._open_or_overriding(name)
        if loader is not None:
            return loader
        self.load(name, place)
        element = self._elements[name]
        if element.link_target is not None:
            target = element.link_target
            junction, _, local = target.as_str().rpartition(":")
            start = self.subproject(junction, target) if junction else self
            return start.subproject(local, target)
        if element.kind != "junction":
            raise _invalid(f"'{name}' should be a junction, but is of kind '{element.kind}'", place or element.node)
        if element.dependencies:
            raise LoadError(
                f"The junction '{element.full_name}' cannot have dependencies",
                reason=LoadErrorReason.INVALID_JUNCTION,
                where=str(element.dependencies[0].node.get_provenance()),
            )
        loader = self._open_subproject(element, place)
        self._subprojects[name] = loader
        # Links among the names that overrides mention must be known before overrides are looked up.
        above: Loader | None = loader
        while above is not None and above.parent is not None:
            above._read_override_links()
            above = above.parent
        return loader

    def _known_direct_subproject(self, name: str, place: Node) -> Loader | None:
        name = os.path.normpath(name)
        loader = self._open_or_overriding(name)
        if loader is not None:
            return loader
        element = self._elements.get(name) or self._read_element(name, place)
        if element.link_target is None:
            return None
        junction, _, local = element.link_target.as_str().rpartition(":")
        start = self.known_subproject(junction, element.link_target) if junction else self
        return None if start is None else start.known_subproject(local, element.link_target)

    def _overriding_subproject(self, name: str) -> Loader | None:
        """The project that projects above put in the place of the one behind a junction, or None."""
        overrides = self._overrides_of(name)
        if not overrides:
            return None
        overriding, target = overrides.pop()
        loader = overriding.subproject(target.as_str(), target)
        # The overridden paths still lead to the project, so these count as its ancestors too.
        if loader is not self:
            loader.other_parents.append(self)
        loader.other_parents.extend(other for other, _ in overrides)
        return loader

    def _open_subproject(self, element: LoadElement, place: Node | None) -> Loader:
        from .project import Project  # the two modules need each other

        junction = read_junction(element)
        directory = self.project.context.junction_directory(element, place)
        try:
            project = Project(
                os.path.join(directory, junction.path),
                self.project.context,
                junction=junction,
                parent=self,
                provenance=place,
            )
        except LoadError as error:
            if error.reason == LoadErrorReason.MISSING_PROJECT_CONF.name:
                expected = f" at path '{junction.path}' in its sources" if junction.path else ""
                raise LoadError(
                    f"Could not find a project.conf{expected} for the junction '{element.full_name}'",
                    reason=LoadErrorReason.INVALID_JUNCTION,
                    where=str(place.get_provenance()) if place is not None else "",
                ) from None
            raise
        return project.loader

    def _read_override_links(self) -> None:
        """Read the elements that this project's junction names as overridden, in case they are links."""
        junction = self.project.junction
        if junction is None:
            return
        for key, target in junction.overrides.items():
            path: str | None = key
            place: ScalarNode = target
            seen: set[str] = set()
            while path is not None and path not in seen:
                seen.add(path)
                path, place = self._link_at(path, place)

    def _link_at(self, path: str, place: ScalarNode) -> tuple[str | None, ScalarNode]:
        """Where the link at `path` leads, if there is one in a project that is loaded."""
        junction, _, name = path.rpartition(":")
        name = os.path.normpath(name)
        loader: Loader | None = self
        if junction:
            loader = self.known_subproject(junction, place)
            if loader is None:
                return None, place
        assert loader is not None
        element = loader._elements.get(name) or loader._read_file(name, place, first_pass_only=True)
        if element is None or element.link_target is None:
            return None, place
        target = element.link_target.as_str()
        return f"{junction}:{target}" if junction else target, element.link_target


def _enter(element: LoadElement) -> tuple[LoadElement, Iterator[Dependency], dict[int, Dependency]]:
    element.entered = True
    return element, iter(element.declared_dependencies()), {}


def _nearest_file(directory: str, name: str) -> str:
    """The element file in the same folder with the name most like `name`, else one of that name in another, or ""."""
    import difflib  # only needed when something is wrong

    folder, base = os.path.split(name)
    try:
        names = [entry for entry in os.listdir(os.path.join(directory, folder)) if entry.endswith(".bst")]
    except (OSError, ValueError):
        names = []
    # What all of them have in common makes none like the name.
    end = ".bst"
    found = difflib.get_close_matches(base.removesuffix(end), [entry.removesuffix(end) for entry in names], 1)
    if found:
        return os.path.join(folder, found[0] + end)
    seen = 0
    for path, folders, files in os.walk(directory):
        folders.sort()
        if base in files:
            return os.path.relpath(os.path.join(path, base), directory)
        seen += len(files)
        if seen > _FILES_LOOKED_AT:
            break
    return ""


def _circular(name: str, place: Node | None, detail: str | None = None) -> LoadError:
    return LoadError(
        f"Circular reference while searching for '{name}'",
        reason=LoadErrorReason.CIRCULAR_REFERENCE,
        detail=detail,
        where=str(place.get_provenance()) if place is not None else "",
    )


def _invalid(message: str, node: Node) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
