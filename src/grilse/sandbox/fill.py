"""Writes directory trees of the store to disk, with the modes and times that a sandbox shows.

Knows nothing of overlays.  What is written is remembered by inode, size and times, so that a capture need not read
again what has not changed since.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from grilse.platform.files import clone_or_copy
from grilse.sandbox.spec import DIRECTORY_MODE, FILE_MODE, PROGRAM_MODE, STAGED_MTIME_NS
from grilse.storage.digest import Digest
from grilse.storage.messages import DirectoryNode, FileNode, SymlinkNode
from grilse.storage.store import Store

_BLOCK = 4096  # bytes; what a small file or a directory takes at least
_SMALL = 256 * 1024  # bytes that are copied by one read and one write


class _Seen(NamedTuple):
    size: int
    mtime: int
    ctime: int
    node: FileNode


class Known:
    """Regular files whose content is known as long as their status does not change.

    The change time cannot be set back by any program, so an equal one means an unchanged file.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def add(self, status: os.stat_result, node: FileNode) -> None:
        """Remember that the file with `status` is `node`."""
        self._seen[status.st_ino] = _Seen(status.st_size, status.st_mtime_ns, status.st_ctime_ns, node)

    def get(self, status: os.stat_result) -> FileNode | None:
        """The node of the file with `status`, if it is known and unchanged."""
        seen = self._seen.get(status.st_ino)
        if seen is not None and seen[:3] == (status.st_size, status.st_mtime_ns, status.st_ctime_ns):
            return seen.node
        return None


class Filler:
    """Writes trees of one store.

    Args:
        store: where the content comes from.
        known: where to remember the files that were written, or None.
    """

    __slots__ = ("_clone", "_known", "_modes", "store")

    def __init__(self, store: Store, known: Known | None = None) -> None:
        self.store = store
        self._known = known
        self._clone = True
        # The mode given to open() is cut by the umask; only where that matters each file's mode is set once more.
        umask = os.umask(0o022)
        os.umask(umask)
        self._modes = bool(umask & PROGRAM_MODE)

    def tree(self, digest: Digest, path: str) -> int:
        """Write the content of a directory into the empty directory `path`, and set its mode and time.

        Returns:
            Roughly how many bytes it takes on disk.

        Raises:
            CasError: something is not in the store.
            OSError: something cannot be written.
        """
        self.store.complete([digest])
        todo = [(digest, path)]
        made: list[tuple[str, int | None]] = []
        size = 0
        while todo:
            current, directory = todo.pop()
            listing = self.store.listing(current)
            made.append((directory, listing.mtime))
            prefix = directory + "/"
            for name, node in listing.nodes.items():
                target = prefix + name
                size += _BLOCK
                if type(node) is FileNode:
                    self.file(node, target)
                    size += node.digest.size
                elif type(node) is DirectoryNode:
                    os.mkdir(target, DIRECTORY_MODE)
                    todo.append((node.digest, target))
                elif isinstance(node, SymlinkNode):
                    self.symlink(node, target)
        # Writing into a directory changes its time, so these come last; parents stand before their children.
        for directory, mtime in reversed(made):
            self.directory(directory, mtime)
        return size

    def directory(self, path: str, mtime: int | None = None) -> None:
        """Give a directory the mode of a staged one, and its time in nanoseconds or that of staged ones."""
        if self._modes:
            os.chmod(path, DIRECTORY_MODE)
        time = STAGED_MTIME_NS if mtime is None else mtime
        os.utime(path, ns=(time, time))

    def symlink(self, node: SymlinkNode, path: str) -> None:
        """Make a symbolic link."""
        os.symlink(node.target, path)
        os.utime(path, ns=(STAGED_MTIME_NS, STAGED_MTIME_NS), follow_symlinks=False)

    def file(self, node: FileNode, path: str) -> None:
        """Write a regular file that does not exist yet.

        Raises:
            CasError: its content is not in the store.
            OSError: it cannot be written.
        """
        mode = PROGRAM_MODE if node.executable else FILE_MODE
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            if node.digest.size:
                self._copy(node.digest, target)
            if self._modes:
                os.fchmod(target, mode)
            mtime = STAGED_MTIME_NS if node.mtime is None else node.mtime
            os.utime(target, ns=(mtime, mtime))
            if self._known is not None:
                self._known.add(os.fstat(target), node)
        finally:
            os.close(target)

    def _copy(self, digest: Digest, target: int) -> None:
        with self.store.open(digest) as source:
            if digest.size <= _SMALL and not self._clone:
                data = source.read(_SMALL + 1)
                if data is not None and len(data) == digest.size:
                    view = memoryview(data)
                    while view:
                        view = view[os.write(target, view) :]
                    return
                source.seek(0)
                os.ftruncate(target, 0)
            self._clone = clone_or_copy(source.fileno(), target, digest.size, clone=self._clone)


def canonical_mode(mode: int) -> int:
    """The mode that a captured file has when it is staged again."""
    return PROGRAM_MODE if mode & stat.S_IXUSR else FILE_MODE
