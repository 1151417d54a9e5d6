"""Names that stand for others: the links met so far, and what junctions override in the projects behind them.

Must not know how elements are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plugin.node import ScalarNode
    from .loader import Loader


class Links:
    """The links that one project knows of, by their paths below it."""

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: dict[str, str] = {}

    def add(self, path: str, target: str) -> None:
        """Remember that the link at `path` leads to `target`, and what led to it, too."""
        self._targets[path] = target
        for known, leads_to in self._targets.items():
            if self.follow(leads_to) == path:
                self._targets[known] = target

    def follow(self, path: str) -> str:
        """`path` with the first link that it begins with replaced by where that leads."""
        for link, target in self._targets.items():
            if path.startswith(link):
                return target + path[len(link) :]
        return path


def note_link(loader: Loader, path: str, target: str) -> None:
    """Remember a link in the project of `loader` and, by its longer path, in every project above."""
    loader.links.add(path, target)
    while loader.parent is not None:
        junction = loader.project.junction
        assert junction is not None
        path, target = f"{junction.name}:{path}", f"{junction.name}:{target}"
        loader = loader.parent
        loader.links.add(path, target)


def overrides_of(loader: Loader, name: str) -> list[tuple[Loader, ScalarNode]]:
    """Who overrides a name of the project of `loader`, nearest first: the overriding loader and its replacement."""
    found: list[tuple[Loader, ScalarNode]] = []
    path = name
    while loader.parent is not None:
        junction = loader.project.junction
        assert junction is not None
        if junction.overrides:
            target = junction.overrides.get(path)
            if target is None:
                for key, node in junction.overrides.items():
                    if loader.links.follow(key) == path:
                        target = node
                        break
            if target is not None:
                found.append((loader.parent, target))
        path = f"{junction.name}:{path}"
        loader = loader.parent
    return found
