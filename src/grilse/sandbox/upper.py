"""Changes the upper directory of an overlay that is not mounted, so that the overlay shows a wanted tree.

Knows how overlayfs marks what hides a lower entry (a character device 0:0, or an attribute on a directory); nothing of
how it is mounted.  Exactness comes from comparing ``Directory`` messages; the layers below only decide how little
has to be written.  Source: Documentation/filesystems/overlayfs.rst in the Linux kernel, ``userxattr``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from grilse.sandbox.fill import Filler
from grilse.sandbox.scratch import remove_tree
from grilse.sandbox.spec import DIRECTORY_MODE
from grilse.sandbox.stack import Stack, Stacks, is_directory
from grilse.storage.digest import EMPTY, Digest
from grilse.storage.messages import DirectoryNode, FileNode, SymlinkNode

_OPAQUE = "user.overlay.opaque"
_WHITEOUT_MODE = stat.S_IFCHR


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an entry of an upper directory says that the one below it is gone."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: str) -> bool:
    """Whether a directory of an upper layer hides the one below it instead of merging with it.

    Raises:
        OSError: the directory cannot be read.
    """
    try:
        return os.getxattr(path, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


class Upper:
    """The upper directory of one overlay.

    Args:
        stacks: reads the layers below.
        filler: writes what is missing.
        path: the directory; it exists.
    """

    __slots__ = ("_filler", "_stacks", "path")

    def __init__(self, stacks: Stacks, filler: Filler, path: str) -> None:
        self._stacks = stacks
        self._filler = filler
        self.path = path

    def bring(self, lower: Stack, seen: Stack, wanted: Digest) -> None:
        """Make the overlay show `wanted`.

        Args:
            lower: the layers below.
            seen: what the overlay shows now: `lower` itself while this directory is empty, else what was captured.
            wanted: the directory it shall show.

        Raises:
            CasError: something is not in the store.
            OSError: something cannot be written.
        """
        todo = [(lower, seen, wanted, "")]
        times: list[tuple[str, int | None]] = []
        while todo:
            below, now, then, place = todo.pop()
            if now == (then,):
                continue
            mtime = self._stacks.store.listing(then).mtime
            if mtime is not None:
                self.ensure(place)
            times.append((self.path + place, mtime))
            todo += self._level(below, now, then, place)
        # Writing into a directory changes its time, so these come last; parents stand before their children.
        for path, mtime in reversed(times):
            if os.path.isdir(path):
                self._filler.directory(path, mtime)

    def _level(self, lower: Stack, seen: Stack, wanted: Digest, place: str) -> list[tuple[Stack, Stack, Digest, str]]:
        """Change one directory; returns the subdirectories that are to be looked at in turn."""
        have = self._stacks.entries(seen)
        want = self._stacks.store.listing(wanted).nodes
        deeper: list[tuple[Stack, Stack, Digest, str]] = []
        changes: list[str] = [name for name in have if name not in want]
        for name, node in want.items():
            now = have.get(name)
            if type(node) is DirectoryNode and is_directory(now):
                if now != (node.digest,):
                    path = f"{place}/{name}"
                    deeper.append((self._lower_at(lower, name, path), now, node.digest, path))
            elif type(now) is not type(node) or now != node:
                changes.append(name)
        if changes:
            hidden = self._stacks.entries(lower)
            directory = self.ensure(place)
            for name in changes:
                target = f"{directory}/{name}"
                self._remove(target)
                node_wanted = want.get(name)
                if node_wanted is None:
                    if name in hidden:
                        os.mknod(target, _WHITEOUT_MODE, 0)
                elif type(node_wanted) is FileNode:
                    self._filler.file(node_wanted, target)
                elif type(node_wanted) is DirectoryNode:
                    os.mkdir(target, DIRECTORY_MODE)
                    if is_directory(hidden.get(name)):
                        os.setxattr(target, _OPAQUE, b"y")
                    self._filler.tree(node_wanted.digest, target)
                elif isinstance(node_wanted, SymlinkNode):
                    self._filler.symlink(node_wanted, target)
        return deeper

    def make(self, place: str, lower: Stack, names: Sequence[str], *, directory: bool) -> None:
        """Make a directory, or an empty file, and the directories above it.

        Args:
            place: the last directory on the way that is seen.
            lower: the layers that show through there.
            names: what is to be made below it, in turn.
            directory: whether the last is a directory.

        Raises:
            OSError: it cannot be made.
        """
        path = parent = self.ensure(place)
        before = os.stat(parent)
        for number, name in enumerate(names):
            path = f"{path}/{name}"
            self._remove(path)
            if number < len(names) - 1 or directory:
                os.mkdir(path, DIRECTORY_MODE)
                if number == 0 and self._stacks.below(lower, name):
                    os.setxattr(path, _OPAQUE, b"y")
                self._filler.directory(path)
            else:
                self._filler.file(FileNode(EMPTY, False), path)
            if number:
                self._filler.directory(os.path.dirname(path))
        os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _lower_at(self, lower: Stack, name: str, place: str) -> Stack:
        """The layers that show through at a directory that is seen at `place`."""
        below = self._stacks.below(lower, name)
        if below:
            try:
                if is_opaque(self.path + place):
                    return ()
            except FileNotFoundError:
                pass
        return below

    def ensure(self, place: str) -> str:
        """The directory at `place` in the upper layer, made with its parents where only the layers below have it."""
        path = self.path + place
        missing: list[str] = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        if missing:
            before = os.stat(path)
            for directory in reversed(missing):
                os.mkdir(directory, DIRECTORY_MODE)
            for directory in missing:
                self._filler.directory(directory)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return self.path + place

    def _remove(self, path: str) -> None:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            remove_tree(path)
        else:
            os.unlink(path)
