"""Keeps the cache within its limits while a session works: unpacked trees go first, then what was used longest ago.

Knows the limits and what may be given up; when and how is for the storage and sandbox rooms to know.
"""

from __future__ import annotations

import threading

from ..project.user_config import UserConfig
from ..protocol.errors import GrilseError
from ..storage.expiry import Limits, Removed, room
from ..storage.keeper import Keeper
from ..storage.store import Store

# How long after the beginning, and how often, the limits are looked at.
_INTERVAL = 5.0  # seconds


def limits_of(config: UserConfig) -> Limits:
    """How much the cache may hold by the user's configuration."""
    return Limits(config.quota, config.reserved, config.low_watermark, config.storage_service is not None)


class Upkeep:
    """Marks the use of the cache directory and looks after it in a thread of its own, until it is closed.

    Args:
        store: the cache.
        limits: how much it may hold.

    Raises:
        CasError: the cache directory cannot be written to.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._keeper = Keeper(store, limits)
        self._stop = threading.Event()
        self.removed: list[Removed] = []
        self.error: GrilseError | None = None
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL):
            try:
                self.tend()
            except GrilseError as error:
                # A cache that cannot be cleaned is no reason to stop building.
                self.error = error
                return

    def tend(self) -> None:
        """Look at the limits once.

        Raises:
            CasError: room cannot be made.
        """
        if room(self._store, self._limits, 0).free < self._limits.reserved:
            from ..sandbox.trees import drop_trees

            drop_trees(self._store)
        removed = self._keeper.tend()
        if removed is not None:
            self.removed.append(removed)

    @property
    def mark(self) -> str:
        """The name of the mark: whose temporary files are whose."""
        return self._keeper.mark

    def abandon(self) -> None:
        """Remove the mark, from any thread: the process is about to end."""
        self._keeper.abandon()

    def close(self) -> None:
        """Stop; an expiry that is under way is waited for, which takes seconds at most."""
        self._stop.set()
        self._thread.join()
        self._keeper.close()
