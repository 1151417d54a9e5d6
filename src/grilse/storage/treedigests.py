"""Finds the digests of host directories that are asked for in every session, without reading them again.

Knows host trees and digests; does not know what they are for.  A tree counts as unchanged when name, kind, mode, size,
times and inode of everything in it are as they were; all that is remembered is a hash of these, and the digest.
Nothing is put into the store: `capture_tree` does that when somebody needs the content.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from typing import Final

import msgspec

from grilse.storage.capture import capture_tree
from grilse.storage.digest import Digest, digest_bytes
from grilse.storage.directory import CasDirectory
from grilse.storage.errors import cas_error
from grilse.storage.hashing import hash_descriptor
from grilse.storage.messages import Listing, encode_listing
from grilse.storage.statcache import settled
from grilse.storage.store import Store

_VERSION: Final = 1


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """A tree: hash over the status of everything in it, and its digest."""

    status: bytes
    hash: bytes
    size: int


class _Table(msgspec.Struct, array_like=True):
    version: int
    root: str
    entries: dict[str, _Entry]


class TreeDigests:
    """Digests of directories and files below one root directory.

    Args:
        cachedir: bst's ``cachedir``, or None to remember nothing.
        root: the directory that all paths are below, such as a project's.
    """

    def __init__(self, cachedir: str | None, root: str) -> None:
        self._root = os.path.realpath(root)
        self._file: str | None = None
        if cachedir is not None:
            name = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:32]
            self._file = os.path.join(cachedir, "grilse", "trees", name)
        self._old: dict[str, _Entry] | None = None
        self._new: dict[str, _Entry] = {}
        self._changed = False
        self._hasher = _Hasher(cachedir or "")

    def find(self, path: str, *, mtimes: bool = False) -> Digest:
        """The digest of a host file or directory as a tree; a file is the only entry of one.

        Args:
            path: absolute.
            mtimes: whether modification times are part of the tree (workspaces).

        Raises:
            CasError: something cannot be read.
        """
        if self._old is None:
            self._old = self._load()
        name = f"{path}?mtimes" if mtimes else path
        now = time.time_ns()
        status, calm = _status(path, now)
        entry = self._new.get(name) or self._old.get(name)
        if entry is None or entry.status != status:
            digest = self._digest(path, mtimes)
            entry = _Entry(status, bytes.fromhex(digest.hash), digest.size)
            if not calm:
                # A file may still change without showing it.
                return digest
            self._changed = True
        self._new[name] = entry
        return Digest(entry.hash.hex(), entry.size)

    def save(self) -> None:
        """Remember what was found; without effect if it is known already, or cannot be written."""
        if self._file is None or not self._changed:
            return
        # What was not asked for this time may be asked for by the next command.
        entries = {**(self._old or {}), **self._new}
        temporary = f"{self._file}.{os.getpid()}-{os.urandom(4).hex()}"
        try:
            data = msgspec.msgpack.encode(_Table(_VERSION, self._root, entries))
            os.makedirs(os.path.dirname(self._file), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
            os.replace(temporary, self._file)
            self._changed = False
        except (OSError, UnicodeEncodeError):
            try:
                os.unlink(temporary)
            except OSError:
                pass

    def _digest(self, path: str, mtimes: bool) -> Digest:
        if os.path.isdir(path) and not os.path.islink(path):
            return capture_tree(self._hasher, path, mtimes=mtimes).digest
        tree = CasDirectory(self._hasher)
        tree.import_single_file(path)
        return tree.digest()

    def _load(self) -> dict[str, _Entry]:
        if self._file is None:
            return {}
        try:
            with open(self._file, "rb") as file:
                table = msgspec.msgpack.decode(file.read(), type=_Table)
        except (OSError, msgspec.DecodeError):
            return {}
        return table.entries if table.version == _VERSION and table.root == self._root else {}


class _Hasher(Store):
    """A store that keeps nothing."""

    def add_descriptor(self, descriptor: int, status: os.stat_result, path: str, *, move: bool = False) -> Digest:
        """The digest of an open file."""
        return hash_descriptor(descriptor, status.st_size)

    def add_file(self, path: str, *, move: bool = False) -> Digest:
        """The digest of a file."""
        try:
            with open(path, "rb") as file:
                return hash_descriptor(file.fileno())
        except OSError as error:
            raise cas_error(error, f"read '{path}'") from error

    def add_listing(self, listing: Listing) -> Digest:
        """The digest of a directory."""
        return digest_bytes(encode_listing(listing))


def _status(path: str, now: int) -> tuple[bytes, bool]:
    """A hash over the status of a whole tree, and whether all of it is old enough to be told from a later change.

    Raises:
        CasError: a directory cannot be read.
    """
    seen: list[object] = []
    calm = True
    try:
        found = os.lstat(path)
        seen += _facts("", found)
        stack = [(path, "")] if stat.S_ISDIR(found.st_mode) else []
        if not stack:
            calm = settled(found, now)
        while stack:
            directory, prefix = stack.pop()
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
            for entry in listed:
                found = entry.stat(follow_symlinks=False)
                relative = f"{prefix}{entry.name}"
                seen += _facts(relative, found)
                if stat.S_ISDIR(found.st_mode):
                    stack.append((entry.path, f"{relative}/"))
                elif calm and not settled(found, now):
                    calm = False
    except OSError as error:
        raise cas_error(error, f"read '{path}'") from error
    return hashlib.blake2b(repr(seen).encode("utf-8", "surrogateescape"), digest_size=16).digest(), calm


def _facts(name: str, status: os.stat_result) -> tuple[str, int, int, int, int, int]:
    return (name, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
