"""Removes what workers left that were killed, in a thread of its own: scratch directories and temporary files.

Knows where jobs work and how their files are named; nothing of pools or jobs.  Scratch directories say by a lock
whether their owner lives, so that those of an earlier session, which was killed itself, are removed as well.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator

# How often, and after how many seconds, directories are looked at again that a dead worker's sandbox still holds: it is
# being killed, which takes the kernel a moment.
_TRIES, _PAUSE = 20, 0.05


class Leftovers:
    """Sweeps once now, and after each worker that died, until it is closed.

    Args:
        cachedir: bst's ``cachedir``.
        sourcedir: where sources keep what they download.
        mark: that of the session whose workers die.
    """

    def __init__(self, cachedir: str, sourcedir: str, mark: str) -> None:
        self._cachedir = cachedir
        self._sourcedir = sourcedir
        self._mark = mark
        # Process ids of the dead; None: there will be no more.
        self._dead: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="leftovers", daemon=True)
        self._thread.start()

    def died(self, pid: int) -> None:
        """A worker was killed, or ended in the middle of a job."""
        self._dead.put(pid)

    def close(self) -> None:
        """Wait until everything is removed that was told of."""
        self._dead.put(None)
        # No limit: removing files is all that it does, as much of it as there are.
        self._thread.join()

    def _run(self) -> None:
        from ..storage.expiry import remove_orphans
        from ..storage.sessions import remove_dead_marks

        try:
            remove_dead_marks(self._cachedir)
            remove_orphans(self._cachedir)
        except OSError:
            # A cache that cannot be written to is read all the same.
            pass
        self._sweep()
        while (pid := self._dead.get()) is not None:
            remove_orphans(self._cachedir, (pid, self._mark))
            for _ in range(_TRIES):
                self._sweep()
                if not self._held(pid):
                    break
                time.sleep(_PAUSE)

    def _places(self) -> Iterator[tuple[str, str]]:
        """Directories with scratch directories in them, and what their names begin with."""
        from ..sandbox.scratch import DOWNLOADS, SOURCES

        yield os.path.join(self._cachedir, "grilse", "sandbox"), ""
        yield os.path.join(self._cachedir, "build"), SOURCES
        for name in _names(self._sourcedir):
            yield os.path.join(self._sourcedir, name), DOWNLOADS

    def _sweep(self) -> None:
        from ..sandbox.scratch import sweep

        for place, prefix in self._places():
            sweep(place, prefix)

    def _held(self, pid: int) -> bool:
        return any(name.startswith(f"{prefix}{pid}-") for place, prefix in self._places() for name in _names(place))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
