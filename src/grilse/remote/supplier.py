"""Brings blobs into a store from a remote when they are needed, and not before.

Knows stores and remotes; does not know what the blobs are part of.  `RemoteSupplier` is for what a remote has for the
moment, such as outputs of remote execution; `StorageSupplier` for the storage service of the cache, which keeps what
the cache has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grilse.protocol.errors import RemoteError
from grilse.remote import transfer
from grilse.remote.connection import Connection
from grilse.remote.errors import UNREACHABLE, BlobsMissing
from grilse.remote.session import Say
from grilse.remote.transfer import Report
from grilse.storage.closure import missing_blobs
from grilse.storage.digest import Digest
from grilse.storage.store import Store
from grilse.storage.supply import Supplier


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

    def supply(self, digests: Sequence[Digest]) -> list[Digest]:
        """Bring blobs; returns those that the remote does not have.

        Raises:
            RemoteError: the remote does not answer.
        """
        return transfer.fetch_blobs(self._connection, self._store, digests)

    def supply_trees(self, trees: Sequence[Digest], *, files: bool = True) -> list[Digest]:
        """Bring all that is missing of trees, or only their directories; returns what the remote does not have.

        Raises:
            RemoteError: the remote does not answer.
        """
        if files:
            # What is here is the rule, and finding that out needs no connection.
            if next(missing_blobs(self._store, (), trees), None) is None:
                return []
            return transfer.fetch_trees(self._connection, self._store, trees, self._report)
        return transfer.fetch_directories(self._connection, self._store, trees)[1]

    def holds(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        """Nothing counts as cached that is only there."""
        return False

    def settle(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> None:
        """Bring what a record is about to name.

        Raises:
            RemoteError: the remote does not answer, or does not have it.
        """
        missing = self.supply(blobs) or self.supply_trees(trees)
        if missing:
            raise BlobsMissing(self._connection.url, missing)


class StorageSupplier:
    """Supplies a store from the storage service of the cache, and gives that whatever the cache is to keep.

    Args:
        connect: gives the connection, made when it is first needed.
        store: what is supplied.
        say: told when the service fails.
        report: told how far a transfer is, or None.
        held: where to note what the service was found to have, or was given: digests of blobs and roots of trees.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        store: Store,
        say: Say,
        report: Report | None = None,
        *,
        held: dict[Digest, None] | None = None,
    ) -> None:
        self._connect = connect
        self._store = store
        self._say = say
        self._report = report
        self._held: dict[Digest, None] = {} if held is None else held

    def _remote(self) -> RemoteSupplier:
        return RemoteSupplier(self._connect(), self._store, self._report)

    def supply(self, digests: Sequence[Digest]) -> list[Digest]:
        """As `RemoteSupplier.supply`."""
        return self._remote().supply(digests)

    def supply_trees(self, trees: Sequence[Digest], *, files: bool = True) -> list[Digest]:
        """As `RemoteSupplier.supply_trees`."""
        return self._remote().supply_trees(trees, files=files)

    def holds(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        """Whether what is not here of blobs and trees is all there; if the service fails it is not, with a warning."""
        wanted = [digest for digest in (*blobs, *trees) if digest not in self._held]
        if not wanted:
            return True
        try:
            lacking = transfer.lacking(self._connect(), self._store, blobs, trees)
        except RemoteError as error:
            if error.reason != UNREACHABLE:
                # Of a service that does not answer its connection tells.
                self._say("warn", f"The storage service failed: {error.message}", detail=error.detail)
            return False
        if lacking:
            return False
        self._held.update(dict.fromkeys(wanted))
        return True

    def settle(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> None:
        """Give the service what a record is about to name; if it fails all of that is brought here, with a warning.

        Raises:
            RemoteError: the service fails, and something is not here.
            CasError: something is nowhere.
        """
        if all(digest in self._held for digest in (*blobs, *trees)):
            return
        store = self._store
        try:
            digests = list(blobs)
            for tree in trees:
                digests += transfer.tree_digests(store, tree)
            transfer.push_blobs(self._connect(), store, digests, self._report)
        except RemoteError as error:
            self._say(
                "warn",
                f"The storage service does not take what the cache is to keep, so that it is only here: "
                f"{error.message}",
                detail=error.detail,
            )
            absent = list(missing_blobs(store, blobs, trees))
            if absent:
                raise
            return
        self._held.update(dict.fromkeys((*blobs, *trees)))


class Suppliers:
    """Several suppliers of one store, asked one after the other.

    Args:
        first: asked first; what it has for the moment is passed on to the second to keep.
        second: the storage service of the cache.
    """

    def __init__(self, first: Supplier, second: Supplier) -> None:
        self._first = first
        self._second = second

    def supply(self, digests: Sequence[Digest]) -> list[Digest]:
        """As `RemoteSupplier.supply`."""
        missing = self._first.supply(digests)
        return self._second.supply(missing) if missing else []

    def supply_trees(self, trees: Sequence[Digest], *, files: bool = True) -> list[Digest]:
        """As `RemoteSupplier.supply_trees`."""
        missing = self._first.supply_trees(trees, files=files)
        return self._second.supply_trees(trees, files=files) if missing else []

    def holds(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        """Whether the second has it."""
        return self._second.holds(blobs, trees)

    def settle(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> None:
        """Give the second what a record is about to name."""
        self._second.settle(blobs, trees)
