"""What an overlay of directory trees shows, worked out on their ``Directory`` messages alone.

Knows the rules of overlayfs for lower layers (the uppermost entry wins, directories merge down to the first entry that
is none), nothing of mounts and files.  Source: Documentation/filesystems/overlayfs.rst in the Linux kernel.
"""

from __future__ import annotations

from typing import TypeGuard

from grilse.storage.digest import Digest
from grilse.storage.messages import DirectoryNode, FileNode, Listing, Node, SymlinkNode
from grilse.storage.store import Store

# The directories that lie on one another at one place, uppermost first, each once; () where there is none.
Stack = tuple[Digest, ...]

# An entry of a stack of directories.
Entry = FileNode | SymlinkNode | Stack


def is_directory(entry: Entry | None) -> TypeGuard[Stack]:
    """Whether an entry is a directory (the other kinds are tuples, too, but named ones)."""
    return type(entry) is tuple


class Stacks:
    """Reads stacks of directories of one store; what it has worked out it keeps."""

    __slots__ = ("_digests", "_entries", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self._entries: dict[Stack, dict[str, Entry]] = {(): {}}
        self._digests: dict[Stack, Digest] = {}

    def entries(self, stack: Stack) -> dict[str, Entry]:
        """The merged entries by name; shared, so not to be changed.

        Raises:
            CasError: a directory is not in the store.
        """
        found = self._entries.get(stack)
        if found is None:
            found = self._entries[stack] = self._merge(stack)
        return found

    def below(self, stack: Stack, name: str) -> Stack:
        """The stack of directories at `name`, or () if what is seen there is no directory."""
        entry = self.entries(stack).get(name)
        return entry if is_directory(entry) else ()

    def digest(self, stack: Stack) -> Digest:
        """Digest of the merged directory, which is put into the store.

        Raises:
            CasError: a directory is not in the store, or cannot be written to it.
        """
        # Depth first without recursion: trees may be deeper than Python's stack.
        todo = [stack]
        while todo:
            current = todo[-1]
            if len(current) == 1 or current in self._digests:
                todo.pop()
                continue
            entries = self.entries(current)
            waiting = [
                entry
                for entry in entries.values()
                if is_directory(entry) and len(entry) > 1 and entry not in self._digests
            ]
            if waiting:
                todo += waiting
                continue
            todo.pop()
            self._digests[current] = self.store.add_listing(Listing(self.nodes(entries)))
        return self._known(stack)

    def nodes(self, entries: dict[str, Entry]) -> dict[str, Node]:
        """Entries as they stand in a ``Directory``; their directories are put into the store."""
        nodes: dict[str, Node] = {}
        for name, entry in entries.items():
            if is_directory(entry):
                nodes[name] = DirectoryNode(self.digest(entry))
            elif isinstance(entry, FileNode | SymlinkNode):
                nodes[name] = entry
        return nodes

    def _known(self, stack: Stack) -> Digest:
        return stack[0] if len(stack) == 1 else self._digests[stack]

    def _merge(self, stack: Stack) -> dict[str, Entry]:
        if len(stack) == 1:
            return {
                name: (node.digest,) if type(node) is DirectoryNode else node
                for name, node in self.store.listing(stack[0]).nodes.items()
            }
        merged: dict[str, Entry] = {}
        directories: dict[str, list[Digest]] = {}
        ended: set[str] = set()
        for digest in stack:
            for name, node in self.store.listing(digest).nodes.items():
                known = directories.get(name)
                if known is not None:
                    if name in ended:
                        continue
                    if type(node) is not DirectoryNode:
                        ended.add(name)
                    elif node.digest not in known:
                        known.append(node.digest)
                elif name not in merged:
                    if type(node) is DirectoryNode:
                        directories[name] = [node.digest]
                    else:
                        merged[name] = node
        for name, digests in directories.items():
            merged[name] = tuple(digests)
        return merged
