"""Refuses what does not fit: before a record is written, the cache must be within its limits, or be brought there.

Knows limits and totals.  BuildStream's casd refuses a write that exceeds the quota when nothing can be removed; here a
record is refused, the blobs that it names having been written already.  They go with the next expiry.

Counting all blobs for each record would take too long, so the processes of all sessions add what they write to a
running total in ``cachedir/grilse/usage``.  It may be too high (a blob was written twice) or too low (BuildStream has
written, too); whoever counts sets it right, which is the keeper of each session, and this when it seems exceeded.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from grilse.platform.files import lock
from grilse.protocol.errors import CasError
from grilse.storage.errors import cas_error
from grilse.storage.expiry import Limits, expire, room, used_bytes
from grilse.storage.store import Store


class Admission:
    """Decides whether records may be written; belongs to one `Store`, whose ``admission`` it becomes.

    Args:
        limits: how much the cache may hold.
        relieve: called when the disk is nearly full, before anything is removed that would have to be built again.
    """

    __slots__ = ("_limits", "_relieve")

    def __init__(self, limits: Limits, relieve: Callable[[], object] | None = None) -> None:
        self._limits = limits
        self._relieve = relieve

    def admit(self, store: Store) -> None:
        """Make sure that the cache is within its limits.

        Raises:
            CasError: it is not, and running sessions need all that is left (reason ``cache-too-full``).
        """
        limits = self._limits
        scarce = room(store, limits, 0).free < limits.reserved
        if scarce and self._relieve is not None:
            self._relieve()
            scarce = room(store, limits, 0).free < limits.reserved
        if not scarce and (limits.quota is None or add_to_total(store) <= limits.quota):
            return
        left = expire(store, limits).left
        set_total(store, left)
        state = room(store, limits, left)
        if state.exceeded:
            raise CasError(
                "Cache too full",
                reason="cache-too-full",
                detail=(
                    f"The cache in '{store.cachedir}' holds {left:,} bytes that running sessions need, and may hold "
                    f"{state.quota:,} (quota {_shown(limits.quota)}, {state.free:,} bytes of the disk are free, "
                    f"{limits.reserved:,} are to stay free)."
                ),
            )


def _shown(quota: int | None) -> str:
    return "none" if quota is None else f"{quota:,}"


def add_to_total(store: Store) -> int:
    """Add what `store` has written to the running total; returns it.

    Raises:
        CasError: it cannot be read or written.
    """
    return _update(store, None)


def set_total(store: Store, total: int) -> None:
    """Set the running total to what was counted.

    Raises:
        CasError: it cannot be written.
    """
    _update(store, total)


def _update(store: Store, total: int | None) -> int:
    path = os.path.join(store.cachedir, "grilse", "usage")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # No limit to waiting: holders read and write a few bytes, or count once when there is no total yet.
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="ascii") as file:
            lock(file.fileno())
            written, store.written = store.written, 0
            if total is None:
                text = file.read()
                total = int(text) + written if text.isdecimal() else used_bytes(store)
            file.seek(0)
            file.truncate()
            file.write(str(total))
    except OSError as error:
        raise cas_error(error, f"note the size of the cache in '{path}'") from error
    return total
