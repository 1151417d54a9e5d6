"""Fetches the sources of a junction while the project loads.

Knows that this takes a job; nothing of how junctions are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..project.resolved import ResolvedElement
from .single import run_single

if TYPE_CHECKING:
    from .pipeline import Pipeline


def fetch_junction(pipeline: Pipeline, junction: ResolvedElement) -> None:
    """Have a worker fetch a junction's sources into the store.

    Raises:
        GrilseError: they cannot be had.
    """
    run_single(pipeline, junction, "fetch", "fetch", announce=True)
