"""Checks a session's remotes and leaves out those that do not work."""

from __future__ import annotations

from typing import Any

from ..context import JobContext
from ..exchange import connections_of, settings_of


def run(job: JobContext) -> dict[str, Any]:
    """Check; gives the remotes that are left."""
    from ...remote.check import initialize_remotes

    def say(kind: str, text: str, *, detail: str | None = None) -> None:
        job.message(kind, text, detail=detail)

    return {"remotes": initialize_remotes(connections_of(job), settings_of(job), say).to_plain()}
