"""Pushes an element's artifact."""

from __future__ import annotations

from typing import Any

from ...protocol.errors import ErrorDomain, GrilseError
from ...storage.artifact import Artifact
from ...storage.artifacts import ArtifactCache
from ...storage.closure import Presence
from ..cache import store_of
from ..context import JobContext, JobSkipped
from ..exchange import exchange_of


def run(job: JobContext) -> dict[str, Any]:
    """Push; skipped if every remote had it.

    Raises:
        GrilseError: ELEMENT, it is not here, or not with its build tree; or a remote failed.
    """
    from ...remote.artifacts import push_artifact

    exchange, record = exchange_of(job, "artifacts"), job.record
    assert record is not None
    if exchange is None:
        raise JobSkipped
    cache = ArtifactCache(store_of(job))
    keys = [job.spec.full_key, record.cache_key, record.strict_key]
    if not job.settings("strict", True):
        keys.append(record.weak_key)
    for key in dict.fromkeys(keys):
        artifact = cache.lookup(record.project, record.name, key) if key is not None else None
        if artifact is not None:
            _check_whole(cache, artifact, record.full_name)
            shown = artifact.strong_key[: int(job.settings("key_length", 8))]
            if not push_artifact(exchange, cache, record.project, record.name, artifact, shown=shown):
                raise JobSkipped
            return {"pushed": True}
    raise _incomplete(f"{record.full_name} is not cached")


def _check_whole(cache: ArtifactCache, artifact: Artifact, name: str) -> None:
    presence = Presence(cache.store)
    if not cache.is_cached(artifact, presence):
        raise _incomplete(f"{name} is not cached")
    for what, tree in (("buildtree", artifact.buildtree), ("buildroot", artifact.buildroot)):
        if tree is not None and not presence.tree(tree):
            raise _incomplete(f"{what} of {name} is not cached")


def _incomplete(why: str) -> GrilseError:
    return GrilseError(f"Push failed: {why}", domain=ErrorDomain.ELEMENT)
