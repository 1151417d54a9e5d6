"""The projects behind junctions: found by name, through links and overrides, and loaded when they are first needed.

Must not know elements beyond junctions and links.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..plugin.node import Node, ScalarNode
from ..protocol.errors import LoadError, LoadErrorReason
from .errors import circular_search, invalid
from .junction import read_junction
from .overrides import overrides_of

if TYPE_CHECKING:
    from .load_element import LoadElement
    from .loader import Loader


class Subprojects:
    """The projects that one project uses.

    Args:
        loader: the loader of that project.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._open: dict[str, Loader] = {}
        # Names of subprojects that are being looked for, to notice circles.
        self._searching: dict[str, Node] = {}

    def open(self, path: str, place: Node | None) -> Loader:
        """The loader of the project behind a path of junctions, which is loaded if it is not yet.

        Args:
            path: names of junctions with ":" between them.
            place: what refers to it, for messages.

        Raises:
            LoadError: CIRCULAR_REFERENCE, INVALID_JUNCTION, SUBPROJECT_INCONSISTENT, INVALID_DATA, MISSING_FILE, or
                what is wrong with the subproject's configuration.
        """
        loader = self._open.get(path)
        if loader is not None and path not in self._searching:
            return loader
        if place is not None:
            already = self._searching.get(path)
            if already is not None:
                detail = None
                if already is not place:
                    detail = f"Already searching for '{path}' at: {already.get_provenance()}"
                raise circular_search(path, place, detail)
            self._searching[path] = place
        loader = self._loader
        for name in path.split(":"):
            loader = loader.subprojects._direct(name, place)
        if place is not None:
            del self._searching[path]
        return loader

    def known(self, path: str, place: Node) -> Loader | None:
        """As `open`, but None instead of loading a project that is not loaded yet."""
        loader: Loader | None = self._loader
        for name in path.split(":"):
            assert loader is not None
            loader = loader.subprojects._known_direct(name, place)
            if loader is None:
                return None
        return loader

    def _open_or_overriding(self, name: str) -> Loader | None:
        loader = self._open.get(name) or self._overriding(name)
        if loader is not None:
            self._open[name] = loader
        return loader

    def _direct(self, name: str, place: Node | None) -> Loader:
        name = os.path.normpath(name)
        loader = self._open_or_overriding(name)
        if loader is not None:
            return loader
        mine = self._loader
        # While the configuration includes from here, other kinds than junctions and links cannot be read yet
        element = mine.elements.get(name) or mine.read_file(name, place, first_pass_only=mine.project.half_loaded)
        if element is not None:
            mine.load(name, place)
        if element is not None and element.link_target is not None:
            target = element.link_target
            junction, _, local = target.as_str().rpartition(":")
            start = self.open(junction, target) if junction else self._loader
            return start.subproject(local, target)
        if element is None or element.kind != "junction":
            node = place or (element.node if element is not None else None)
            raise invalid(f"'{name}' should be a junction", node)
        if element.dependencies:
            raise LoadError(
                f"The junction '{element.full_name}' cannot have dependencies",
                reason=LoadErrorReason.INVALID_JUNCTION,
                where=str(element.dependencies[0].node.get_provenance()),
            )
        loader = self._open_behind(element, place)
        self._open[name] = loader
        # Links among the names that overrides mention must be known before overrides are looked up.
        above: Loader | None = loader
        while above is not None and above.parent is not None:
            above.subprojects._read_override_links()
            above = above.parent
        return loader

    def _known_direct(self, name: str, place: Node) -> Loader | None:
        name = os.path.normpath(name)
        loader = self._open_or_overriding(name)
        if loader is not None:
            return loader
        element = self._loader.elements.get(name) or self._loader.read_element(name, place)
        if element.link_target is None:
            return None
        junction, _, local = element.link_target.as_str().rpartition(":")
        start = self.known(junction, element.link_target) if junction else self._loader
        return None if start is None else start.known_subproject(local, element.link_target)

    def _overriding(self, name: str) -> Loader | None:
        """The project that projects above put in the place of the one behind a junction, or None."""
        overrides = overrides_of(self._loader, name)
        if not overrides:
            return None
        overriding, target = overrides.pop()
        loader = overriding.subproject(target.as_str(), target)
        # The overridden paths still lead to the project, so these count as its ancestors too.
        if loader is not self._loader:
            loader.other_parents.append(self._loader)
        loader.other_parents.extend(other for other, _ in overrides)
        return loader

    def _open_behind(self, element: LoadElement, place: Node | None) -> Loader:
        from .project import Project  # the two modules need each other

        junction = read_junction(element)
        directory = self._loader.project.context.junction_directory(element, place)
        try:
            project = Project(
                os.path.join(directory, junction.path),
                self._loader.project.context,
                junction=junction,
                parent=self._loader,
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
        junction = self._loader.project.junction
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
        loader: Loader | None = self._loader
        if junction:
            loader = self.known(junction, place)
            if loader is None:
                return None, place
        assert loader is not None
        element = loader.elements.get(name) or loader.read_file(name, place, first_pass_only=True)
        if element is None or element.link_target is None:
            return None, place
        target = element.link_target.as_str()
        return f"{junction}:{target}" if junction else target, element.link_target
