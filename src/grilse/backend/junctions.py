"""Fetches the sources of a junction while the project loads.

Knows that this takes a job; nothing of how junctions are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..project.resolved import ResolvedElement
from ..protocol.errors import GrilseError, StreamError
from .single import run_single

if TYPE_CHECKING:
    from .pipeline import Pipeline


def fetch_junction(pipeline: Pipeline, junction: ResolvedElement) -> None:
    """Have a worker fetch a junction's sources into the store.

    Raises:
        StreamError: they cannot be had; what the job says is its cause.
    """
    try:
        run_single(pipeline, junction, "fetch", "fetch", announce=True)
    except GrilseError as error:
        # The error of the command is that of its session, as for any other job that fails
        raise StreamError(error.message, detail=error.detail, where=error.where) from error
