"""Remembers the digests of host files, so that a file that has not changed is not hashed again.

Knows which files were seen with which status; does not know what they are for.  One file per imported root in
``cachedir/grilse/stat``, replaced as a whole: two processes that import the same root lose nothing but some of each
other's work.

A file counts as unchanged when size, modification time, change time and inode are as they were.  That is only safe if
a later write must have changed the change time, so a status as young as the clock's grain is not remembered (the
"racy" entries of git's index).
"""

from __future__ import annotations

import hashlib
import os
import time

import msgspec

from grilse.storage.digest import Digest

_VERSION = 1

# To read a small tree again takes less time than to keep a file about it.
_WORTHWHILE_FILES = 32
_WORTHWHILE_BYTES = 1 << 20

# How old, in nanoseconds, a time stamp must be so that any later write is sure to make another one.  Kernels stamp
# with a clock of up to 10 ms; file systems that keep whole seconds (even ones, on FAT) show no smaller digits.
_FINE_GRAIN = 100_000_000
_COARSE_GRAIN = 3_000_000_000


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    size: int
    mtime: int
    ctime: int
    inode: int
    hash: bytes


class _Table(msgspec.Struct, array_like=True):
    version: int
    root: str
    device: int
    entries: dict[str, _Entry]


class StatCache:
    """Digests of the files below one host directory.

    Not for use by many threads, except `lookup`.

    Args:
        cachedir: bst's ``cachedir``.
        root: the host directory; entries are kept for this very path.
    """

    def __init__(self, cachedir: str, root: str) -> None:
        self._root = os.path.realpath(root)
        name = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:32]
        self._path = os.path.join(cachedir, "grilse", "stat", name)
        self._device = _device(self._root)
        self._old = self._load()
        self._new: dict[str, _Entry] = {}
        self._changed = False
        self._now = time.time_ns()

    def lookup(self, path: str, status: os.stat_result) -> Digest | None:
        """The digest of the file at `path` (relative to the root), if it has not changed since it was noted.

        The entry is kept for the next time.
        """
        entry = self._old.get(path)
        if (
            entry is None
            or entry.mtime != status.st_mtime_ns
            or entry.size != status.st_size
            or entry.ctime != status.st_ctime_ns
            or entry.inode != status.st_ino
        ):
            return None
        self._new[path] = entry
        return Digest(entry.hash.hex(), entry.size)

    def note(self, path: str, status: os.stat_result, digest: Digest) -> None:
        """Remember that the file had `digest`; `status` must be from before it was read."""
        if digest.size != status.st_size or not settled(status, self._now):
            return
        self._new[path] = _Entry(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, bytes.fromhex(digest.hash)
        )
        self._changed = True

    def save(self) -> None:
        """Keep what was looked up or noted; without effect if that is what is there already, or cannot be written.

        What is quickly hashed again is not kept.
        """
        if not self._changed and len(self._new) == len(self._old):
            return
        size = sum(entry.size for entry in self._new.values())
        if len(self._new) < _WORTHWHILE_FILES and size < _WORTHWHILE_BYTES and not self._old:
            return
        table = _Table(_VERSION, self._root, self._device, self._new)
        temporary = f"{self._path}.{os.getpid()}-{os.urandom(4).hex()}"
        try:
            data = msgspec.msgpack.encode(table)
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
            os.replace(temporary, self._path)
        except (OSError, UnicodeEncodeError):
            # Only time is lost: the next import hashes again.
            try:
                os.unlink(temporary)
            except OSError:
                pass

    def _load(self) -> dict[str, _Entry]:
        try:
            with open(self._path, "rb") as file:
                table = msgspec.msgpack.decode(file.read(), type=_Table)
        except (OSError, msgspec.DecodeError):
            return {}
        if table.version != _VERSION or table.root != self._root or table.device != self._device:
            return {}
        return table.entries


def settled(status: os.stat_result, now: int) -> bool:
    """Whether any later change of a file would show in its status; `now` is in nanoseconds."""
    youngest = max(status.st_mtime_ns, status.st_ctime_ns)
    grain = _FINE_GRAIN if status.st_ctime_ns % 1_000_000_000 else _COARSE_GRAIN
    return youngest + grain <= now


def _device(path: str) -> int:
    try:
        return os.stat(path).st_dev
    except OSError:
        return -1
