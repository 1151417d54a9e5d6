"""Asks remotes what an artifact was built with that is not here."""

from __future__ import annotations

from typing import Any

from ...storage.store import Store
from ..context import JobContext
from ..exchange import exchange_for


def run(job: JobContext) -> dict[str, Any]:
    """Ask; gives the names of the artifacts in the build closure, none if no remote knows the artifact.

    Raises:
        ArtifactError: remotes were in trouble.
    """
    from ...remote.artifacts import fetch_record

    asked = job.spec.parameters
    exchange = exchange_for(job, "artifacts", asked["project"])
    if exchange is None:
        return {"needs": []}
    store = Store(job.settings("cachedir"))
    artifact = fetch_record(exchange, store, asked["project"], asked["element"], asked["key"])
    return {"needs": [needed.artifact for needed in artifact.build_dependencies] if artifact is not None else []}
