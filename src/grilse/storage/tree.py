"""A tree of copy-on-write directories on the store: finding, entering, removing and merging what is in them.

Knows trees and blobs; does not know which operations plugins have, which ``directory`` adds.

A `CasTree` holds a dictionary of its entries once it was asked for one; until then it is only a digest.  A
subdirectory that nobody opened stays a digest, so that work and memory go by what is touched.  A change drops the
digests of the directory and of those above it; `digest()` encodes only those again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from grilse.protocol.errors import CasError
from grilse.storage.digest import Digest
from grilse.storage.filetypes import DirectoryError, FileListResult, FileType
from grilse.storage.messages import DirectoryNode, FileNode, Listing, Node, SymlinkNode
from grilse.storage.store import Store

# How many symbolic links a path may lead through: what Linux allows before it answers ELOOP.
_MAX_LINKS = 40

Filter = Callable[[str], bool]


class CasTree:
    """A directory of a tree whose files are in the store.

    Iterating gives the names of the entries, the length is their number, an empty directory is false.

    Args:
        store: where the blobs are.
        digest: of the tree to begin with, or None for an empty one.
    """

    __slots__ = ("_digest", "_entries", "_name", "_parent", "_read_only", "store")

    def __init__(self, store: Store, digest: Digest | None = None) -> None:
        self.store = store
        self._digest = digest
        # None until they are needed, if there is a digest to load them from.
        self._entries: dict[str, Node | Self] | None = None if digest else {}
        self._parent: Self | None = None
        self._name = ""
        self._read_only: bool | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._load()))

    def __len__(self) -> int:
        return len(self._load())

    def __str__(self) -> str:
        return f"[CAS:{self._location()}]"

    def digest(self) -> Digest:
        """The digest of this tree; all its directories are in the store then.

        Raises:
            CasError: they cannot be written.
        """
        if self._digest is None:
            nodes: dict[str, Node] = {}
            for name, node in self._load().items():
                nodes[name] = DirectoryNode(node.digest()) if isinstance(node, CasTree) else node
            self._digest = self.store.add_listing(Listing(nodes, self._read_only))
        return self._digest

    def reset(self, digest: Digest | None = None) -> None:
        """Replace all that is in this directory by another tree, or by nothing."""
        self._touch()
        self._read_only = None
        self._digest = digest
        self._entries = None if digest else {}

    def set_read_only(self, read_only: bool) -> None:
        """Mark the tree as not to be written to by a sandbox (or as writable below such a mark)."""
        self._load()
        self._read_only = read_only
        self._touch()

    def size(self) -> int:
        """Bytes of all files and of all directory messages, each counted as often as it occurs."""
        total = self.digest().size
        for name, node in list(self._load().items()):
            if isinstance(node, FileNode):
                total += node.digest.size
            elif not isinstance(node, SymlinkNode):
                total += self._child(name).size()
        return total

    def nodes(self) -> dict[str, Node]:
        """The entries as plain nodes, subdirectories by digest; a new dictionary."""
        self.digest()
        return {
            name: DirectoryNode(node.digest()) if isinstance(node, CasTree) else node
            for name, node in self._load().items()
        }

    def apply_changes(self, before: Self, after: Self) -> None:
        """Make the changes that lead from `before` to `after` here, too, overwriting what is here where both changed.

        With it an incremental workspace build brings new sources into an old build tree.
        """
        if before.digest() == after.digest():
            return
        old, new = before.nodes(), after.nodes()
        for name, node in new.items():
            if old.get(name) == node:
                continue
            here = self._load().get(name)
            if isinstance(node, DirectoryNode) and isinstance(here, (DirectoryNode, CasTree)):
                base = type(self)(self.store)
                if isinstance(old.get(name), DirectoryNode):
                    base = before._child(name)
                self._child(name).apply_changes(base, after._child(name))
            elif here != node:
                self._put(name, node)
        for name in old:
            if name not in new and name in self._load():
                self._drop(name)

    # For the class that adds what plugins call

    def _load(self) -> dict[str, Node | Self]:
        """The entries, from the store if they are not here yet."""
        if self._entries is None:
            assert self._digest is not None
            with as_directory_error():
                listing = self.store.listing(self._digest)
            self._entries = dict(listing.nodes)
            self._read_only = listing.read_only
        return self._entries

    def _child(self, name: str) -> Self:
        """The subdirectory `name` as an object, which stands in the entries from now on."""
        entries = self._load()
        node = entries[name]
        if isinstance(node, CasTree):
            return node
        assert isinstance(node, DirectoryNode)
        child = type(self)(self.store, node.digest)
        child._parent = self
        child._name = name
        entries[name] = child
        return child

    def _touch(self) -> None:
        """This tree is not what its digest says any more; nor are those above it."""
        directory: CasTree | None = self
        while directory is not None and directory._digest is not None:
            directory._load()
            directory._digest = None
            directory = directory._parent

    def _location(self) -> str:
        return f"{self._parent._location().rstrip('/')}/{self._name}" if self._parent is not None else "/"

    def _root(self) -> Self:
        directory = self
        while directory._parent is not None:
            directory = directory._parent
        return directory

    def _descend(self, parts: list[str], *, create: bool = False, follow: bool = False, links: int = 0) -> Self:
        """Walk along the components of a path, all of which must be directories (or lead to some, if `follow`)."""
        directory = self
        for part in parts:
            if part in ("", "."):
                continue
            if part == "..":
                directory = directory._parent or directory
                continue
            node = directory._load().get(part)
            if isinstance(node, (CasTree, DirectoryNode)):
                directory = directory._child(part)
            elif isinstance(node, SymlinkNode) and follow:
                if links >= _MAX_LINKS:
                    raise DirectoryError(f"Too many symbolic links at '{part}' in {directory}", "not-a-directory")
                start = directory._root() if node.target.startswith("/") else directory
                directory = start._descend(node.target.split("/"), follow=True, links=links + 1)
            elif node is not None:
                raise DirectoryError(f"'{part}' in {directory} is a {kind(node)}, not a directory", "not-a-directory")
            elif create:
                child = type(self)(self.store)
                child._parent = directory
                child._name = part
                directory._put(part, child)
                directory = child
            else:
                raise DirectoryError(f"'{part}' is not in {directory}", "directory-not-found")
        return directory

    def _find(self, path: str | list[str], *, follow: bool = False, links: int = 0) -> tuple[Self, str, Node | Self]:
        """What stands at a path, the directory it is in and its name there.

        As in BuildStream the last component is a name: no directory has entries "", "." and "..".
        """
        *parents, name = split(path) if isinstance(path, str) else path
        directory = self._descend(parents, follow=follow, links=links)
        node = directory._load().get(name)
        if node is None:
            raise DirectoryError(f"'{name}' is not in {directory}")
        if follow and isinstance(node, SymlinkNode):
            if links >= _MAX_LINKS:
                raise DirectoryError(f"Too many symbolic links at '{name}' in {directory}")
            start = directory._root() if node.target.startswith("/") else directory
            return start._find(node.target.split("/"), follow=True, links=links + 1)
        return directory, name, node

    def _put(self, name: str, node: Node | Self) -> None:
        """Enter a node under a name."""
        entries = self._load()
        self._touch()
        entries[name] = node

    def _drop(self, name: str) -> None:
        """Remove an entry."""
        entries = self._load()
        self._touch()
        del entries[name]

    def _relative_paths(self, prefix: str) -> Iterator[str]:
        entries = self._load()
        directories = []
        for name in sorted(entries):
            if isinstance(entries[name], (DirectoryNode, CasTree)):
                directories.append(name)
            else:
                yield prefix + name
        for name in directories:
            yield prefix + name
            yield from self._child(name)._relative_paths(f"{prefix}{name}/")

    def _make_room(self, name: str, relative: str, result: FileListResult | None) -> bool:
        """Whether a file may be written as `name`; what it replaces is gone then and reported."""
        entries = self._load()
        node = entries.get(name)
        if node is None:
            return True
        if isinstance(node, (DirectoryNode, CasTree)) and len(self._child(name)):
            if result is not None:
                result.ignored.append(relative)
            return False
        self._drop(name)
        if result is not None:
            result.overwritten.append(relative)
        return True

    def _merge(
        self,
        source: Self,
        accept: Filter | None,
        prefix: str,
        origin: Self,
        result: FileListResult | None,
    ) -> None:
        """Bring the entries of `source` in; see `import_files`.  `origin` is where the import began."""
        entries = self._load()
        for name, node in list(source._load().items()):
            relative = prefix + name
            if isinstance(node, (FileNode, SymlinkNode)):
                if accept is not None and not accept(relative):
                    continue
                if name in entries and not self._make_room(name, relative, result):
                    continue
                if self._digest is not None:
                    self._touch()
                entries[name] = node
                if result is not None:
                    result.files_written.append(relative)
                continue
            create = name not in entries
            if create and accept is None:
                # The whole subdirectory is new here: it can stay a digest.
                if isinstance(node, CasTree):
                    node = DirectoryNode(node.digest())
                self._put(name, node)
                if result is not None:
                    _list_files(self.store, node.digest, f"{relative}/", result.files_written)
                continue
            below = source._child(name)
            if below is origin:
                continue  # importing a directory into one below itself
            target = entries.get(name)
            if isinstance(target, (FileNode, SymlinkNode)):
                raise DirectoryError(f"Destination is a {kind(target)}, not a directory: /{relative}")
            child = self._descend([name], create=create)
            if accept is not None or result is not None or child._digest is None or child._digest != below._digest:
                child._merge(below, accept, f"{relative}/", origin, result)
            if accept is not None and not accept(relative) and create and not len(child):
                self._drop(name)


def _list_files(store: Store, digest: Digest, prefix: str, paths: list[str]) -> None:
    """Append the paths of all files and links of a tree, in the order of its messages."""
    for name, node in store.listing(digest).nodes.items():
        if type(node) is DirectoryNode:
            _list_files(store, node.digest, f"{prefix}{name}/", paths)
        else:
            paths.append(prefix + name)


def split(path: str) -> list[str]:
    """The components of a relative path.

    Raises:
        ValueError: the path is absolute.
    """
    if path.startswith("/"):
        raise ValueError(f"Path '{path}' is absolute, a path relative to the directory is expected")
    return path.split("/")


def kind(node: Node | CasTree) -> FileType:
    if isinstance(node, FileNode):
        return FileType.REGULAR_FILE
    if isinstance(node, SymlinkNode):
        return FileType.SYMLINK
    return FileType.DIRECTORY


@contextmanager
def as_directory_error() -> Iterator[None]:
    """Turn the store's errors into the one that this API documents."""
    try:
        yield
    except CasError as error:
        raised = DirectoryError(error.message, error.reason)
        raised.detail = error.detail
        raise raised from error
