"""Fetches the sources of an element and puts them into the store."""

from __future__ import annotations

from typing import Any

from ..context import JobContext, JobSkipped
from ..element import ElementJob


def prepare() -> None:
    """Import what fetching needs."""
    from ...plugin import revive  # noqa: F401
    from .. import sources  # noqa: F401


def run(job: JobContext) -> dict[str, Any]:
    """Fetch.

    Raises:
        SourceError: a source cannot be had.
        JobSkipped: everything is here already.
    """
    with ElementJob(job) as element:
        if not element.sources.fetch():
            raise JobSkipped
    return {}
