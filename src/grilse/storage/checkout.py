"""Writes trees of the store to the host: into directories and into tar archives.

Knows trees and blobs; does not know artifacts.  Modes and times are those of ``bst artifact checkout``: copies have
the mode of new files plus execution where reading is allowed, hard links keep the store's mode 0444, directories are
as new, times are of now unless the tree holds some; in an archive they are 0644, 0755, 0777 and the given time.
"""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from grilse.platform.files import NEW, clone_or_copy, thread_count
from grilse.storage.digest import Digest
from grilse.storage.errors import cas_error
from grilse.storage.messages import DirectoryNode, FileNode, SymlinkNode
from grilse.storage.store import Store

if TYPE_CHECKING:
    from tarfile import TarFile

# Files of at least this size are copied by several threads; for smaller ones the copy is not what takes the time.
_PARALLEL_SIZE = 64 * 1024
_MAX_THREADS = 4

# A link cannot be made there (another file system, too many links, not allowed): a copy is made instead.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES)


def export_tree(store: Store, digest: Digest, path: str, *, hardlinks: bool = False) -> None:
    """Write a tree into a host directory, which is made if it is not there; files that are in the way are replaced.

    Args:
        store: where the blobs are.
        digest: of the tree.
        path: the directory; a symbolic link in it is never followed.
        hardlinks: whether files may share the store's inode.  Executable files and files with a time of their own are
            copied all the same, since a link would have to change the blob's mode or time for everybody.

    Raises:
        CasError: a blob is missing or something cannot be written.
    """
    store.complete([digest])
    mask = _umask_of(path)
    threads = min(_MAX_THREADS, thread_count())
    pending: list[Future[None]] = []
    # Times of directories are set last: writing below changes them.
    times: list[tuple[str, int]] = []
    pool = ThreadPoolExecutor(threads, thread_name_prefix="checkout") if threads > 1 else None
    try:
        stack = [(digest, path)]
        while stack:
            current, directory = stack.pop()
            listing = store.listing(current)
            if listing.mtime is not None:
                times.append((directory, listing.mtime))
            for name, node in listing.nodes.items():
                target = os.path.join(directory, name)
                if type(node) is FileNode:
                    if pool is not None and node.digest.size >= _PARALLEL_SIZE:
                        pending.append(pool.submit(_write_file, store, node, target, mask, hardlinks))
                    else:
                        _write_file(store, node, target, mask, hardlinks)
                elif type(node) is DirectoryNode:
                    _make_directory(target)
                    stack.append((node.digest, target))
                elif type(node) is SymlinkNode:
                    _make_symlink(node.target, target)
        for future in pending:
            future.result()
    finally:
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
    for directory, mtime in reversed(times):
        _set_time(directory, mtime)


def _umask_of(path: str) -> int:
    """The mode that new files get in `path`, which is made; the umask itself cannot be read without changing it."""
    try:
        os.makedirs(path, exist_ok=True)
        probe = os.path.join(path, f".grilse-{os.getpid()}-{os.urandom(4).hex()}")
        descriptor = os.open(probe, NEW, 0o666)
        try:
            return stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
            os.unlink(probe)
    except OSError as error:
        raise cas_error(error, f"write to '{path}'") from error


def _write_file(store: Store, node: FileNode, target: str, mode: int, hardlinks: bool) -> None:
    """Write one file; `mode` is that of new files."""
    try:
        if hardlinks and not node.executable and node.mtime is None and _link(store.path(node.digest), target):
            return
        if node.executable:
            # Whoever may read it may execute it.
            mode |= (mode & 0o444) >> 2
        with store.open(node.digest) as source:
            try:
                copy = os.open(target, NEW, mode)
            except FileExistsError:
                _clear(target)
                copy = os.open(target, NEW, mode)
            try:
                store.clones = clone_or_copy(source.fileno(), copy, node.digest.size, clone=store.clones)
            finally:
                os.close(copy)
        if node.mtime is not None:
            _set_time(target, node.mtime)
    except OSError as error:
        raise cas_error(error, f"write '{target}'") from error


def _link(blob: str, target: str) -> bool:
    """Make a hard link if that is possible."""
    try:
        try:
            os.link(blob, target)
        except FileExistsError:
            _clear(target)
            os.link(blob, target)
    except OSError as error:
        if error.errno in _NO_LINK or error.errno == errno.ENOENT:
            return False
        raise
    return True


def _clear(target: str) -> None:
    """Remove what stands in the way of a file; a directory only if it is empty."""
    try:
        os.unlink(target)
    except (IsADirectoryError, PermissionError):
        os.rmdir(target)


def _make_directory(target: str) -> None:
    try:
        try:
            os.mkdir(target)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(target).st_mode):
                os.unlink(target)
                os.mkdir(target)
    except OSError as error:
        raise cas_error(error, f"make directory '{target}'") from error


def _make_symlink(link: str, target: str) -> None:
    try:
        try:
            os.symlink(link, target)
        except FileExistsError:
            _clear(target)
            os.symlink(link, target)
    except OSError as error:
        raise cas_error(error, f"make symbolic link '{target}'") from error


def _set_time(path: str, mtime: int) -> None:
    try:
        os.utime(path, ns=(mtime, mtime))
    except OSError as error:
        raise cas_error(error, f"set the time of '{path}'") from error


def write_tar(store: Store, digest: Digest, archive: TarFile, prefix: str, mtime: int) -> None:
    """Append a tree to an open tar archive, its entries sorted by name, the tree's root itself left out.

    Args:
        store: where the blobs are.
        digest: of the tree.
        archive: open for writing.
        prefix: what all names in the archive begin with.
        mtime: time of every member, in seconds since the epoch.

    Raises:
        CasError: a blob is missing, or the archive cannot be written.
    """
    import tarfile

    for name, node in sorted(store.listing(digest).nodes.items()):
        member = tarfile.TarInfo(os.path.join(prefix, name))
        member.mtime = mtime
        try:
            if type(node) is DirectoryNode:
                member.type = tarfile.DIRTYPE
                member.mode = 0o755
                archive.addfile(member)
                write_tar(store, node.digest, archive, member.name, mtime)
            elif type(node) is FileNode:
                member.mode = 0o755 if node.executable else 0o644
                member.size = node.digest.size
                with store.open(node.digest) as source:
                    archive.addfile(member, source)
            elif type(node) is SymlinkNode:
                member.type = tarfile.SYMTYPE
                member.mode = 0o777
                member.linkname = node.target
                archive.addfile(member)
        except OSError as error:
            raise cas_error(error, f"write '{member.name}' to the archive") from error
