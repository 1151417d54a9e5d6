"""Pushes an element's sources."""

from __future__ import annotations

from typing import Any

from ...storage.sources import SourceCache
from ..cache import store_of
from ..context import JobContext, JobSkipped
from ..exchange import exchange_of


def run(job: JobContext) -> dict[str, Any]:
    """Push what is kept of single sources, and the element's sources together; skipped if remotes had it all.

    Raises:
        GrilseError: a remote failed.
    """
    from ...remote.sources import push_source

    exchange, record = exchange_of(job, "sources"), job.record
    assert record is not None
    if exchange is None:
        raise JobSkipped
    store = store_of(job)
    single, together = SourceCache(store), SourceCache(store, together=True)
    body = job.plan.body(record)
    length = int(job.settings("key_length", 8))
    pushed = False
    for source in body.sources:
        if source.name is not None and single.lookup(source.name) is not None:
            pushed |= push_source(exchange, single, source.name, shown=source.name.rpartition("/")[2][:length])
    if body.sources_key is not None and together.lookup(body.sources_key) is not None:
        pushed |= push_source(exchange, together, body.sources_key, shown=body.sources_key[:length])
    if not pushed:
        raise JobSkipped
    return {"pushed": True}
