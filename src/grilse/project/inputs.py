"""What a session's loading has read of the host, and whether all of it is still as it was.

Must not know what was made of it.  Three kinds of things are noted: files, with their status and a digest of their
content; paths that declarations name, which were checked to be no links and to lie inside their project; and trees,
whose digests count in keys.

A file counts as unchanged when size, times and inode are as they were.  A later write is only sure to change these if
the file was already older than the clock's grain when it was read (the "racy" entries of git's index): a younger one
counts by its content.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import Final

import msgspec

from ..storage.statcache import settled

_MISSING: Final = -1
# Levels of directories beyond which `_RealPaths` does not go down one by one.
_MAX_LEVELS: Final = 100


class FileInput(msgspec.Struct, frozen=True, array_like=True):
    """A file.

    Attributes:
        path: absolute, or as it was opened.
        size: in bytes, -1 if there was none.
        mtime, ctime: nanoseconds.
        inode: its number.
        digest: of its content.
        settled: whether the status alone says that it is unchanged.
    """

    path: str
    size: int
    mtime: int = 0
    ctime: int = 0
    inode: int = 0
    digest: bytes = b""
    settled: bool = True


class FolderInput(msgspec.Struct, frozen=True, array_like=True):
    """Paths that were checked, of one directory.

    Attributes:
        path: the directory.
        real: where it really is.
        kinds: file types (`stat.S_IFMT`) by name in it.
    """

    path: str
    real: str
    kinds: dict[str, int]


class TreeInput(msgspec.Struct, frozen=True, array_like=True):
    """A file or directory whose digest as a tree was asked for; `mtimes` as for `TreeDigests.find`."""

    path: str
    mtimes: bool
    hash: str
    size: int


class InputRecord(msgspec.Struct, frozen=True, array_like=True):
    """All inputs of a session."""

    files: list[FileInput]
    folders: list[FolderInput]
    trees: list[TreeInput]


class Inputs:
    """Takes note of what a session reads.

    Attributes:
        repeatable: whether what was noted is all that matters; False once something was done that cannot be noted.
    """

    def __init__(self) -> None:
        self.repeatable = True
        self._started = time.time_ns()
        self._files: dict[str, FileInput] = {}
        self._folders: dict[str, FolderInput] = {}
        self._trees: dict[tuple[str, bool], TreeInput] = {}

    def file(self, path: str, status: os.stat_result, digest: bytes) -> None:
        """A file was read; `status` is from before that."""
        known = self._files.get(path)
        found = self._files[path] = _file(path, status, digest, settled(status, self._started))
        if known is not None and known != found:
            self.repeatable = False  # it changed meanwhile, and both versions count

    def code(self, path: str) -> None:
        """A file was read by somebody else, at any time since the session started."""
        if path in self._files:
            return
        try:
            status = os.stat(path)
        except OSError:
            self.repeatable = False
            return
        if not settled(status, self._started):
            # It may have changed between the reading and now.
            self.repeatable = False
        self._files[path] = _file(path, status, b"", True)

    def presence(self, path: str) -> None:
        """Whether there is something counted, and what, at any time since the session started."""
        if os.path.exists(path):
            self.code(path)
        else:
            self.missing(path)

    def missing(self, path: str) -> None:
        """There was no file."""
        self._files[path] = FileInput(path, _MISSING)

    def place(self, folder: str, real: str, name: str, mode: int) -> None:
        """A path was checked: its directory, where that really is, its name there, and its mode."""
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = FolderInput(folder, real, {})
        found.kinds[name] = stat.S_IFMT(mode)

    def tree(self, path: str, mtimes: bool, hash_: str, size: int) -> None:
        """The digest of a tree was computed."""
        self._trees[(path, mtimes)] = TreeInput(path, mtimes, hash_, size)

    def record(self) -> InputRecord:
        """All that was noted."""
        return InputRecord(list(self._files.values()), list(self._folders.values()), list(self._trees.values()))


def unchanged(record: InputRecord, digest_of: Callable[[str], bytes | None]) -> bool:
    """Whether all files and paths are as they were; trees are left to whoever knows their digests.

    Args:
        record: what was noted.
        digest_of: gives the digest of a file's content, None if it cannot be read.
    """
    status_of = os.stat
    for file in record.files:
        try:
            status = status_of(file.path)
        except (OSError, ValueError):
            if file.size == _MISSING:
                continue
            return False
        if file.size != status.st_size:
            return False
        if file.settled:
            if not _same_times(file, status):
                return False
        elif digest_of(file.path) != file.digest:
            return False
    real = _RealPaths()
    return all(_folder_unchanged(folder, real) for folder in record.folders)


def _same_times(file: FileInput, status: os.stat_result) -> bool:
    return file.mtime == status.st_mtime_ns and file.ctime == status.st_ctime_ns and file.inode == status.st_ino


class _RealPaths:
    """Finds out where directories really are, each once: they have most of their parents in common."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def find(self, path: str) -> str:
        """What `os.path.realpath` gives."""
        found = self._known.get(path)
        if found is None:
            parent, name = os.path.split(path)
            if not os.path.isabs(path) or name in ("", os.curdir, os.pardir) or path.count(os.path.sep) > _MAX_LEVELS:
                found = os.path.realpath(path)
            else:
                found = os.path.join(self.find(parent), name)
                if os.path.islink(found):
                    found = os.path.realpath(found)
            self._known[path] = found
        return found


def _folder_unchanged(folder: FolderInput, real: _RealPaths) -> bool:
    if real.find(folder.path) != folder.real:
        return False
    try:
        for name, kind in folder.kinds.items():
            if stat.S_IFMT(os.lstat(os.path.join(folder.path, name)).st_mode) != kind:
                return False
    except (OSError, ValueError):
        return False
    return True


def _file(path: str, status: os.stat_result, digest: bytes, is_settled: bool) -> FileInput:
    return FileInput(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest, is_settled)
