"""Functions that plugins call: paths, files, versions, host tools.

Must not know plugins.  Names and signatures are BuildStream's (``buildstream.utils``).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from .exceptions import ProgramNotFoundError, UtilError
from .filelists import copy_files, link_files, list_relative_paths, safe_copy, safe_link, safe_remove
from .globs import translate

if TYPE_CHECKING:
    from ..storage.filetypes import FileListResult

__all__ = [
    "BST_ARBITRARY_TIMESTAMP",
    "DirectoryExistsError",
    "FileListResult",
    "ProgramNotFoundError",
    "UtilError",
    "copy_files",
    "get_bst_version",
    "get_host_tool",
    "get_umask",
    "glob",
    "guess_version",
    "link_files",
    "list_relative_paths",
    "move_atomic",
    "safe_copy",
    "safe_link",
    "safe_remove",
    "save_file_atomic",
    "sha256sum",
    "url_directory_name",
]

BST_ARBITRARY_TIMESTAMP = 1321009871
"""The time of every file that has none of its own: 2011-11-11 11:11:11 UTC, in seconds since the epoch."""

_VERSION_PATTERN = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_BLOCK = 1 << 20
_NOT_OF_DIRECTORY = re.compile("[^a-zA-Z0-9%]")


class DirectoryExistsError(OSError):
    """Something was to be moved to where a directory stands already."""


def __getattr__(name: str) -> Any:
    # Only those who ask for it pay for the storage room.
    if name == "FileListResult":
        from ..storage.filetypes import FileListResult

        return FileListResult
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def url_directory_name(url: str) -> str:
    """A URL as the name of a directory: what is not a letter, a digit or ``%`` becomes ``_``."""
    return _NOT_OF_DIRECTORY.sub("_", url)


def glob(paths: Iterable[str], pattern: str) -> Iterator[str]:
    """Those of `paths` that match a pattern; for the patterns see `globs`.

    Leading slashes of paths and pattern do not matter.
    """
    pattern = pattern if pattern.startswith("/") else f"/{pattern}"
    match = re.compile(rf"{translate(pattern)}\Z", re.DOTALL).match
    for path in paths:
        if match(path if path.startswith("/") else f"/{path}"):
            yield path


def sha256sum(filename: str) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        UtilError: it cannot be read.
    """
    try:
        with open(filename, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UtilError(f"Failed to get a checksum of file '{filename}': {error}") from error


def get_host_tool(name: str) -> str:
    """The absolute path of a program.

    Raises:
        ProgramNotFoundError: it is not in any directory of ``PATH``.
    """
    found = shutil.which(name)
    if found is None:
        raise ProgramNotFoundError(f"Did not find '{name}' in PATH: {os.environ.get('PATH', '')}")
    return found


def get_bst_version() -> tuple[int, int]:
    """Major and minor version of the BuildStream whose plugin API this is."""
    from .. import FORMAT_VERSION

    major, minor = FORMAT_VERSION.split(".")[:2]
    return int(major), int(minor)


def move_atomic(
    source: str | os.PathLike[str], destination: str | os.PathLike[str], *, ensure_parents: bool = True
) -> None:
    """Rename a file or directory within a file system.

    Args:
        source: what.
        destination: its new name.
        ensure_parents: whether directories above `destination` are made.

    Raises:
        DirectoryExistsError: a directory with entries stands there.
        OSError: anything else.
    """
    if ensure_parents:
        os.makedirs(os.path.dirname(os.fspath(destination)), exist_ok=True)
    try:
        os.rename(source, destination)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise DirectoryExistsError(*error.args) from error
        raise


@contextmanager
def save_file_atomic(
    filename: str,
    mode: str = "w",
    *,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Callable[[str, int], int] | None = None,
    tempdir: str | None = None,
) -> Iterator[IO[Any]]:
    """Open a file that gets its name when the block ends without an error, so that nobody ever sees half of it.

    Args:
        filename: absolute.
        mode, buffering, encoding, errors, newline, closefd, opener: as for `open`.
        tempdir: where the file is until then; must be on the same file system.
    """
    if not os.path.isabs(filename):
        raise AssertionError(f"'{filename}' should be an absolute path")
    descriptor, temporary = tempfile.mkstemp(dir=tempdir or os.path.dirname(filename))
    os.close(descriptor)
    os.chmod(temporary, 0o666 & ~get_umask())
    try:
        with open(
            temporary,
            mode,
            buffering=buffering,
            encoding=encoding,
            errors=errors,
            newline=newline,
            closefd=closefd,
            opener=opener,
        ) as file:
            file.real_filename = filename  # type: ignore[attr-defined]
            yield file
        os.replace(temporary, filename)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UtilError(f"Failed to clean up '{temporary}': {error}") from error
        raise


def get_umask() -> int:
    """The mask of this process for the modes of new files."""
    from ..platform.files import umask

    return umask()


def guess_version(string: str, *, pattern: re.Pattern[str] | None = None) -> str | None:
    """The version that a text such as a URL or a tag seems to speak of.

    Args:
        string: the text.
        pattern: groups are the parts of the version; of several matches the one with the most groups wins, then the
            first.  By default two or three numbers with dots between them.

    Returns:
        the groups with dots between them, or None.
    """
    best: list[str] = []
    for match in (pattern or _VERSION_PATTERN).finditer(string):
        groups = [group for group in match.groups() if group is not None] if match.re.groups else [match.group()]
        if len(groups) > len(best) or not best:
            best = groups or best
    return ".".join(best) if best else None


@contextmanager
def _tempdir(*, suffix: str = "", prefix: str = "tmp", dir: str) -> Iterator[str]:
    """A temporary directory below `dir`, with the mode that directories have by default, removed after the block."""
    with tempfile.TemporaryDirectory(suffix=suffix, prefix=prefix, dir=dir, ignore_cleanup_errors=True) as path:
        os.chmod(path, 0o777 & ~get_umask())
        try:
            yield path
        finally:
            _make_removable(path)


def _make_removable(root: str) -> None:
    """Give the owner leave to empty all directories below `root`."""
    for directory, names, _ in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path) and not os.access(path, os.W_OK | os.X_OK):
                os.chmod(path, 0o700)


def parse_version(version: str) -> tuple[int, int]:
    """Major and minor of a version that begins with ``MAJOR.MINOR``.

    Raises:
        UtilError: it does not.
    """
    try:
        major, minor = version.split(".")[:2]
        return int(major), int(minor)
    except (AttributeError, ValueError):
        raise UtilError(f"Malformed version string: {version}") from None
