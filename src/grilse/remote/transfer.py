"""Moves blobs and trees between a store and a remote: only what is missing, in parallel, with progress.

Knows nothing of artifacts and sources.  Small blobs travel in batches whose size follows the speed of the remote, large
ones by byte streams.  A blob is in the store only after its content was compared with its digest.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from grilse.remote import cas, streams
from grilse.remote.connection import Connection
from grilse.remote.errors import BlobsMissing, CallFailed
from grilse.storage.digest import EMPTY, Digest, digest_bytes
from grilse.storage.messages import DirectoryNode, FileNode
from grilse.storage.store import Store

# Requests under way at the same time; more do not help once Python is the bottleneck, fewer are slow far away.
WIDTH = 6
PROGRESS_SECONDS = 0.2
# Batches start small, so that the first ones, of all threads of all workers, arrive in time over a slow line, and grow
# while they are fast.
_FIRST_BATCH_BYTES = 16 << 10
_SECOND_BATCH_BYTES = 256 << 10
# Likewise for digests that a remote is asked for.
_FIRST_DIGESTS = 1000
_FAST_SECONDS = 0.5
_SLOW_SECONDS = 5.0
_LARGEST_BATCH_BLOBS = 4000
# One request for each tree is faster than level by level, unless there are many trees.
_TREES_AT_ONCE = 8


class Progress(NamedTuple):
    """How far a transfer is.

    Attributes:
        blobs, blobs_total: blobs that have arrived, and all of them.
        bytes, bytes_total: bytes that have moved, and all of them.
    """

    blobs: int
    blobs_total: int
    bytes: int
    bytes_total: int


Report = Callable[[Progress], None]


class _Transfer:
    """Blobs that move in one direction, and how far they are; for any number of threads.

    Args:
        connection: to the remote.
        digests: what is to be moved, each once.
        limit: bytes that a batch may have at most.
    """

    def __init__(self, connection: Connection, digests: Iterable[Digest], limit: int) -> None:
        self.connection = connection
        self.missing: list[Digest] = []
        self._limit = limit
        self._lock = threading.Lock()
        self._stopped = False
        self._small: deque[Digest] = deque()
        self._large: deque[Digest] = deque()
        for digest in digests:
            (self._large if digest.size + cas.BLOB_OVERHEAD_BYTES > limit else self._small).append(digest)
        self._total = len(self._small) + len(self._large)
        self._total_bytes = sum(d.size for d in self._small) + sum(d.size for d in self._large)
        self._done = 0
        self._done_bytes = 0

    def progress(self) -> Progress:
        return Progress(self._done, self._total, self._done_bytes, self._total_bytes)

    def moved(self, count: int) -> None:
        with self._lock:
            self._done_bytes += count

    def finished(self, blobs: int, missing: Sequence[Digest] = ()) -> None:
        with self._lock:
            self._done += blobs
            self.missing += missing

    def stop(self) -> None:
        self._stopped = True

    @property
    def jobs(self) -> int:
        """How many threads are worth it."""
        batches = sum(d.size + cas.BLOB_OVERHEAD_BYTES for d in self._small) // _SECOND_BATCH_BYTES + 1
        return max(1, min(WIDTH, len(self._large) + batches))

    def take_large(self) -> Digest | None:
        with self._lock:
            return self._large.popleft() if self._large and not self._stopped else None

    def take_batch(self) -> list[Digest]:
        size = min(self._batch_bytes(), self._limit)
        batch: list[Digest] = []
        with self._lock:
            while self._small and not self._stopped and len(batch) < _LARGEST_BATCH_BLOBS:
                size -= self._small[0].size + cas.BLOB_OVERHEAD_BYTES
                if size < 0 and batch:
                    break
                batch.append(self._small.popleft())
        return batch

    def _batch_bytes(self) -> int:
        """How large the next batch should be; small again once the remote has not answered."""
        connection = self.connection
        if not connection.pace:
            return _FIRST_BATCH_BYTES
        second = int(min(connection.pace * _FAST_SECONDS, _SECOND_BATCH_BYTES))
        return int(connection.memory.get("batch", max(second, _FIRST_BATCH_BYTES)))

    def took(self, seconds: float, full: bool) -> None:
        """A batch took this long; full ones teach how large the next should be."""
        memory = self.connection.memory
        size = self._batch_bytes()
        if seconds > _SLOW_SECONDS:
            memory["batch"] = max(size // 2, _FIRST_BATCH_BYTES)
        elif seconds < _FAST_SECONDS and full:
            memory["batch"] = min(size * 2, self._limit)

    def run(
        self,
        batch: Callable[[list[Digest]], None],
        large: Callable[[Digest], None],
        report: Report | None,
    ) -> None:
        """Move everything; the first error stops all and is raised, as is whatever interrupts the caller."""

        def work(large_first: bool) -> None:
            while True:
                one = self.take_large() if large_first else None
                if one is None:
                    many = self.take_batch()
                    if many:
                        began = time.monotonic()
                        batch(many)
                        self.took(time.monotonic() - began, full=bool(self._small))
                        continue
                    one = self.take_large()
                    if one is None:
                        return
                large(one)

        if self._total == 0:
            return
        pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="transfer")
        try:
            futures = [pool.submit(work, index % 2 == 0) for index in range(self.jobs)]
            self._watch(futures, report)
        except BaseException:
            self.stop()
            self.connection.cancel()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _watch(self, futures: list[Future[None]], report: Report | None) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=PROGRESS_SECONDS, return_when=FIRST_EXCEPTION)
            if report is not None:
                report(self.progress())
            for future in done:
                future.result()


def fetch_blobs(
    connection: Connection, store: Store, digests: Iterable[Digest], report: Report | None = None
) -> list[Digest]:
    """Bring blobs into the store that are not there yet.

    Returns:
        Those that the remote does not have.

    Raises:
        CallFailed, RemoteSilent: the remote does not answer, or refuses.
        BlobCorrupt: it sends something else than asked for; nothing of that is kept.
        CasError: the store cannot be written.
    """
    wanted = store.missing(digests)
    if not wanted:
        return []
    transfer = _Transfer(connection, wanted, cas.batch_limit(connection))

    def batch(some: list[Digest]) -> None:
        found, missing = cas.read_batch(connection, some)
        for digest, data in found:
            store.add_known(digest, data)
            transfer.moved(digest.size)
        transfer.finished(len(found), missing)

    def large(digest: Digest) -> None:
        try:
            with store.receive(digest) as file:
                streams.read_stream(connection, digest, file, transfer.moved)
        except BlobsMissing as error:
            transfer.finished(0, error.digests)
        else:
            transfer.finished(1)

    transfer.run(batch, large, report)
    return transfer.missing


def fetch_trees(
    connection: Connection, store: Store, roots: Sequence[Digest], report: Report | None = None
) -> list[Digest]:
    """Bring whole trees into the store: directories and the content of files.

    Returns:
        Blobs that the remote does not have; the trees are whole if there are none.

    Raises:
        As `fetch_blobs`.
    """
    files, missing = fetch_directories(connection, store, roots)
    if missing:
        return missing
    return fetch_blobs(connection, store, files, report)


def fetch_directories(
    connection: Connection, store: Store, roots: Sequence[Digest]
) -> tuple[list[Digest], list[Digest]]:
    """Bring the directories of trees into the store, without the content of files.

    Returns:
        Digests of all files in the trees, each once, and those of directories that the remote does not have.

    Raises:
        As `fetch_blobs`.
    """
    files: dict[Digest, None] = {}
    seen: set[Digest] = set()
    level = list(dict.fromkeys(roots))
    absent = store.missing(level)
    if len(absent) <= _TREES_AT_ONCE:
        for root in absent:
            _fetch_tree_at_once(connection, store, root)
    while level:
        missing = fetch_blobs(connection, store, level)
        if missing:
            return list(files), missing
        seen.update(level)
        below: dict[Digest, None] = {}
        for digest in level:
            for node in store.listing(digest).nodes.values():
                if type(node) is FileNode:
                    files[node.digest] = None
                elif type(node) is DirectoryNode and node.digest not in seen:
                    below[node.digest] = None
        level = list(below)
    return list(files), []


def _fetch_tree_at_once(connection: Connection, store: Store, root: Digest) -> None:
    """Bring what one request gives of a tree's directories; level by level comes the rest."""
    if root == EMPTY or connection.memory.get("no-tree"):
        return
    try:
        for data in cas.get_tree(connection, root):
            # The remote may send what it likes: each is filed under its own digest, and only those we look for count.
            store.add_bytes(data)
    except CallFailed as error:
        if error.code == "CANCELLED":
            raise
        if error.code == "DEADLINE_EXCEEDED":
            # Asking once more would take as long again.
            raise connection.failure("GetTree", error.code, error.words) from error
        if error.code == "UNIMPLEMENTED":
            connection.memory["no-tree"] = True
        # Whatever else is wrong, asking level by level finds out, with retries where they are right.


