"""An element as stages and the scheduler see it.

Knows what is to be done with it in this session, nothing of how.
"""

from __future__ import annotations

from ..project.resolve import ResolvedElement
from .states import States


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
    def display_name(self) -> str:
        """Name with junctions."""
        return self.element.full_name

    @property
    def display_key(self) -> str:
        """Full key, or ""."""
        return self._states.key(self.element)[0] or ""
