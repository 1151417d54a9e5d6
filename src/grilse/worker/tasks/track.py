"""Finds new refs for the sources of an element; the backend stores them."""

from __future__ import annotations

from typing import Any

from ..context import JobContext, JobSkipped
from ..element import ElementJob


def prepare() -> None:
    """Import what tracking needs."""
    from ...plugin import revive  # noqa: F401
    from .. import sources  # noqa: F401


def run(job: JobContext) -> dict[str, Any]:
    """Track; gives ``refs``, a list of index, new ref and whether it changed.

    Raises:
        SourceError: a source cannot be tracked.
    """
    with ElementJob(job) as mine:
        refs = mine.sources.track(workspaced=mine.facts.workspace is not None)
    if all(entry["ref"] is None for entry in refs):
        raise JobSkipped
    return {"refs": refs}
