"""Scratch directories of jobs and their sandboxes, each owned by whoever holds its lock, swept when nobody does.

Knows nothing of what is put into them.  A lock is a file beside the directory (``NAME.lock``) with a shared `flock` on
it, which the kernel drops when the last holder dies, however it dies; so no process ids have to be believed.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable
from typing import Any

from grilse.platform.files import lock, try_lock

_SUFFIX = ".lock"
# What the names of those begin with that sources stage into, and that they download into: the first are in
# ``cachedir/build``, the others beside what was downloaded.
SOURCES, DOWNLOADS = "grilse-source-", "grilse-tmp-"
# Likewise of those that are beside a user's directory or file, until what is in them takes its place.
BESIDE = ".grilse-checkout-"
# What a name consists of after its prefix: the process that made it, and what nobody guesses.
_NAME = re.compile(r"[0-9]+-[0-9a-f]{8}")


class Scratch:
    """A scratch directory that is ours until `close`.

    Args:
        parent: where it is made.
        prefix: what its name begins with; where others have files too, it tells ours from theirs.

    Attributes:
        path: the directory.
        lock_path: its lock; others that use the directory hold a shared lock on this file while they do.
    """

    __slots__ = ("_descriptor", "lock_path", "path")

    def __init__(self, parent: str, prefix: str = "") -> None:
        """Make a new directory below `parent`, and sweep what dead owners left there.

        Raises:
            OSError: it cannot be made.
        """
        if prefix:
            # Others have files there, too: their directory stays as it is.
            os.makedirs(parent, exist_ok=True)
        else:
            ensure_private(parent)
        sweep(parent, prefix)
        while True:
            self.path = os.path.join(parent, f"{prefix}{os.getpid()}-{os.urandom(4).hex()}")
            self.lock_path = self.path + _SUFFIX
            self._descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            lock(self._descriptor, shared=True)
            # Between the two calls a sweep may have taken the file for an orphan.
            if _same_file(self._descriptor, self.lock_path):
                break
            os.close(self._descriptor)
        try:
            os.mkdir(self.path, 0o700)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Remove the directory and give up the lock."""
        if self._descriptor < 0:
            return
        remove_tree(self.path)
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.unlink(self.lock_path)
        except FileNotFoundError:
            pass
        except PermissionError:
            # Some systems remove nothing that is open.
            os.close(descriptor)
            os.unlink(self.lock_path)
            return
        os.close(descriptor)

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *error: object) -> None:
        self.close()


def scratch_beside(target: str) -> Scratch:
    """A scratch directory from which everything can be renamed to `target`, a real path.

    It is in the same directory; within `target` if that is a directory and the other cannot be written to, or is on
    another file system.

    Raises:
        OSError: it cannot be made.
    """
    return Scratch(place_beside(target), BESIDE)


def place_beside(target: str) -> str:
    """Where `scratch_beside` makes its directories for a target."""
    parent = os.path.dirname(target)
    if os.path.isdir(target) and os.path.isdir(parent):
        apart = os.stat(target).st_dev != os.stat(parent).st_dev
        if apart or not os.access(parent, os.W_OK | os.X_OK):
            return target
    return parent


def sweep(parent: str, prefix: str = "") -> int:
    """Remove the scratch directories below `parent` whose owners are all dead; returns how many."""
    swept = 0
    try:
        names = os.listdir(parent)
    except FileNotFoundError:
        return 0
    for name in names:
        middle = name.removeprefix(prefix).removesuffix(_SUFFIX)
        if not _NAME.fullmatch(middle) or name != f"{prefix}{middle}{_SUFFIX}":
            continue
        path = os.path.join(parent, name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if try_lock(descriptor) and _same_file(descriptor, path):
                remove_tree(path.removesuffix(_SUFFIX))
                os.unlink(path)
                swept += 1
        except OSError:
            continue  # somebody else's, or in the way of somebody else: the next sweep will see
        finally:
            os.close(descriptor)
    return swept


def ensure_private(path: str) -> None:
    """Make a directory whose files belong to our own group, whatever its parent hands down.

    In a user namespace only one user and one group exist; files of others could not be changed there.

    Raises:
        OSError: it cannot be made.
    """
    os.makedirs(path, exist_ok=True)
    status = os.stat(path)
    if hasattr(os, "chown") and (status.st_gid != os.getegid() or status.st_mode & stat.S_ISGID):
        os.chown(path, -1, os.getegid())
        os.chmod(path, stat.S_IMODE(status.st_mode) & ~stat.S_ISGID)


def remove_tree(path: str) -> None:
    """Remove a tree whatever modes its directories have; what is missing is no error.

    Raises:
        OSError: something cannot be removed.
    """

    def retry(function: Callable[..., Any], name: str, error: BaseException) -> None:
        if isinstance(error, FileNotFoundError):
            return
        if not isinstance(error, PermissionError):
            raise error
        # Only a directory's own mode, or its parent's, can be in the way.
        parent = os.path.dirname(name)
        os.chmod(parent, 0o700)
        if stat.S_ISDIR(os.lstat(name).st_mode):
            os.chmod(name, 0o700)
            remove_tree(name)
        else:
            os.unlink(name)

    # The keyword was renamed in Python 3.12.
    import sys

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=retry)
    else:
        shutil.rmtree(path, onerror=lambda function, name, info: retry(function, name, info[1]))


def _same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
