"""Writes files that belong to the user, such as declarations of elements: whole or not at all.

Knows nothing of what is in them.  What a writer left that was killed is removed by the next one in the same directory.
"""

from __future__ import annotations

import os
import stat

from grilse.platform.files import NEW, lock, try_lock

# What the names of files begin with that are being written; so do those of nothing else.
_PREFIX = ".grilse-write-"
# Another writer may take a file for one of a dead writer, in the instant before it is locked.
_TRIES = 5


def write_user_file(path: str, data: bytes) -> None:
    """Replace a file, or make it; a reader finds the old content or the new one, whenever this process is killed.

    A symbolic link stays, what it leads to is replaced; permissions of what was there stay, too.

    Raises:
        OSError: it cannot be written; nothing has been changed then.
    """
    path = os.path.realpath(path)
    directory = os.path.dirname(path)
    _sweep(directory)
    for last in [False] * (_TRIES - 1) + [True]:
        temporary = os.path.join(directory, f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            _write(temporary, data)
            if os.path.exists(path):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(temporary, path)
            return
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or last:
                try:
                    os.unlink(temporary)
                except OSError:
                    pass
                raise


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, NEW, 0o666)
    try:
        lock(descriptor)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(directory: str) -> None:
    """Remove what dead writers left."""
    for name in os.listdir(directory):
        if not name.startswith(_PREFIX):
            continue
        path = os.path.join(directory, name)
        try:
            descriptor = os.open(path, os.O_RDWR)
            try:
                dead = try_lock(descriptor)
            finally:
                os.close(descriptor)
            if dead:
                os.unlink(path)
        except OSError:
            continue  # somebody else's, or gone
