"""Lists trees and compares two of them.

Knows trees; does not know artifacts, nor how lists are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from grilse.storage.digest import Digest
from grilse.storage.messages import DirectoryNode, Node
from grilse.storage.store import Store


class Entry(NamedTuple):
    """Something in a tree.

    Attributes:
        path: relative to the tree's root.
        node: what is there.
    """

    path: str
    node: Node


class Change(NamedTuple):
    """A difference between two trees.

    Attributes:
        path: relative to the roots.
        before: what is there in the first tree, or None.
        after: what is there in the second tree, or None.
    """

    path: str
    before: Node | None
    after: Node | None


def list_tree(store: Store, root: Digest) -> Iterator[Entry]:
    """Everything in a tree: the entries of a directory sorted by name, files and links before directories, each
    directory before what is in it (the order of ``Directory.list_relative_paths``).

    Raises:
        CasError: a directory is not here.
    """
    # What is still to be listed, the next last: entries, and directories whose content is to follow.
    stack: list[Entry] = []

    def push(digest: Digest, prefix: str) -> None:
        nodes = store.listing(digest).nodes
        order = sorted(nodes, key=lambda name: (type(nodes[name]) is DirectoryNode, name), reverse=True)
        stack.extend(Entry(prefix + name, nodes[name]) for name in order)

    push(root, "")
    while stack:
        entry = stack.pop()
        yield entry
        if type(entry.node) is DirectoryNode:
            push(entry.node.digest, f"{entry.path}/")


def compare_trees(store: Store, before: Digest | None, after: Digest | None) -> Iterator[Change]:
    """What changed between two trees, sorted by directory; parts that are the same are not read.

    A directory that is only in one of them is a change, and so is everything in it.

    Args:
        store: where the trees are.
        before: root of the first tree, or None for an empty one.
        after: root of the second tree, or None for an empty one.

    Raises:
        CasError: a directory is not here.
    """
    stack: list[tuple[str, Digest | None, Digest | None]] = [("", before, after)]
    while stack:
        prefix, old_digest, new_digest = stack.pop()
        if old_digest == new_digest:
            continue
        old = {} if old_digest is None else store.listing(old_digest).nodes
        new = {} if new_digest is None else store.listing(new_digest).nodes
        below: list[tuple[str, Digest | None, Digest | None]] = []
        for name in sorted(old.keys() | new.keys()):
            one, other = old.get(name), new.get(name)
            if one == other:
                continue
            one_tree = one.digest if isinstance(one, DirectoryNode) else None
            other_tree = other.digest if isinstance(other, DirectoryNode) else None
            if one_tree is None or other_tree is None:
                yield Change(prefix + name, one, other)
            if one_tree is not None or other_tree is not None:
                below.append((f"{prefix}{name}/", one_tree, other_tree))
        stack += reversed(below)