def tree_digests(store: Store, root: Digest, *, files: bool = True) -> list[Digest]:
    """Digests of all directories of a tree, and with `files` of its files, each once.

    Raises:
        CasError: a directory is not here (reason ``missing-blob``).
    """
    store.complete([root], files=False)
    found: dict[Digest, None] = {root: None}
    todo = [root]
    while todo:
        for node in store.listing(todo.pop()).nodes.values():
            if type(node) is DirectoryNode:
                if node.digest not in found:
                    found[node.digest] = None
                    todo.append(node.digest)
            elif files and type(node) is FileNode:
                found[node.digest] = None
    return list(found)


def push_blobs(connection: Connection, store: Store, digests: Iterable[Digest], report: Report | None = None) -> int:
    """Upload what the remote does not have of `digests`.

    Returns:
        How many blobs were uploaded.

    Raises:
        CallFailed, RemoteSilent: the remote does not answer, or refuses (reason ``cache-too-full``: no space).
        CasError: a blob that the remote lacks is not here either (reason ``missing-blob``).
    """
    # The empty blob is no exception: some servers want to be given it.
    wanted = find_lacking(connection, list(dict.fromkeys(digests)))
    if not wanted:
        return 0
    store.gather(wanted)
    transfer = _Transfer(connection, wanted, cas.batch_limit(connection))

    def batch(some: list[Digest]) -> None:
        cas.update_batch(connection, [(digest, store.read(digest, verify=True)) for digest in some])
        for digest in some:
            transfer.moved(digest.size)
        transfer.finished(len(some))

    def large(digest: Digest) -> None:
        with store.open(digest) as file:
            streams.write_stream(connection, digest, file, transfer.moved)
        transfer.finished(1)

    transfer.run(batch, large, report)
    return len(wanted)


