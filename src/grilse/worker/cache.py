"""The store of a job, which refuses what exceeds the user's limits.

Knows the settings of jobs; what goes when room is needed is for the storage room to know.
"""

from __future__ import annotations

from ..storage.admission import Admission
from ..storage.expiry import Limits
from ..storage.sessions import marks
from ..storage.store import Store
from .context import JobContext
from .exchange import storage_supplier


def store_of(job: JobContext) -> Store:
    """A new store object for a job, supplied from the cache's storage service if there is one."""
    cachedir, mark = job.settings("cachedir"), job.settings("mark", "")
    # A job that is replayed was told of a session that is over.
    store = Store(cachedir, owner=mark if mark in marks(cachedir) else "")

    def relieve() -> None:
        from ..sandbox.trees import drop_trees

        drop_trees(store)

    store.supplier = storage_supplier(job, store)
    limits = Limits(
        job.settings("quota"),
        job.settings("reserved", 0),
        job.settings("low_watermark", 0.8),
        elsewhere=store.supplier is not None,
    )
    store.admission = Admission(limits, relieve)
    return store
