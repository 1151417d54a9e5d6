"""Captures host directories: the files go into the store, the tree becomes ``Directory`` messages.

Knows host trees and blobs; does not know what a tree is for.  The result is what buildbox-casd's ``CaptureTree`` gives
for the same tree (observed of 1.4.25): names sorted by their bytes, a file executable if its owner may execute it,
times only on request and cut to microseconds, symbolic links as they are, empty directories kept, everything else
(sockets, pipes, devices) left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from grilse.platform.files import READ_ONLY_IF_FILE, is_executable, thread_count
from grilse.protocol.errors import CasError
from grilse.storage.digest import Digest
from grilse.storage.errors import cas_error
from grilse.storage.messages import DirectoryNode, FileNode, Listing, Node, SymlinkNode
from grilse.storage.statcache import StatCache
from grilse.storage.store import Store

# Files of at least this size are put into the store by several threads: hashing, reading and copying them does not hold
# up the interpreter.  With smaller ones threads would mostly hand the interpreter's lock to each other, which takes
# twice the time of doing without.
_PARALLEL_SIZE = 64 * 1024
_MANY_BYTES = 4 << 20  # of such files together; for less no threads are started
_MAX_THREADS = 8

# Directories in each other that a tree may have: much of what walks trees, here and elsewhere, calls itself.
MAX_DEPTH = 500

_MICROSECOND = 1000  # nanoseconds


class _Directory:
    """A directory being captured.

    Attributes:
        path: relative to the root, "" for the root itself.
        parent: the directory it is in, None for the root.
        name: its name there.
        mtime: what of its time is kept.
        nodes: its entries so far.
    """

    __slots__ = ("mtime", "name", "nodes", "parent", "path")

    def __init__(self, path: str, parent: _Directory | None, name: str, mtime: int | None) -> None:
        self.path = path
        self.parent = parent
        self.name = name
        self.mtime = mtime
        self.nodes: dict[str, Node] = {}


class _File(NamedTuple):
    """A file whose digest is not known yet."""

    path: str
    relative: str
    name: str
    status: os.stat_result
    directory: _Directory


@dataclass(frozen=True, slots=True)
class Capture:
    """What was captured.

    Attributes:
        digest: of the root ``Directory``.
        skipped: relative paths of sockets, pipes and devices, which a tree cannot hold.
    """

    digest: Digest
    skipped: list[str]


def capture_tree(
    store: Store,
    path: str,
    *,
    mtimes: bool = False,
    remember: bool = False,
    move: bool = False,
    exclude: Callable[[str], bool] | None = None,
) -> Capture:
    """Put a host directory into the store.

    Args:
        store: where to.
        path: the directory; symbolic links in it are kept as links and not followed.
        mtimes: whether modification times of files and directories become part of the tree (workspaces do that).
        remember: whether to keep the files' digests by path and status, for directories that are captured again.
        move: whether the files may be taken away instead of copied; for scratch directories that nothing writes to any
            more.  The directory's remains are the caller's to remove.
        exclude: called with each relative path; what it answers True for is left out, with all below.

    Raises:
        CasError: something cannot be read or written, a name is not UTF-8, or `path` is not a directory.
    """
    cache = StatCache(store.cachedir, path) if remember else None
    skipped: list[str] = []
    # Files that must be read: path, path relative to the root, name, status, directory.
    unread: list[_File] = []
    # Parents come before their children, so that walking it backwards completes children first.
    order = [_Directory("", None, "", None)]
    for directory in order:
        for entry in _scan(os.path.join(path, directory.path) if directory.path else path):
            name = entry.name
            relative = f"{directory.path}/{name}" if directory.path else name
            if exclude is not None and exclude(relative):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    check_text(name, entry.path)
                    status = entry.stat(follow_symlinks=False)
                    digest = cache.lookup(relative, status) if cache is not None else None
                    if digest is not None and not store.use((digest,)):
                        directory.nodes[name] = _node(digest, status, mtimes)
                    else:
                        unread.append(_File(entry.path, relative, name, status, directory))
                elif entry.is_dir(follow_symlinks=False):
                    check_text(name, entry.path)
                    if relative.count("/") >= MAX_DEPTH:
                        raise CasError(
                            f"Directory '{entry.path}' is more than {MAX_DEPTH} directories deep",
                            reason="tree-too-deep",
                        )
                    mtime = kept_mtime(entry.stat(follow_symlinks=False)) if mtimes else None
                    order.append(_Directory(relative, directory, name, mtime))
                elif entry.is_symlink():
                    check_text(name, entry.path)
                    target = os.readlink(entry.path)
                    check_text(target, entry.path)
                    directory.nodes[name] = SymlinkNode(target)
                else:
                    skipped.append(relative)
            except OSError as error:
                raise cas_error(error, f"read '{entry.path}'") from error
    for file, digest in _store_all(store, unread, move):
        file.directory.nodes[file.name] = _node(digest, file.status, mtimes)
        if cache is not None:
            cache.note(file.relative, file.status, digest)
    for directory in reversed(order):
        tree = store.add_listing(Listing(directory.nodes, None, directory.mtime))
        if directory.parent is not None:
            directory.parent.nodes[directory.name] = DirectoryNode(tree)
    if cache is not None:
        cache.save()
    return Capture(tree, skipped)


def _node(digest: Digest, status: os.stat_result, mtimes: bool) -> FileNode:
    return FileNode(digest, is_executable(status), kept_mtime(status) if mtimes else None)


def _store_all(store: Store, files: list[_File], move: bool) -> Iterator[tuple[_File, Digest]]:
    """Put files into the store, the large ones in several threads if there is much in them."""
    threads = min(_MAX_THREADS, thread_count())
    large = [file for file in files if file.status.st_size >= _PARALLEL_SIZE]
    if threads < 2 or sum(file.status.st_size for file in large) < _MANY_BYTES:
        for file in files:
            yield file, _store_file(store, file, move)
        return
    from concurrent.futures import ThreadPoolExecutor

    # The largest first, so that none of them is begun when the others are done.
    large.sort(key=lambda file: -file.status.st_size)
    with ThreadPoolExecutor(threads, thread_name_prefix="capture") as pool:
        pending = [pool.submit(_store_file, store, file, move) for file in large]
        try:
            for file in files:
                if file.status.st_size < _PARALLEL_SIZE:
                    yield file, _store_file(store, file, move)
            for file, future in zip(large, pending):
                yield file, future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _store_file(store: Store, file: _File, move: bool) -> Digest:
    """Put one file into the store."""
    try:
        # A pipe that has taken the file's place must not make us wait for its other end.
        descriptor = os.open(file.path, READ_ONLY_IF_FILE)
    except OSError as error:
        raise cas_error(error, f"read '{file.path}'") from error
    try:
        return store.add_descriptor(descriptor, file.status, file.path, move=move)
    finally:
        os.close(descriptor)


def _scan(path: str) -> list[os.DirEntry[str]]:
    """The entries of a directory.

    Raises:
        CasError: it cannot be read, or is none.
    """
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise cas_error(error, f"read directory '{path}'") from error


def kept_mtime(status: os.stat_result) -> int:
    """Modification time in nanoseconds, cut to microseconds."""
    return status.st_mtime_ns // _MICROSECOND * _MICROSECOND


def check_text(text: str, path: str) -> None:
    """Refuse what no REAPI message can hold.

    Raises:
        CasError: the name or target is not UTF-8.
    """
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise CasError(
            f"The name or the link target of '{shown}' is not UTF-8, so that it cannot be cached",
            reason="invalid-file-name",
        ) from None
