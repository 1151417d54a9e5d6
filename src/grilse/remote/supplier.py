"""Brings blobs into a store from a remote when they are needed, and not before.

Knows stores and one remote; does not know what the blobs are part of.
"""

from __future__ import annotations

from collections.abc import Sequence

from grilse.remote import transfer
from grilse.remote.connection import Connection
from grilse.remote.errors import BlobsMissing
from grilse.remote.transfer import Report
from grilse.storage.closure import missing_blobs
from grilse.storage.digest import Digest
from grilse.storage.store import Store


class RemoteSupplier:
    """Supplies a store from a remote (`grilse.storage.store.Supplier`).

    Args:
        connection: to the remote.
        store: what is supplied.
        report: told how far a transfer is, or None.
    """

    def __init__(self, connection: Connection, store: Store, report: Report | None = None) -> None:
        self._connection = connection
        self._store = store
        self._report = report

    def supply(self, digest: Digest) -> bool:
        """Bring one blob; whether it is in the store now.

        Raises:
            RemoteError: the remote does not answer.
        """
        return not transfer.fetch_blobs(self._connection, self._store, [digest])

    def supply_trees(self, trees: Sequence[Digest]) -> None:
        """Bring all that is missing of trees.

        Raises:
            RemoteError: the remote does not answer, or does not have it.
        """
        # What is here is the rule, and finding that out needs no connection.
        if next(missing_blobs(self._store, (), trees), None) is None:
            return
        missing = transfer.fetch_trees(self._connection, self._store, trees, self._report)
        if missing:
            raise BlobsMissing(self._connection.url, missing)
