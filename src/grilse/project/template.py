"""Expands the same tree of nodes for many elements, doing the work once for all that have the same values in it.

Must not know what the tree configures.
"""

from __future__ import annotations

from typing import Any

from ..plugin.composition import assert_fully_composed
from ..plugin.node import MappingNode, ScalarNode
from ..plugin.variables import Variables, references


class Expanded:
    """A tree with variables replaced.

    Attributes:
        node: the tree; shared, so never to be changed.
        plain: its plain data, made when first asked for; shared likewise.
    """

    __slots__ = ("_plain", "encoded", "node")

    def __init__(self, node: MappingNode) -> None:
        self.node = node
        self._plain: dict[str, Any] | None = None
        # How it counts in keys, once that is known.
        self.encoded: bytes | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """The plain data."""
        if self._plain is None:
            self._plain = self.node.strip_node_info()
        return self._plain


class Template:
    """A tree with references to variables.

    Args:
        node: the tree; must not be changed any more.
    """

    __slots__ = ("_expanded", "_names", "node")

    def __init__(self, node: MappingNode) -> None:
        self.node = node
        names: dict[str, None] = {}
        _collect(node, names)
        self._names = tuple(names)
        self._expanded: dict[tuple[str | None, ...], Expanded] = {}

    def expand(self, variables: Variables) -> Expanded:
        """The tree with variables replaced.

        Raises:
            LoadError: as `Variables.expand` does, or TRAILING_LIST_DIRECTIVE.
        """
        values = variables.values_of(self._names)
        found = self._expanded.get(values)
        if found is None:
            # With an undefined variable this raises, and says where it is used.
            node = variables.expand(self.node)
            assert_fully_composed(node)
            found = self._expanded[values] = Expanded(node)
        return found


def _collect(node: Any, names: dict[str, None]) -> None:
    """The variables that a tree refers to."""
    kind = type(node)
    if kind is ScalarNode:
        if node.value is not None and "%{" in node.value:
            names.update(dict.fromkeys(references(node.value)))
    else:
        for child in node.value.values() if kind is MappingNode else node.value:
            _collect(child, names)
