"""Which element's sources a command about sources means: a filter has those of what it filters.

Knows that plugins may point elsewhere; nothing of what is done with the sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..project.resolved import ResolvedElement

if TYPE_CHECKING:
    from .pipeline import Pipeline


def source_element(pipeline: Pipeline, element: ResolvedElement) -> ResolvedElement:
    """The element that commands about the sources of `element` work on; itself for most."""
    found = element.element()._get_source_element()
    return found if isinstance(found, ResolvedElement) else element
