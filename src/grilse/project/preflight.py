"""Makes sure, once an element is resolved, that it has only what its plugin allows and that its plugins can work.

Must not know how elements are resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugin.exceptions import BstError, ElementError

if TYPE_CHECKING:
    from ..plugin.element import Element
    from .resolved import ResolvedElement


def preflight(resolved: ResolvedElement, element: Element) -> None:
    """Make sure that an element has only what its plugin allows, and that its plugins can work."""
    sources = element._grilse.sources
    build, runtime = resolved.build_dependencies, resolved.runtime_dependencies
    if element.BST_FORBID_RDEPENDS and element.BST_FORBID_BDEPENDS and (build or runtime):
        raise _forbidden(element, "Dependencies", "depends")
    if element.BST_FORBID_RDEPENDS and runtime:
        raise _forbidden(element, "Runtime dependencies", "rdepends")
    if element.BST_FORBID_BDEPENDS and build:
        raise _forbidden(element, "Build dependencies", "bdepends")
    if element.BST_FORBID_SOURCES and sources:
        raise _forbidden(element, "Sources", "sources")
    try:
        element.preflight()
    except BstError as error:
        raise ElementError(f"{element}: {error}", detail=error.detail, reason=error.reason) from error
    if not sources:
        return
    first = sources[0]
    if first.BST_REQUIRES_PREVIOUS_SOURCES_TRACK or first.BST_REQUIRES_PREVIOUS_SOURCES_FETCH:
        raise ElementError(
            f"{element}: {first} cannot be the first source of an element, since it works on those before it"
        )
    for source in sources:
        source._preflight()


def _forbidden(element: Element, what: str, word: str) -> ElementError:
    return ElementError(
        f"{element}: {what} are forbidden for '{element.get_kind()}' elements", reason=f"element-forbidden-{word}"
    )
