"""Looks at a staged root from outside, without mounting it: what a path of the sandbox is, and where its content lies.

Knows layers and the upper directory; changes nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from grilse.sandbox.stack import Stack, Stacks, is_directory
from grilse.sandbox.upper import is_opaque, is_whiteout
from grilse.storage.messages import FileNode, SymlinkNode

# As the kernel's MAXSYMLINKS.
_MAX_LINKS = 40


class Kind(Enum):
    """What is at a path."""

    DIRECTORY = "directory"
    FILE = "file"
    SYMLINK = "symlink"
    OTHER = "other"


class Place(NamedTuple):
    """Something that exists in the sandbox.

    Attributes:
        path: absolute path in the sandbox; nothing before its last component is a symbolic link. ``""`` for the root.
        kind: what it is.
        lower: of a directory: the layers that show through.
        upper: of a directory: host path in the upper directory, whether it exists there or not; of a file: host path
            of the content, never to be written to.
        target: of a symbolic link.
        executable: of a file.
    """

    path: str
    kind: Kind
    lower: Stack = ()
    upper: str = ""
    target: str = ""
    executable: bool = False


class View:
    """A staged root.

    Args:
        stacks: reads the layers.
        lower: the layers, uppermost first.
        upper: the upper directory.
    """

    __slots__ = ("_lower", "_stacks", "_upper")

    def __init__(self, stacks: Stacks, lower: Stack, upper: str) -> None:
        self._stacks = stacks
        self._lower = lower
        self._upper = upper

    def root(self) -> Place:
        """The root directory."""
        return Place("", Kind.DIRECTORY, self._lower, self._upper)

    def find(self, path: str, *, follow: bool = True) -> Place | None:
        """What is at an absolute path, or None.

        Args:
            path: absolute path in the sandbox.
            follow: whether a symbolic link at its end is followed, too; those on the way always are.
        """
        place, rest = self.walk(path, follow=follow)
        return None if rest else place

    def walk(self, path: str, *, follow: bool = True) -> tuple[Place, list[str]]:
        """The last place on the way to `path` that exists, and the components behind it that do not.

        Symbolic links are followed; one whose target does not exist ends the way at what exists of its target, and a
        loop ends it at the link itself.
        """
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        way = [self.root()]
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                if len(way) > 1:
                    way.pop()
                continue
            here = way[-1]
            found = self.child(here, name) if here.kind is Kind.DIRECTORY else None
            if found is None:
                return here, [name, *reversed(todo)]
            if found.kind is Kind.SYMLINK and (todo or follow):
                links += 1
                if links > _MAX_LINKS:
                    return found, [name]
                if found.target.startswith("/"):
                    way = [way[0]]
                todo += [part for part in reversed(found.target.split("/")) if part not in ("", ".")]
                continue
            way.append(found)
        return way[-1], []

    def child(self, parent: Place, name: str) -> Place | None:
        """What a directory has under `name`, symbolic links as such, or None."""
        path = f"{parent.path}/{name}"
        upper = f"{parent.upper}/{name}"
        try:
            status = os.lstat(upper)
        except (FileNotFoundError, NotADirectoryError):
            entry = self._stacks.entries(parent.lower).get(name)
            if entry is None:
                return None
            if type(entry) is FileNode:
                self._stacks.store.gather([entry.digest])
                return Place(path, Kind.FILE, upper=self._stacks.store.path(entry.digest), executable=entry.executable)
            if type(entry) is SymlinkNode:
                return Place(path, Kind.SYMLINK, target=entry.target)
            assert is_directory(entry)
            return Place(path, Kind.DIRECTORY, entry, upper)
        if stat.S_ISDIR(status.st_mode):
            lower = self._stacks.below(parent.lower, name)
            return Place(path, Kind.DIRECTORY, () if lower and is_opaque(upper) else lower, upper)
        if stat.S_ISREG(status.st_mode):
            return Place(path, Kind.FILE, upper=upper, executable=bool(status.st_mode & stat.S_IXUSR))
        if stat.S_ISLNK(status.st_mode):
            return Place(path, Kind.SYMLINK, target=os.readlink(upper))
        return None if is_whiteout(status) else Place(path, Kind.OTHER)

    def children(self, parent: Place) -> Iterator[Place]:
        """Everything in a directory, in no particular order."""
        names = set(self._stacks.entries(parent.lower))
        try:
            names.update(os.listdir(parent.upper))
        except FileNotFoundError:
            pass
        for name in names:
            found = self.child(parent, name)
            if found is not None:
                yield found
