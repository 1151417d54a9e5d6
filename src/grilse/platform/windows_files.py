"""File operations on Windows: copies, locks, free space.

Knows nothing of what the files hold.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

if sys.platform == "win32":
    import msvcrt

_BINARY = getattr(os, "O_BINARY", 0)  # without it line ends are changed

# Flags for os.open(); Python itself keeps descriptors from being inherited.
READ = os.O_RDONLY | _BINARY
READ_ONLY_IF_FILE = READ
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
NEW_READABLE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY

BLOB_MODE = 0o666  # files that may not be written to can be neither replaced nor removed here

_CHUNK = 1 << 20  # bytes per read
_LOCK_RETRY = 0.05  # seconds between attempts: msvcrt's own waiting gives up after ten


def clone_or_copy(source: int, target: int, size: int, *, clone: bool = True) -> bool:
    """Make the empty file `target` hold what `source` holds; never clones here, so always False."""
    while data := os.read(source, _CHUNK):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    return False


def is_executable(status: os.stat_result) -> bool:
    """Whether a file may be executed; Python derives this bit from the file's suffix here."""
    return bool(status.st_mode & 0o100)


def exchange(one: str, other: str) -> bool:
    """Let two paths change places at once; never here: False."""
    return False


def free_space(path: str) -> tuple[int, int]:
    """Bytes that this user may still write to the volume of `path`, and its whole size."""
    usage = shutil.disk_usage(path)
    return usage.free, usage.total


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Wait for a lock on an open file; every lock is exclusive here."""
    while not try_lock(descriptor, shared=shared):
        time.sleep(_LOCK_RETRY)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """As `lock`, but returns False at once when another descriptor holds it."""
    if sys.platform == "win32":
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    return True


def socket_answers(path: str) -> bool:
    """Whether somebody listens on the Unix socket at `path`; never here, where BuildStream does not run."""
    return False


def thread_count() -> int:
    """How many processors this process may use."""
    return os.cpu_count() or 1


def umask() -> int:
    """The mask for the modes of new files, of which the system knows only the write bit."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
