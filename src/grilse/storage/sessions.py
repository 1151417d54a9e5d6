"""Marks who uses the cache, and since when, so that nothing is expired that a running session needs.

Knows locks and marks; does not know what is in the cache.  A session of grilse holds a lock on a file of its own in
``cachedir/grilse/sessions``; one of BuildStream has a buildbox-casd that listens on ``cachedir/casserver-*.sock``.
Either mark dies with its owner, however that ends.

What a session needs is what was used since it began: blobs by their modification time, which both tools set on use,
and artifacts by that of their records.  To look something up and to rely on it, a session holds `guard`: expiry never
takes place in between.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from grilse.platform.files import NEW_READABLE, lock, socket_answers, try_lock
from grilse.storage.errors import cas_error

# Subtracted from the beginning of a session: file systems stamp with a clock that lags by a few milliseconds.
MARGIN = 0.05  # seconds

# A mark without a lock that is younger than this is about to get one.
_BEGINNING = 60.0  # seconds

_SOCKET_PREFIX = "casserver-"
_SOCKET_SUFFIX = ".sock"


class Session:
    """One use of a cache directory, from now until it is closed or the process ends.

    Args:
        cachedir: bst's ``cachedir``.

    Raises:
        CasError: the mark cannot be written.
    """

    def __init__(self, cachedir: str) -> None:
        self.cachedir = cachedir
        directory = os.path.join(cachedir, "grilse", "sessions")
        self._path = os.path.join(directory, f"{os.getpid()}-{os.urandom(4).hex()}")
        try:
            os.makedirs(directory, exist_ok=True)
            # Under the guard, so that an expiry sees the session either before it decides or not at all.
            with guard(cachedir):
                self._descriptor = os.open(self._path, NEW_READABLE, 0o644)
                lock(self._descriptor)
        except OSError as error:
            raise cas_error(error, f"use the cache directory '{cachedir}'") from error

    @property
    def mark(self) -> str:
        """The name of the mark: by it what is left of a session is known to be of a dead one, see `marks`."""
        return os.path.basename(self._path)

    def abandon(self) -> None:
        """Remove the mark, from any thread: the process is about to end."""
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def close(self) -> None:
        """End the use."""
        if self._descriptor >= 0:
            try:
                os.unlink(self._path)
            except OSError:
                pass
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def guard(cachedir: str, *, exclusive: bool = False) -> Iterator[None]:
    """Keep expiry away, or everybody else if `exclusive`.  To be held for fractions of a second.

    A cache directory that cannot be written to has nothing expired, so no guard is needed there.
    """
    directory = os.path.join(cachedir, "grilse")
    try:
        os.makedirs(directory, exist_ok=True)
        descriptor = os.open(os.path.join(directory, "expiry.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        if exclusive:
            raise
        yield
        return
    try:
        # No limit: holders do a bounded number of system calls, and the kernel releases the locks of the dead.
        lock(descriptor, shared=not exclusive)
        yield
    finally:
        os.close(descriptor)


def oldest_start(cachedir: str, *, but: Session | None = None) -> float | None:
    """When the oldest running session of either tool began, in seconds since the epoch, or None if none runs.

    Marks of the dead are removed.

    Args:
        cachedir: bst's ``cachedir``.
        but: a session that does not count, the caller's.
    """
    starts = [*_own_starts(cachedir, but), *bst_sessions(cachedir).values()]
    return min(starts) - MARGIN if starts else None


def remove_dead_marks(cachedir: str) -> None:
    """Remove the marks of sessions of ours that were killed.

    Raises:
        OSError: the cache directory cannot be written to.
    """
    directory = os.path.join(cachedir, "grilse", "sessions")
    # Whoever makes a mark holds the guard until it is locked.
    with guard(cachedir, exclusive=True):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            try:
                descriptor = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                if try_lock(descriptor):
                    os.unlink(path)
            except FileNotFoundError:
                continue
            finally:
                os.close(descriptor)


def marks(cachedir: str) -> frozenset[str]:
    """The names of the marks that there are."""
    try:
        return frozenset(os.listdir(os.path.join(cachedir, "grilse", "sessions")))
    except OSError:
        return frozenset()


def _own_starts(cachedir: str, but: Session | None) -> Iterator[float]:
    directory = os.path.join(cachedir, "grilse", "sessions")
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        if but is not None and path == but._path:
            continue
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            start = os.fstat(descriptor).st_mtime
            if not try_lock(descriptor):
                yield start
            elif start < time.time() - _BEGINNING:
                os.unlink(path)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def bst_sessions(cachedir: str) -> dict[str, float]:
    """When each running session of BuildStream began, in seconds since the epoch, by a name of its own."""
    found: dict[str, float] = {}
    try:
        names = os.listdir(cachedir)
    except OSError:
        return found
    for name in names:
        if name.startswith(_SOCKET_PREFIX) and name.endswith(_SOCKET_SUFFIX):
            path = os.path.join(cachedir, name)
            try:
                if socket_answers(path):
                    found[name] = os.stat(path).st_mtime
            except OSError:
                continue
    return found
