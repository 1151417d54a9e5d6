"""Pulls an element's artifact."""

from __future__ import annotations

from typing import Any

from ...storage.artifacts import ArtifactCache
from ..cache import store_of
from ..context import JobContext, JobSkipped
from ..exchange import exchange_of


def run(job: JobContext) -> dict[str, Any]:
    """Pull the artifact of the strict key, or in a build that is not strict of the weak key.

    Raises:
        ArtifactError: remotes were in trouble, and the artifact was asked for by name.
        CasError: the local cache cannot be written.
    """
    from ...remote.artifacts import pull_artifact

    exchange, record = exchange_of(job, "artifacts"), job.record
    assert record is not None
    if exchange is None:
        raise JobSkipped
    cache = ArtifactCache(store_of(job))
    keys = [record.cache_key or record.strict_key]
    if not job.settings("strict", True):
        keys.append(record.weak_key)
    for key in dict.fromkeys(keys):
        if key is None:
            continue
        artifact = pull_artifact(
            exchange,
            cache,
            record.project,
            record.name,
            key,
            shown=key[: int(job.settings("key_length", 8))],
            buildtrees=bool(job.settings("pull_buildtrees")),
            required=bool(job.spec.parameters.get("required")),
        )
        if artifact is not None:
            return {"pulled": True}
    raise JobSkipped