def lacking(connection: Connection, store: Store, blobs: Sequence[Digest], trees: Sequence[Digest]) -> list[Digest]:
    """What is neither here nor there of blobs and trees; the trees' directories are brought here.

    Raises:
        As `fetch_blobs`.
    """
    files, missing = fetch_directories(connection, store, trees)
    return missing or find_lacking(connection, store.missing([*blobs, *files]))


def find_lacking(connection: Connection, digests: Sequence[Digest]) -> list[Digest]:
    """Those of any number of `digests` that the remote does not have.

    Raises:
        CallFailed, RemoteSilent: the remote does not say.
    """
    found: list[Digest] = []
    start = 0
    while start < len(digests):
        end = start + (cas.DIGESTS_PER_REQUEST if connection.pace else _FIRST_DIGESTS)
        found += cas.find_missing(connection, digests[start:end])
        start = end
    return found


def upload_bytes(connection: Connection, blobs: Sequence[bytes]) -> list[Digest]:
    """Upload small messages that are in no store; returns their digests.

    Raises:
        CallFailed, RemoteSilent: the remote does not answer, or refuses.
    """
    named = [(digest_bytes(data), data) for data in blobs]
    lacking = set(cas.find_missing(connection, [digest for digest, _ in named]))
    if lacking:
        cas.update_batch(connection, [(digest, data) for digest, data in named if digest in lacking])
    return [digest for digest, _ in named]
