"""The implementation of the plugin-visible ``Directory`` API: what plugins call, on a `CasTree`.

Knows trees and blobs; does not know plugins, sandboxes or artifacts.  `storage` is below `plugin`, so the class stands
here on its own and ``plugin/directory.py`` declares it a ``Directory``; what plugins call is named as in BuildStream's
documentation of ``buildstream.storage.directory``, what only grilse calls stands in a section of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from grilse.storage.filetypes import (
    ARBITRARY_TIMESTAMP,
    DirectoryError,
    FileListResult,
    FileStat,
    FileType,
)
from grilse.storage.messages import NANOSECONDS, DirectoryNode, FileNode, SymlinkNode
from grilse.storage.tree import CasTree, Filter, as_directory_error, kind, split

if TYPE_CHECKING:
    from tarfile import TarFile

_MODES = frozenset(("r", "rb", "w", "wb", "w+", "w+b", "x", "xb", "x+", "x+b"))


class CasDirectory(CasTree):
    """A directory of a tree whose files are in the store.

    Iterating gives the names of the entries, the length is their number, an empty directory is false.

    Args:
        store: where the blobs are.
        digest: of the tree to begin with, or None for an empty one.
    """

    __slots__ = ()

    # What plugins call

    def open_directory(self, path: str, *, create: bool = False, follow_symlinks: bool = False) -> CasDirectory:
        """The directory at a relative path; ``..`` never leads above the root.

        Raises:
            DirectoryError: there is none (reason ``directory-not-found``, unless `create`), or something else stands
                there (reason ``not-a-directory``).
        """
        return self._descend(split(path), create=create, follow=follow_symlinks)

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
        with as_directory_error():
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

        with as_directory_error():
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
        *parents, name = split(path)
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
            with as_directory_error():
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
            with as_directory_error():
                digest = self.store.add_file(scratch, move=True)
            directory._put(name, FileNode(digest, executable))

    def file_digest(self, path: str) -> str:
        """A string that is the same for files of the same content (the SHA-256, 64 hexadecimal digits).

        Raises:
            DirectoryError: no regular file stands there.
        """
        _, _, node = self._find(path)
        if not isinstance(node, FileNode):
            raise DirectoryError(f"'{path}' in {self} is a {kind(node)}, which has no file digest")
        return node.digest.hash

    def readlink(self, path: str) -> str:
        """The target of a symbolic link.

        Raises:
            DirectoryError: no link stands there.
        """
        _, _, node = self._find(path)
        if not isinstance(node, SymlinkNode):
            raise DirectoryError(f"'{path}' in {self} is a {kind(node)}, not a symbolic link")
        return node.target

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link, or a directory: an empty one, or any if `recursive`.

        Raises:
            DirectoryError: nothing stands there, or a directory with entries.
        """
        *parents, name = split(path)
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
        *src_parents, src_name = split(src)
        *dest_parents, dest_name = split(dest)
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
        with as_directory_error():
            if isinstance(source, CasDirectory):
                tree = source
            else:
                from grilse.storage.capture import capture_tree

                captured = capture_tree(self.store, os.fspath(source), mtimes=mtimes, remember=remember)
                tree = CasDirectory(self.store, captured.digest)
            self._merge(tree, filter_callback, "", self, result)
        return result

    # Private

    def _is(self, kind: type | tuple[type, ...], path: str, follow: bool) -> bool:
        try:
            return isinstance(self._find(path, follow=follow)[2], kind)
        except DirectoryError:
            return False


def _check_name(name: str) -> None:
    """Make sure that an entry may be called so.

    Raises:
        DirectoryError: it may not; BuildStream makes a tree of it that nothing can unpack.
    """
    if name in ("", ".", ".."):
        raise DirectoryError(f"'{name}' cannot be the name of a file or a directory")
