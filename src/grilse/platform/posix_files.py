"""File operations on POSIX systems: copies without copying where the file system can, locks, free space.

Knows nothing of what the files hold.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys

# linux/fs.h: ioctl that makes one file share another's extents.  Other systems answer ENOTTY or EINVAL.
_FICLONE = 0x40049409

# What a file system that cannot clone or copy in the kernel answers.
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EBADF, errno.EPERM}

# Flags for os.open(); Python itself keeps descriptors from being inherited.
READ = os.O_RDONLY
READ_ONLY_IF_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # not a link, and without waiting for a pipe's writer
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
NEW_READABLE = os.O_RDWR | os.O_CREAT | os.O_EXCL

BLOB_MODE = 0o444  # of files that are never to be changed

# linux/fcntl.h and linux/fs.h: arguments of renameat2()
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

_MAX_SOCKET_PATH = 100  # bytes; systems allow 104 or 108

_CHUNK = 1 << 20  # bytes per read when a copy goes through this process


def clone_or_copy(source: int, target: int, size: int, *, clone: bool = True) -> bool:
    """Make the empty file `target` hold what `source` holds, both descriptors at offset 0.

    Shares extents where the file system does (`clone`), lets the kernel copy where it can, and copies itself otherwise.
    `size` is what the source is expected to hold; a source that grows meanwhile may be copied further.

    Returns:
        Whether extents are shared now: then cloning pays for the next file, too.

    Raises:
        OSError: a read or write failed, or there is no space left.
    """
    if size == 0:
        return False
    if clone:
        try:
            fcntl.ioctl(target, _FICLONE, source)
            return True
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    copied = 0
    if hasattr(os, "copy_file_range"):
        try:
            while count := os.copy_file_range(source, target, 1 << 30):
                copied += count
            if copied >= size:
                return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    # Also reached when the kernel claims an early end, as some file systems without sizes do.
    while data := os.read(source, _CHUNK):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    return False


def is_executable(status: os.stat_result) -> bool:
    """Whether the owner of a file may execute it; what of the mode a cache keeps."""
    return bool(status.st_mode & stat.S_IXUSR)


def exchange(one: str, other: str) -> bool:
    """Let two paths of one file system change places at once; False where the system or the file system cannot.

    Raises:
        OSError: one of them does not exist, or may not be renamed.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EBUSY, errno.EXDEV):
        return False
    raise OSError(number, os.strerror(number), one, None, other)


def free_space(path: str) -> tuple[int, int]:
    """Bytes that this user may still write to the file system of `path`, and its whole size.

    Raises:
        OSError: there is no such path.
    """
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Wait for a lock on an open file; it lasts until the descriptor is closed or the process ends, however it ends.

    Waits without a limit: callers hold locks for the time of a few system calls, or mean to wait for a whole session.
    """
    fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """As `lock`, but returns False at once when another descriptor holds it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def socket_answers(path: str) -> bool:
    """Whether somebody listens on the Unix socket at `path`; one whose owner died is still a file.

    Raises:
        OSError: it cannot be told, for want of permission say.
    """
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # a full backlog is an answer, too
        try:
            if len(os.fsencode(path)) < _MAX_SOCKET_PATH:
                client.connect(path)
            else:
                import tempfile

                with tempfile.TemporaryDirectory(prefix="grilse-") as scratch:
                    os.symlink(os.path.abspath(path), f"{scratch}/s")
                    client.connect(f"{scratch}/s")
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
    return True


def thread_count() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def umask() -> int:
    """The mask for the modes of new files; another thread may find it changed for an instant."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
