"""Asks remotes which artifacts they know."""

from __future__ import annotations

from typing import Any

from ...protocol.errors import ArtifactError
from ..context import JobContext
from ..exchange import exchange_for


def run(job: JobContext) -> dict[str, Any]:
    """Ask; gives the display names of those that a remote knows."""
    from ...remote.artifacts import query_artifact

    known = []
    for name, project, element, key in job.spec.parameters["artifacts"]:
        exchange = exchange_for(job, "artifacts", project)
        if exchange is None:
            continue
        try:
            if query_artifact(exchange, project, element, key):
                known.append(name)
        except ArtifactError as error:
            job.message("warn", error.message, detail=error.detail)
    return {"available": known}
