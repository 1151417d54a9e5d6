"""An element as stages and the scheduler see it.

Knows what is to be done with it in this session, nothing of how.
"""

from __future__ import annotations

from ..project.resolved import ResolvedElement
from ..protocol.message import Failure
from .states import States

# What is shown, and stands in the names of logs, for a key that is not known.
UNKNOWN_KEY = "?" * 64


class Item:
    """One element of a session.

    Attributes:
        element: the element.
        index: its index in the session's plan.
        order: its place in the order of scheduling.
        rebuild: a cached failure does not count: it is built again.
        built, pulled: what happened to it in this session.
    """

    __slots__ = ("_states", "built", "element", "index", "order", "pulled", "rebuild")

    def __init__(
        self, element: ResolvedElement, index: int, order: int, states: States, *, rebuild: bool = False
    ) -> None:
        self.element = element
        self.index = index
        self.order = order
        self.rebuild = rebuild
        self.built = False
        self.pulled = False
        self._states = states

    @property
    def project_name(self) -> str:
        """Name of the element's project."""
        return self.element.project.name

    @property
    def element_name(self) -> str:
        """Name of the element in its project."""
        return self.element.name

    @property
    def cache_key(self) -> str | None:
        """Full key, as far as it is known."""
        return self.element.cache_key

    @property
    def display_name(self) -> str:
        """Name with junctions."""
        return self.element.full_name

    @property
    def display_key(self) -> str:
        """Full key, or question marks."""
        return self._states.key(self.element)[0] or UNKNOWN_KEY

    @property
    def where(self) -> str:
        """Where the element is declared."""
        return self.element.load_element.provenance

    def plugins(self, *, sources: bool = False) -> str:
        """The plugin that its jobs run, or those of its sources, in words."""
        used = {source._grilse.plugin for source in self.element.sources} if sources else set()
        used = used or {self.element.plugin.record}
        names = sorted(f"'{record.kind}' ({record.path or record.module})" for record in used)
        return f"the plugin {names[0]}" if len(names) == 1 else f"the plugins {', '.join(names)}"


class ArtifactItem:
    """An artifact of which no element is loaded, as jobs are told of it.

    Attributes:
        display_name, display_key, project_name, element_name, cache_key: as of `Item`.
        order: its place in the order of scheduling.
    """

    __slots__ = ("cache_key", "display_key", "display_name", "element_name", "order", "project_name")

    def __init__(self, name: str, project: str, element: str, key: str, order: int = 0) -> None:
        self.display_name = name
        self.project_name = project
        self.element_name = element
        self.display_key = self.cache_key = key
        self.order = order


def worker_died(item: Item | ArtifactItem, how: str, *, runs: str = "") -> Failure:
    """The failure of a job whose worker died, in the middle of whatever it did.

    Args:
        item: the job's.
        how: how it died, in words.
        runs: whose plugins the job runs: "element", "sources", or "" if it runs none.
    """
    plugins, where = "", ""
    if runs and isinstance(item, Item):
        plugins = f", which ran {item.plugins(sources=runs == 'sources')},"
        where = item.where
    return Failure(
        domain="PLUGIN",
        reason="worker-died",
        message=f"{item.display_name}: the worker of this job{plugins} died: {how}",
        where=where,
    )
