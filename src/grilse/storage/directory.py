"""The implementation of the plugin-visible ``Directory`` API on the store: a tree of copy-on-write directories.

Knows trees and blobs; does not know plugins, sandboxes or artifacts.  `storage` is below `plugin`, so the class stands
here on its own and ``plugin/directory.py`` declares it a ``Directory``; what plugins call is named as in BuildStream's
documentation of ``buildstream.storage.directory``, what only grilse calls stands in a section of its own.

A `CasDirectory` holds a dictionary of its entries once it was asked for one; until then it is only a digest.  A
subdirectory that nobody opened stays a digest, so that work and memory go by what is touched.  A change drops the
digests of the directory and of those above it; `digest()` encodes only those again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from grilse.protocol.errors import CasError
from grilse.storage.digest import Digest
from grilse.storage.filetypes import (
    ARBITRARY_TIMESTAMP,
    DirectoryError,
    FileListResult,
    FileStat,
    FileType,
)
from grilse.storage.messages import NANOSECONDS, DirectoryNode, FileNode, Listing, Node, SymlinkNode
from grilse.storage.store import Store

if TYPE_CHECKING:
    from tarfile import TarFile

# How many symbolic links a path may lead through: what Linux allows before it answers ELOOP.
_MAX_LINKS = 40

_MODES = frozenset(("r", "rb", "w", "wb", "w+", "w+b", "x", "xb", "x+", "x+b"))

Filter = Callable[[str], bool]


class CasDirectory:
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
        self._entries: dict[str, Node | CasDirectory] | None = None if digest else {}
        self._parent: CasDirectory | None = None
        self._name = ""
        self._read_only: bool | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._load()))

    def __len__(self) -> int:
        return len(self._load())

    def __str__(self) -> str:
        return f"[CAS:{self._location()}]"

    # What plugins call

    def open_directory(self, path: str, *, create: bool = False, follow_symlinks: bool = False) -> CasDirectory:
        """The directory at a relative path; ``..`` never leads above the root.

        Raises:
            DirectoryError: there is none (reason ``directory-not-found``, unless `create`), or something else stands
                there (reason ``not-a-directory``).
        """
        return self._descend(_split(path), create=create, follow=follow_symlinks)

    def import_files(
        self,
        external_pathspec: Any,
        *,
        filter_callback: Filter | None = None,
        collect_result: bool = True,
    ) -> FileListResult | None:
        """Bring in the files of a host directory (a path) or of another directory.

        A directory merges with the one that is there; a file replaces a file or an empty directory, and is ignored
        where a directory has entries.

        Args:
            external_pathspec: path, or `CasDirectory`.
            filter_callback: called with each relative path, directories included; what it answers False for stays out.
            collect_result: whether to return lists of paths.

        Raises:
            DirectoryError: a directory would have to replace a file, or the source cannot be read.
        """
        return self.import_tree(external_pathspec, filter_callback=filter_callback, collect_result=collect_result)

    def import_single_file(self, external_pathspec: str) -> FileListResult:
        """Bring in one host file, under its own name.

        Raises:
            DirectoryError: it cannot be read.
        """
        result = FileListResult()
        name = os.path.basename(external_pathspec)
        with _as_directory_error():
            digest = self.store.add_file(external_pathspec)
        if self._make_room(name, os.path.dirname(external_pathspec), result):
            # Not the rule of captured trees: there the owner's bit decides.
            self._put(name, FileNode(digest, os.access(external_pathspec, os.X_OK)))
            result.files_written.append(external_pathspec)
        return result

    def export_to_tar(self, tarfile: TarFile, destination_dir: str, mtime: int = ARBITRARY_TIMESTAMP) -> None:
        """Append the tree to an open archive, all names below `destination_dir`, all times `mtime`.

        Raises:
            DirectoryError: a blob is missing or the archive cannot be written.
        """
        from grilse.storage.checkout import write_tar

        with _as_directory_error():
            write_tar(self.store, self.digest(), tarfile, destination_dir, mtime)

    def list_relative_paths(self) -> Iterator[str]:
        """All paths below this directory, subdirectories included: files and links before directories, sorted."""
        yield from self._relative_paths("")

    def exists(self, path: str, *, follow_symlinks: bool = False) -> bool:
        """Whether something stands at a relative path."""
        try:
            self._find(path, follow=follow_symlinks)
        except DirectoryError:
            return False
        return True

    def stat(self, path: str, *, follow_symlinks: bool = False) -> FileStat:
        """Status of what stands at a relative path.

        Raises:
            DirectoryError: nothing does.
        """
        _, _, node = self._find(path, follow=follow_symlinks)
        if isinstance(node, FileNode):
            mtime = ARBITRARY_TIMESTAMP if node.mtime is None else node.mtime / NANOSECONDS
            return FileStat(FileType.REGULAR_FILE, executable=node.executable, size=node.digest.size, mtime=mtime)
        if isinstance(node, SymlinkNode):
            return FileStat(FileType.SYMLINK, size=len(node.target))
        return FileStat(FileType.DIRECTORY, executable=True)

    @contextmanager
    def open_file(self, path: str, *, mode: str = "r") -> Iterator[IO[Any]]:
        """A file of the tree, open in `mode`; what is written replaces the file when the block ends without an error.

        The new file is executable if the block makes it so (`os.fchmod`).  Text is UTF-8.  Modes are those of
        `open` without appending.

        Raises:
            ValueError: the mode is another.
            DirectoryError: no file stands there, or one does although `mode` has ``x``.
        """
        if mode not in _MODES:
            raise ValueError(f"Mode '{mode}' is not one of {', '.join(sorted(_MODES))}")
        *parents, name = _split(path)
        directory = self._descend(parents)
        node = directory._load().get(name)
        if node is not None and not isinstance(node, FileNode):
            raise DirectoryError(f"'{name}' in {directory} is not a file")
        if "r" not in mode:
            _check_name(name)
        encoding = None if "b" in mode else "utf-8"
        if "r" in mode:
            if node is None:
                raise DirectoryError(f"'{name}' is not in {directory}")
            with _as_directory_error():
                self.store.open(node.digest).close()  # says clearly what is wrong, if something is
            with open(self.store.path(node.digest), mode, encoding=encoding) as file:
                yield file
            return
        if "x" in mode and node is not None:
            raise DirectoryError(f"'{name}' is in {directory} already")
        with self.store.scratch_file() as scratch:
            with open(scratch, mode.replace("x", "w"), encoding=encoding) as file:
                yield file
            executable = os.access(scratch, os.X_OK)
            with _as_directory_error():
                digest = self.store.add_file(scratch, move=True)
            directory._put(name, FileNode(digest, executable))

    def file_digest(self, path: str) -> str:
        """A string that is the same for files of the same content (the SHA-256, 64 hexadecimal digits).

        Raises:
            DirectoryError: no regular file stands there.
        """
        _, _, node = self._find(path)
        if not isinstance(node, FileNode):
            raise DirectoryError(f"'{path}' in {self} is a {_kind(node)}, which has no file digest")
        return node.digest.hash

    def readlink(self, path: str) -> str:
        """The target of a symbolic link.

        Raises:
            DirectoryError: no link stands there.
        """
        _, _, node = self._find(path)
        if not isinstance(node, SymlinkNode):
            raise DirectoryError(f"'{path}' in {self} is a {_kind(node)}, not a symbolic link")
        return node.target

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link, or a directory: an empty one, or any if `recursive`.

        Raises:
            DirectoryError: nothing stands there, or a directory with entries.
        """
        *parents, name = _split(path)
        directory = self._descend(parents)
        node = directory._load().get(name)
        if node is None:
            raise DirectoryError(f"'{name}' is not in {directory}")
        if not recursive and isinstance(node, (DirectoryNode, CasDirectory)) and len(directory._child(name)):
            raise DirectoryError(f"'{name}' in {directory} is not empty")
        directory._drop(name)

    def rename(self, src: str, dest: str) -> None:
        """Move an entry; what stands at `dest` is replaced, a directory with entries included.

        BuildStream's documentation allows for empty directories only, but its plugins find any replaced.

        Raises:
            DirectoryError: nothing stands at `src`, or `dest`'s directory does not exist or is below `src`.
        """
        *src_parents, src_name = _split(src)
        *dest_parents, dest_name = _split(dest)
        src_dir = self._descend(src_parents)
        node = src_dir._load().get(src_name)
        if node is None:
            raise DirectoryError(f"'{src_name}' is not in {src_dir}")
        dest_dir = self._descend(dest_parents)
        _check_name(dest_name)
        if src_dir is dest_dir and src_name == dest_name:
            return
        above: CasDirectory | None = dest_dir
        while above is not None:
            if above is node:
                raise DirectoryError(f"Cannot move '{src}' into itself")
            above = above._parent
        if dest_name in dest_dir._load():
            dest_dir._drop(dest_name)
        src_dir._drop(src_name)
        if isinstance(node, CasDirectory):
            node._parent = dest_dir
            node._name = dest_name
        dest_dir._put(dest_name, node)

    def isfile(self, path: str, *, follow_symlinks: bool = False) -> bool:
        """Whether a regular file stands at a relative path."""
        return self._is(FileNode, path, follow_symlinks)

    def isdir(self, path: str, *, follow_symlinks: bool = False) -> bool:
        """Whether a directory stands at a relative path."""
        return self._is((DirectoryNode, CasDirectory), path, follow_symlinks)

    def islink(self, path: str, *, follow_symlinks: bool = False) -> bool:
        """Whether a symbolic link stands at a relative path."""
        return self._is(SymlinkNode, path, follow_symlinks)

    # What grilse calls

    def digest(self) -> Digest:
        """The digest of this tree; all its directories are in the store then.

        Raises:
            CasError: they cannot be written.
        """
        if self._digest is None:
            nodes: dict[str, Node] = {}
            for name, node in self._load().items():
                nodes[name] = DirectoryNode(node.digest()) if isinstance(node, CasDirectory) else node
            self._digest = self.store.add_listing(Listing(nodes, self._read_only))
        return self._digest

    def import_tree(
        self,
        source: CasDirectory | str,
        *,
        filter_callback: Filter | None = None,
        mtimes: bool = False,
        remember: bool = False,
        collect_result: bool = True,
    ) -> FileListResult | None:
        """As `import_files`; from a host directory also with modification times, or remembering digests.

        See `capture_tree` for `mtimes` and `remember`.
        """
        result = FileListResult() if collect_result else None
        with _as_directory_error():
            if isinstance(source, CasDirectory):
                tree = source
            else:
                from grilse.storage.capture import capture_tree

                captured = capture_tree(self.store, os.fspath(source), mtimes=mtimes, remember=remember)
                tree = CasDirectory(self.store, captured.digest)
            self._merge(tree, filter_callback, "", self, result)
        return result

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
            name: DirectoryNode(node.digest()) if isinstance(node, CasDirectory) else node
            for name, node in self._load().items()
        }

    def apply_changes(self, before: CasDirectory, after: CasDirectory) -> None:
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
            if isinstance(node, DirectoryNode) and isinstance(here, (DirectoryNode, CasDirectory)):
                base = CasDirectory(self.store)
                if isinstance(old.get(name), DirectoryNode):
                    base = before._child(name)
                self._child(name).apply_changes(base, after._child(name))
            elif here != node:
                self._put(name, node)
        for name in old:
            if name not in new and name in self._load():
                self._drop(name)

    # Private

    def _load(self) -> dict[str, Node | CasDirectory]:
        """The entries, from the store if they are not here yet."""
        if self._entries is None:
            assert self._digest is not None
            with _as_directory_error():
                listing = self.store.listing(self._digest)
            self._entries = dict(listing.nodes)
            self._read_only = listing.read_only
        return self._entries

    def _child(self, name: str) -> CasDirectory:
        """The subdirectory `name` as an object, which stands in the entries from now on."""
        entries = self._load()
        node = entries[name]
        if isinstance(node, CasDirectory):
            return node
        assert isinstance(node, DirectoryNode)
        child = CasDirectory(self.store, node.digest)
        child._parent = self
        child._name = name
        entries[name] = child
        return child

    def _touch(self) -> None:
        """This tree is not what its digest says any more; nor are those above it."""
        directory: CasDirectory | None = self
        while directory is not None and directory._digest is not None:
            directory._load()
            directory._digest = None
            directory = directory._parent

    def _location(self) -> str:
        return f"{self._parent._location().rstrip('/')}/{self._name}" if self._parent is not None else "/"

    def _root(self) -> CasDirectory:
        directory = self
        while directory._parent is not None:
            directory = directory._parent
        return directory

    def _descend(self, parts: list[str], *, create: bool = False, follow: bool = False, links: int = 0) -> CasDirectory:
        """Walk along the components of a path, all of which must be directories (or lead to some, if `follow`)."""
        directory = self
        for part in parts:
            if part in ("", "."):
                continue
            if part == "..":
                directory = directory._parent or directory
                continue
            node = directory._load().get(part)
            if isinstance(node, (CasDirectory, DirectoryNode)):
                directory = directory._child(part)
            elif isinstance(node, SymlinkNode) and follow:
                if links >= _MAX_LINKS:
                    raise DirectoryError(f"Too many symbolic links at '{part}' in {directory}", "not-a-directory")
                start = directory._root() if node.target.startswith("/") else directory
                directory = start._descend(node.target.split("/"), follow=True, links=links + 1)
            elif node is not None:
                raise DirectoryError(f"'{part}' in {directory} is a {_kind(node)}, not a directory", "not-a-directory")
            elif create:
                child = CasDirectory(self.store)
                child._parent = directory
                child._name = part
                directory._put(part, child)
                directory = child
            else:
                raise DirectoryError(f"'{part}' is not in {directory}", "directory-not-found")
        return directory

    def _find(
        self, path: str | list[str], *, follow: bool = False, links: int = 0
    ) -> tuple[CasDirectory, str, Node | CasDirectory]:
        """What stands at a path, the directory it is in and its name there.

        As in BuildStream the last component is a name: no directory has entries "", "." and "..".
        """
        *parents, name = _split(path) if isinstance(path, str) else path
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

    def _is(self, kind: type | tuple[type, ...], path: str, follow: bool) -> bool:
        try:
            return isinstance(self._find(path, follow=follow)[2], kind)
        except DirectoryError:
            return False

    def _put(self, name: str, node: Node | CasDirectory) -> None:
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
            if isinstance(entries[name], (DirectoryNode, CasDirectory)):
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
        if isinstance(node, (DirectoryNode, CasDirectory)) and len(self._child(name)):
            if result is not None:
                result.ignored.append(relative)
            return False
        self._drop(name)
        if result is not None:
            result.overwritten.append(relative)
        return True

    def _merge(
        self,
        source: CasDirectory,
        accept: Filter | None,
        prefix: str,
        origin: CasDirectory,
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
                if isinstance(node, CasDirectory):
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
                raise DirectoryError(f"Destination is a {_kind(target)}, not a directory: /{relative}")
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


def _split(path: str) -> list[str]:
    """The components of a relative path.

    Raises:
        ValueError: the path is absolute.
    """
    if path.startswith("/"):
        raise ValueError(f"Path '{path}' is absolute, a path relative to the directory is expected")
    return path.split("/")


def _check_name(name: str) -> None:
    """Make sure that an entry may be called so.

    Raises:
        DirectoryError: it may not; BuildStream makes a tree of it that nothing can unpack.
    """
    if name in ("", ".", ".."):
        raise DirectoryError(f"'{name}' cannot be the name of a file or a directory")


def _kind(node: Node | CasDirectory) -> FileType:
    if isinstance(node, FileNode):
        return FileType.REGULAR_FILE
    if isinstance(node, SymlinkNode):
        return FileType.SYMLINK
    return FileType.DIRECTORY


@contextmanager
def _as_directory_error() -> Iterator[None]:
    """Turn the store's errors into the one that this API documents."""
    try:
        yield
    except CasError as error:
        raised = DirectoryError(error.message, error.reason)
        raised.detail = error.detail
        raise raised from error
