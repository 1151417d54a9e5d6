"""The errors that several parts of loading raise, each with its place.

Must not know what was being loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocol.errors import LoadError, LoadErrorReason

if TYPE_CHECKING:
    from ..plugin.node import Node


def circular_search(name: str, place: Node | None, detail: str | None = None) -> LoadError:
    """The error that says that looking for a name leads back to it."""
    return LoadError(
        f"Circular reference while searching for '{name}'",
        reason=LoadErrorReason.CIRCULAR_REFERENCE,
        detail=detail,
        where=str(place.get_provenance()) if place is not None else "",
    )


def invalid(message: str, node: Node | None) -> LoadError:
    """The error that says what is wrong with a node, or with what the command line says."""
    where = str(node.get_provenance()) if node is not None else ""
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=where)
