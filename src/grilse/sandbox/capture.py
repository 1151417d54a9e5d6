"""Puts what an overlay shows into the store, reading only its upper directory.

Knows the marks of overlayfs (see `upper`) and bst's rules for what of a file is kept: content, target of a symbolic
link, whether the owner may execute it; sockets, pipes and devices are dropped.
"""

from __future__ import annotations

import os
import stat

from grilse.sandbox.fill import Filler, Known, canonical_mode
from grilse.sandbox.spec import DIRECTORY_MODE, STAGED_MTIME_NS
from grilse.sandbox.stack import Entry, Stack, Stacks, is_directory
from grilse.sandbox.upper import is_opaque, is_whiteout
from grilse.storage.capture import check_text, kept_mtime
from grilse.storage.digest import Digest
from grilse.storage.messages import FileNode, Listing, SymlinkNode


class _Frame:
    """A directory whose capture has begun."""

    __slots__ = ("name", "nodes", "path", "todo")

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.nodes: dict[str, Entry] = {}
        self.todo: list[tuple[str, Stack]] = []


class Capture:
    """Captures directories of one overlay.

    Args:
        stacks: reads the layers below.
        known: files whose content is known.
        mtimes: whether modification times of regular files and directories are kept.
        move: whether the content of new files may be taken away from the upper directory: nothing may run on it
            any more.
        settle: whether what stays is given the modes and times that it has when it is staged anew, and what is not
            kept is removed, so that the next command sees what was captured.
    """

    __slots__ = ("_filler", "_known", "_move", "_mtimes", "_settle", "_stacks", "files", "hashed")

    def __init__(
        self, stacks: Stacks, known: Known, *, mtimes: bool = False, move: bool = False, settle: bool = False
    ) -> None:
        self._stacks = stacks
        self._known = known
        self._mtimes = mtimes
        self._move = move
        self._settle = settle and not move
        self._filler = Filler(stacks.store, known)
        self.files = 0
        self.hashed = 0

    def directory(self, lower: Stack, path: str) -> Digest:
        """Digest of what an overlay shows at a directory.

        Args:
            lower: the layers that show through there.
            path: the place in the upper directory; it need not exist.

        Raises:
            CasError: something cannot be put into the store.
            OSError: something cannot be read.
        """
        store = self._stacks.store
        if not os.path.lexists(path):
            return self._stacks.digest(lower)
        frames = [self._open("", lower, path)]
        while True:
            frame = frames[-1]
            if frame.todo:
                name, below = frame.todo.pop()
                frames.append(self._open(name, below, f"{frame.path}/{name}"))
                continue
            frames.pop()
            mtime = kept_mtime(os.stat(frame.path)) if self._mtimes else None
            digest = store.add_listing(Listing(self._stacks.nodes(frame.nodes), None, mtime))
            if self._settle:
                time = STAGED_MTIME_NS if mtime is None else mtime
                os.chmod(frame.path, DIRECTORY_MODE)
                os.utime(frame.path, ns=(time, time))
            if not frames:
                return digest
            frames[-1].nodes[frame.name] = (digest,)

    def _open(self, name: str, lower: Stack, path: str) -> _Frame:
        """Read one directory of the upper layer; what is below it comes later."""
        frame = _Frame(name, path)
        try:
            scan = os.scandir(path)
        except PermissionError:
            os.chmod(path, 0o700)
            scan = os.scandir(path)
        with scan:
            below: dict[str, Entry] = {} if lower and is_opaque(path) else self._stacks.entries(lower)
            nodes = frame.nodes = dict(below)
            for item in scan:
                if not item.name.isascii():
                    check_text(item.name, item.path)
                status = item.stat(follow_symlinks=False)
                kind = stat.S_IFMT(status.st_mode)
                if kind == stat.S_IFREG:
                    nodes[item.name] = self._known.get(status) or self._file(item.path, status)
                elif kind == stat.S_IFDIR:
                    entry = below.get(item.name)
                    frame.todo.append((item.name, entry if is_directory(entry) else ()))
                elif kind == stat.S_IFLNK:
                    target = os.readlink(item.path)
                    check_text(target, item.path)
                    nodes[item.name] = SymlinkNode(target)
                    if self._settle:
                        os.utime(item.path, ns=(STAGED_MTIME_NS, STAGED_MTIME_NS), follow_symlinks=False)
                else:
                    nodes.pop(item.name, None)
                    if self._settle and not is_whiteout(status):
                        os.unlink(item.path)
                        if item.name in below:
                            os.mknod(item.path, stat.S_IFCHR, 0)
        return frame

    def _file(self, path: str, status: os.stat_result) -> FileNode:
        self.files += 1
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(path, flags)
        except PermissionError:
            os.chmod(path, stat.S_IMODE(status.st_mode) | stat.S_IRUSR)
            descriptor = os.open(path, flags)
        try:
            digest = self._stacks.store.add_descriptor(descriptor, status, path, move=self._move)
            self.hashed += digest.size
            executable = bool(status.st_mode & stat.S_IXUSR)
            node = FileNode(digest, executable, kept_mtime(status) if self._mtimes else None)
            if self._settle and status.st_nlink == 1:
                os.fchmod(descriptor, canonical_mode(status.st_mode))
                mtime = STAGED_MTIME_NS if node.mtime is None else node.mtime
                os.utime(descriptor, ns=(mtime, mtime))
            if not self._move:
                self._known.add(os.fstat(descriptor), node)
        finally:
            os.close(descriptor)
        if self._settle and status.st_nlink > 1:
            # Trees know no hard links: from now on these are files of their own.
            os.unlink(path)
            self._filler.file(node, path)
        return node
