"""Counts what is in the cache: every blob with size and last use, every record with the blobs it needs.

Knows the layout of the cache directory; decides nothing, changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from grilse.protocol.errors import CasError
from grilse.storage import refs
from grilse.storage.artifact import Artifact, decode_artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.digest import EMPTY, HASH_LENGTH, Digest, is_hash
from grilse.storage.errors import cas_error
from grilse.storage.messages import DirectoryNode, FileNode
from grilse.storage.sources import SourceCache, decode_source
from grilse.storage.store import Store
from grilse.storage.wire import MessageError

# Called now and then with (done, total) of a long job; total is 0 while it is unknown.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Blob:
    """A file in the store.

    Attributes:
        size: bytes.
        used: last use, nanoseconds since the epoch.
    """

    size: int
    used: int


class Kind(Enum):
    """What a record is of; the value is the directory it is in, below the cache directory."""

    ARTIFACT = "artifacts/refs"
    SOURCE = "source_protos"
    ELEMENT_SOURCES = "elementsources"


@dataclass(slots=True)
class Record:
    """A record of an artifact or of sources.

    Attributes:
        kind: of what.
        ref: its name below the kind's directory.
        used: last use, nanoseconds since the epoch: of the record, or of the root of its tree if that is later.
        trees: roots of trees that must be here for the record to be of use.
        blobs: blobs that must be here.
        extra_trees: roots of trees that may be absent (build trees, sources, sandboxes).
        readable: whether the record could be read.
    """

    kind: Kind
    ref: str
    used: int
    trees: list[Digest]
    blobs: list[Digest]
    extra_trees: list[Digest]
    readable: bool = True


def blobs(store: Store, progress: Progress | None = None) -> dict[str, Blob]:
    """Every blob in the store by hash; strays whose name is no hash are left out.

    Raises:
        CasError: the store cannot be read.
    """
    found: dict[str, Blob] = {}
    for number, (name, entry) in enumerate(object_files(store)):
        if len(name) != HASH_LENGTH:
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # expired by somebody else
        found[name] = Blob(status.st_size, status.st_mtime_ns)
        if progress is not None and number % 10_000 == 0:
            progress(number, 0)
    return found


def object_files(store: Store) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file where blobs are, as hash and entry; the hash is "" if the name is none.

    Raises:
        CasError: the store cannot be read.
    """
    try:
        shards = sorted(os.listdir(store.objects))
    except FileNotFoundError:
        return
    except OSError as error:
        raise cas_error(error, f"read '{store.objects}'") from error
    for shard in shards:
        path = os.path.join(store.objects, shard)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    name = shard + entry.name
                    yield (name if len(shard) == 2 and is_hash(name) else ""), entry
        except NotADirectoryError:
            continue
        except OSError as error:
            raise cas_error(error, f"read '{path}'") from error


# Last use in nanoseconds of records, by kind and name.
Uses = dict[tuple[Kind, str], int]


def uses(store: Store) -> Uses:
    """When each record was last used, without reading any.

    Raises:
        CasError: records cannot be listed.
    """
    return {(kind, ref): used for kind in Kind for used, ref in refs.list_refs(record_base(store, kind))}


def records(store: Store, *, but: Uses | None = None) -> list[Record]:
    """Every record, or only those that are new or were used since `but` was taken.

    Raises:
        CasError: records cannot be read.
    """
    known = but or {}
    found: list[Record] = []
    for (kind, ref), used in uses(store).items():
        if known.get((kind, ref)) != used:
            record = _record(record_base(store, kind), kind, ref, used)
            if record is not None:
                found.append(record)
    return found


def record_base(store: Store, kind: Kind) -> str:
    """The directory that records of a kind are in."""
    if kind is Kind.ARTIFACT:
        return ArtifactCache(store).base
    return SourceCache(store, together=kind is Kind.ELEMENT_SOURCES).base


def _record(base: str, kind: Kind, ref: str, used: int) -> Record | None:
    """Read one record; None if it is gone."""
    data = refs.read_ref(base, ref)
    if data is None:
        return None
    try:
        if kind is not Kind.ARTIFACT:
            return Record(kind, ref, used, [decode_source(data)], [], [])
        artifact: Artifact = decode_artifact(data)
    except MessageError:
        return Record(kind, ref, used, [], [], [], readable=False)
    trees = artifact.trees()
    required = trees[:1] if artifact.files is not None else []
    return Record(kind, ref, used, required, artifact.blobs(), trees[len(required) :])


class Reach:
    """Finds which blobs a record reaches; shared parts of trees are walked once.

    Args:
        store: where the trees are.
        present: what is in it, from `blobs`.
        live: whether to look for blobs that came since.
    """

    def __init__(self, store: Store, present: dict[str, Blob], *, live: bool = False) -> None:
        self._store = store
        self._present = present
        self._live = live
        # Per directory: hashes of the blobs directly in it, hashes of its directories; None if it is not whole.
        self._known: dict[Digest, tuple[list[str], list[Digest], bool]] = {}

    def has(self, digest: Digest) -> bool:
        """Whether a blob is here with its size."""
        blob = self._present.get(digest.hash)
        if (blob is not None and blob.size == digest.size) or digest == EMPTY:
            return True
        return self._live and self._store.contains(digest)

    def tree(self, root: Digest, reached: set[str]) -> bool:
        """Add the hashes of a tree's blobs to `reached`; False if some are not here.

        What is in `reached` already is taken to have been walked, so that the answer is about the rest only.
        """
        whole = True
        stack = [root]
        while stack:
            digest = stack.pop()
            if not self.has(digest):
                whole = False
                continue
            reached.add(digest.hash)
            files, directories, complete = self._directory(digest)
            whole = whole and complete
            reached.update(files)
            stack += (child for child in directories if child.hash not in reached)
        return whole

    def record(self, record: Record, reached: set[str]) -> bool:
        """Add the hashes of all blobs of a record that are here to `reached`; False if one that it requires is not."""
        whole = record.readable
        own: set[str] = set()
        for tree in record.trees:
            whole = self.tree(tree, own) and whole
        for digest in record.blobs:
            if self.has(digest):
                own.add(digest.hash)
            else:
                whole = False
        for tree in record.extra_trees:
            self.tree(tree, own)
        reached |= own
        return whole

    def _directory(self, digest: Digest) -> tuple[list[str], list[Digest], bool]:
        known = self._known.get(digest)
        if known is None:
            files: list[str] = []
            directories: list[Digest] = []
            whole = True
            try:
                nodes = self._store.listing(digest).nodes
            except CasError:
                nodes = {}
                whole = False
            for node in nodes.values():
                if type(node) is FileNode:
                    if self.has(node.digest):
                        files.append(node.digest.hash)
                    else:
                        whole = False
                elif type(node) is DirectoryNode:
                    directories.append(node.digest)
            known = self._known[digest] = (files, directories, whole)
        return known
