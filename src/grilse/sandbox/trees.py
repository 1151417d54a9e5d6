"""Directories of the store unpacked once on disk, shared by all sandboxes as read-only layers, and expired.

Knows what is in use (each user writes it beside its scratch directory) and what was used last; nothing of overlays.

The trees hold copies, or clones where the file system shares extents, never hard links: a blob has one mode and one
time whatever files it stands for, and links that are counted would show in a sandbox.

Layout: ``trees/XX/REST`` the tree of a directory digest, ``trees/XX/REST.used`` its size in bytes, last used when the
file was modified; ``trees/.lock`` is held shared to announce a use and exclusively to expire.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from grilse.platform.files import free_space, lock
from grilse.sandbox.fill import Filler
from grilse.sandbox.scratch import Scratch, ensure_private, remove_tree
from grilse.storage.digest import Digest
from grilse.storage.errors import cas_error
from grilse.storage.store import Store

# Trees together take at most this share of the file system's size, and at most this many bytes.
LIMIT_SHARE = 0.2
LIMIT_BYTES = 32 * 1024**3

# When the limit is passed, the least recently used trees go until this share of it is left.
_LOW_WATER = 0.75

_USED = ".used"
_LAYERS = "layers"  # in a scratch directory: hashes of the trees that its owner uses, one a line


class _Kept(NamedTuple):
    used: float
    size: int
    path: str


class Trees:
    """The trees below one cache directory.

    Args:
        store: where their content comes from.
        directory: where they are kept.
        scratch_parent: where the scratch directories of all users are.
        limit: bytes that they may take together; None for a share of the file system.

    Attributes:
        scratch_parent: as given.
        unpacked: how many trees were unpacked so far.
    """

    __slots__ = ("_directory", "_limit", "scratch_parent", "store", "unpacked")

    def __init__(self, store: Store, directory: str, scratch_parent: str, limit: int | None = None) -> None:
        self.store = store
        self._directory = directory
        self.scratch_parent = scratch_parent
        self._limit = limit
        self.unpacked = 0

    def path(self, digest: Digest) -> str:
        """Where the tree of a directory is or would be."""
        return os.path.join(self._directory, digest.hash[:2], digest.hash[2:])

    def use(self, digests: Iterable[Digest], scratch: Scratch) -> list[str]:
        """Unpack what is missing, and keep all of it as long as `scratch` lives.

        Returns:
            The path of each tree, in order.

        Raises:
            CasError: something is not in the store.
            OSError: something cannot be written.
        """
        wanted = list(digests)
        ensure_private(self._directory)
        # Announced before looking: what is there now is not expired from now on.
        with self._locked(shared=True), open(os.path.join(scratch.path, _LAYERS), "a", encoding="ascii") as file:
            file.writelines(f"{digest.hash}\n" for digest in wanted)
        paths: list[str] = []
        fresh = False
        for digest in wanted:
            path = self.path(digest)
            if os.path.isdir(path):
                try:
                    os.utime(path + _USED)
                except FileNotFoundError:
                    pass
            else:
                fresh = self._unpack(digest, path, scratch) or fresh
            paths.append(path)
        if fresh:
            self.expire(scratch)
        return paths

    def expire(self, scratch: Scratch) -> int:
        """Remove the least recently used trees if all together take too much; returns how many.

        Args:
            scratch: where to move them before they are removed.
        """
        kept = self._kept()
        limit = self._limit
        if limit is None:
            limit = min(LIMIT_BYTES, int(free_space(self._directory)[1] * LIMIT_SHARE))
        total = sum(tree.size for tree in kept)
        if total <= limit:
            return 0
        gone: list[str] = []
        with self._locked(shared=False):
            used = self._announced()
            for tree in sorted(kept):
                if total <= limit * _LOW_WATER:
                    break
                if os.path.basename(os.path.dirname(tree.path)) + os.path.basename(tree.path) in used:
                    continue
                target = os.path.join(scratch.path, f"expired-{len(gone)}")
                try:
                    os.rename(tree.path, target)
                    gone.append(target)
                except FileNotFoundError:
                    pass
                try:
                    os.unlink(tree.path + _USED)
                except FileNotFoundError:
                    pass
                total -= tree.size
        for path in gone:
            remove_tree(path)
        return len(gone)

    def _unpack(self, digest: Digest, path: str, scratch: Scratch) -> bool:
        """Make one tree; False if another process made it meanwhile."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # One process unpacks a tree, the others that need it wait: a base system is large.
        with _held(path + ".making", shared=False):
            if os.path.isdir(path):
                return False
            making = os.path.join(scratch.path, f"unpack-{self.unpacked}")
            filler = Filler(self.store)
            os.mkdir(making)
            try:
                size = filler.tree(digest, making)
                with open(path + _USED, "w", encoding="ascii") as file:
                    file.write(str(size))
                os.rename(making, path)
            except BaseException:
                remove_tree(making)
                raise
            self.unpacked += 1
            os.unlink(path + ".making")
        return True

    def _kept(self) -> list[_Kept]:
        found: list[_Kept] = []
        for shard in os.scandir(self._directory):
            if len(shard.name) != 2 or not shard.is_dir(follow_symlinks=False):
                continue
            for item in os.scandir(shard.path):
                if not item.name.endswith(_USED):
                    continue
                try:
                    with open(item.path, encoding="ascii") as file:
                        size = int(file.read() or 0)
                    found.append(_Kept(item.stat().st_mtime, size, item.path.removesuffix(_USED)))
                except (FileNotFoundError, ValueError):
                    continue
        return found

    def _announced(self) -> set[str]:
        """Hashes of the trees that somebody uses; scratch directories of the dead only make it larger."""
        used: set[str] = set()
        try:
            names = os.listdir(self.scratch_parent)
        except FileNotFoundError:
            return used
        for name in names:
            try:
                with open(os.path.join(self.scratch_parent, name, _LAYERS), encoding="ascii") as file:
                    used.update(file.read().split())
            except (FileNotFoundError, NotADirectoryError):
                continue
        return used

    @contextmanager
    def _locked(self, *, shared: bool) -> Iterator[None]:
        with _held(os.path.join(self._directory, ".lock"), shared=shared):
            yield


def drop_trees(store: Store) -> int:
    """Remove all unpacked trees that no sandbox uses; they are made again when they are needed.  Returns how many.

    Raises:
        CasError: they cannot be removed.
    """
    directory = os.path.join(store.cachedir, "grilse")
    trees, scratches = os.path.join(directory, "trees"), os.path.join(directory, "sandbox")
    if not os.path.isdir(trees):
        return 0
    try:
        scratch = Scratch(scratches)
        try:
            return Trees(store, trees, scratches, limit=0).expire(scratch)
        finally:
            scratch.close()
    except OSError as error:
        raise cas_error(error, f"remove unpacked trees from '{trees}'") from error


@contextmanager
def _held(path: str, *, shared: bool) -> Iterator[None]:
    """Hold a lock on a file, which is made if need be."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # No limit: holders either announce, expire or unpack, and the kernel releases the locks of the dead.
        lock(descriptor, shared=shared)
        yield
    finally:
        os.close(descriptor)
