"""Walks trees in the store: which blobs one consists of, and whether they are all here.

Knows trees and blobs; does not know what a tree is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from grilse.protocol.errors import CasError
from grilse.storage.digest import Digest
from grilse.storage.messages import DirectoryNode, FileNode
from grilse.storage.store import Store


def tree_blobs(store: Store, root: Digest, *, seen: set[Digest] | None = None) -> Iterator[Digest]:
    """The digests of all blobs of a tree, each once: a directory before what is in it.

    Args:
        store: where the tree is.
        root: digest of its root ``Directory``.
        seen: digests that are not to be given again; those given are added.

    Raises:
        CasError: a directory is not here (reason ``missing-blob``) or is none (``corrupt-blob``); it was given before.
    """
    known = set() if seen is None else seen
    walked: set[Digest] = set()
    stack = [root]
    while stack:
        digest = stack.pop()
        if digest in walked:
            continue
        walked.add(digest)
        if digest not in known:
            known.add(digest)
            yield digest
        for node in store.listing(digest).nodes.values():
            if type(node) is FileNode:
                if node.digest not in known:
                    known.add(node.digest)
                    yield node.digest
            elif type(node) is DirectoryNode and node.digest not in walked:
                stack.append(node.digest)


def missing_blobs(store: Store, blobs: Iterable[Digest], trees: Iterable[Digest] = ()) -> Iterator[Digest]:
    """Digests of what is not here, each once; of a directory that is not here nothing below is known.

    Args:
        store: where to look.
        blobs: digests of blobs.
        trees: digests of trees, whose every blob is looked for.

    Raises:
        CasError: a directory is here but is none (reason ``corrupt-blob``).
    """
    known: set[Digest] = set()
    for digest in blobs:
        if digest not in known:
            known.add(digest)
            if not store.contains(digest):
                yield digest
    # A blob may be both a file and a directory, so that what was seen as one was not seen as the other.
    walked: set[Digest] = set()
    stack = list(trees)
    while stack:
        digest = stack.pop()
        if digest in walked:
            continue
        walked.add(digest)
        if not store.contains(digest):
            if digest not in known:
                known.add(digest)
                yield digest
            continue
        for node in store.listing(digest).nodes.values():
            if type(node) is DirectoryNode:
                stack.append(node.digest)
            elif type(node) is FileNode and node.digest not in known:
                known.add(node.digest)
                if not store.contains(node.digest):
                    yield node.digest


class Presence:
    """Answers what is here or can be had at any time (see `Supplier.holds`), asking once for each blob.

    An answer of "here" stays true for the life of the object, so it is for one command, or one job.

    Args:
        store: whose blobs.
        alone: whether only what is here counts.
    """

    def __init__(self, store: Store, *, alone: bool = False) -> None:
        self._store = store
        self._alone = alone
        self._blobs: set[Digest] = set()
        self._trees: set[Digest] = set()

    def blob(self, digest: Digest) -> bool:
        """Whether a blob is here."""
        if digest in self._blobs:
            return True
        if not self._store.contains(digest) and not self._held((digest,), ()):
            return False
        self._blobs.add(digest)
        return True

    def tree(self, root: Digest) -> bool:
        """Whether all blobs of a tree are here."""
        if root in self._trees or self._tree_here(root):
            return True
        if not self._held((), (root,)):
            return False
        self._trees.add(root)
        return True

    def _held(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        supplier = self._store.supplier
        return supplier is not None and not self._alone and supplier.holds(blobs, trees)

    def _tree_here(self, root: Digest) -> bool:
        contains = self._store.contains
        blobs = self._blobs
        stack = [root]
        trees: set[Digest] = {root}
        while stack:
            digest = stack.pop()
            # Reading a directory is no proof that it is here: the store keeps decoded ones.
            if digest not in blobs and not contains(digest):
                return False
            try:
                nodes = self._store.listing(digest).nodes
            except CasError as error:
                if error.reason in ("missing-blob", "corrupt-blob"):
                    return False
                raise
            for node in nodes.values():
                if type(node) is FileNode:
                    if node.digest not in blobs:
                        if not contains(node.digest):
                            return False
                        blobs.add(node.digest)
                elif type(node) is DirectoryNode and node.digest not in trees and node.digest not in self._trees:
                    trees.add(node.digest)
                    stack.append(node.digest)
        self._trees |= trees
        return True
