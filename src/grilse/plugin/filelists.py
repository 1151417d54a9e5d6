"""Copies, links and lists trees of host files; part of `utils`.

Must not know plugins.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .exceptions import UtilError

if TYPE_CHECKING:
    from ..storage.filetypes import FileListResult

_Transfer = Callable[..., None]


def list_relative_paths(directory: str) -> Iterator[str]:
    """Relative paths of everything below a directory: each directory before what is in it; links are not followed."""
    stack = [""] if os.path.isdir(directory) else []
    while stack:
        prefix = stack.pop()
        if prefix:
            yield prefix
        with os.scandir(os.path.join(directory, prefix) if prefix else directory) as entries:
            listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        for name, is_directory in listed:
            if not is_directory:
                yield os.path.join(prefix, name)
        stack.extend(os.path.join(prefix, name) for name, is_directory in reversed(listed) if is_directory)


def safe_copy(src: str, dest: str, *, copystat: bool = True, result: FileListResult | None = None) -> None:
    """Copy a file; what stands at `dest` is removed first, since it may be a link to another file.

    Args:
        src: the file.
        dest: its copy.
        copystat: whether to copy mode and times.
        result: gets `dest` in ``failed_attributes`` if these cannot be copied.

    Raises:
        UtilError: it cannot be copied.
    """
    _unlink(dest)
    try:
        shutil.copyfile(src, dest)
    except (OSError, shutil.Error) as error:
        raise UtilError(f"Failed to copy '{src} -> {dest}': {error}") from error
    if copystat:
        try:
            shutil.copystat(src, dest)
        except PermissionError:
            if result is not None:
                result.failed_attributes.append(dest)


def safe_link(src: str, dest: str, *, result: FileListResult | None = None) -> None:
    """Make a hard link, or a copy where that cannot be; what stands at `dest` is removed.

    Raises:
        UtilError: neither can be made.
    """
    try:
        try:
            os.link(src, dest)
        except FileExistsError:
            _unlink(dest)
            os.link(src, dest)
    except OSError as error:
        import errno

        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise UtilError(f"Failed to link '{src} -> {dest}': {error}") from error
        safe_copy(src, dest, result=result)


def safe_remove(path: str) -> bool:
    """Remove a file or an empty directory.

    Returns:
        whether nothing stands there now; False for a directory with entries.

    Raises:
        UtilError: it cannot be removed.
    """
    import errno

    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise UtilError(f"Failed to remove '{path}': {error}") from error
    return True


def copy_files(
    src: str,
    dest: str,
    *,
    filter_callback: Callable[[str], bool] | None = None,
    ignore_missing: bool = False,
    report_written: bool = False,
) -> FileListResult:
    """Copy the tree below `src` into `dest`.

    Files replace files and empty directories; where a directory with entries stands a file is left out.

    Args:
        src: directory.
        dest: directory, made if it does not exist.
        filter_callback: called with each relative path; what it answers False for stays out.
        ignore_missing: whether files may vanish meanwhile.
        report_written: whether the result lists what was written.

    Raises:
        UtilError: something cannot be read or written.
    """
    return _transfer(src, dest, safe_copy, filter_callback, ignore_missing, report_written)


def link_files(
    src: str,
    dest: str,
    *,
    filter_callback: Callable[[str], bool] | None = None,
    ignore_missing: bool = False,
    report_written: bool = False,
) -> FileListResult:
    """As `copy_files`, with hard links where they can be made."""
    return _transfer(src, dest, safe_link, filter_callback, ignore_missing, report_written)


def _transfer(
    src: str,
    dest: str,
    transfer: _Transfer,
    accept: Callable[[str], bool] | None,
    ignore_missing: bool,
    report: bool,
) -> FileListResult:
    from ..storage.filetypes import FileListResult

    result = FileListResult()
    modes: dict[str, int] = {}
    try:
        paths = [path for path in list_relative_paths(src) if accept is None or accept(path)]
        if paths:
            os.makedirs(dest, exist_ok=True)
        for path in paths:
            _one(src, dest, path, transfer, result, modes, ignore_missing, report)
        # Directories get their modes last, so that what is in them can be written.
        for directory, mode in reversed(modes.items()):
            os.chmod(directory, mode)
    except OSError as error:
        raise UtilError(f"Failed to copy '{src} -> {dest}': {error}") from error
    return result


def _one(
    src: str,
    dest: str,
    path: str,
    transfer: _Transfer,
    result: FileListResult,
    modes: dict[str, int],
    ignore_missing: bool,
    report: bool,
) -> None:
    source, target = os.path.join(src, path), os.path.join(dest, path)
    try:
        mode = os.lstat(source).st_mode
    except FileNotFoundError:
        if ignore_missing:
            return
        raise UtilError(f"Source file is missing: {source}") from None
    _make_directories(src, dest, os.path.dirname(path), modes)
    if report:
        result.files_written.append(path)
    if os.path.lexists(target) and not os.path.isdir(target):
        result.overwritten.append(path)
    if stat.S_ISDIR(mode):
        _make_directories(src, dest, path, modes)
    elif stat.S_ISLNK(mode) or stat.S_ISREG(mode):
        if not safe_remove(target):
            result.ignored.append(path)
        elif stat.S_ISLNK(mode):
            os.symlink(os.readlink(source), target)
        else:
            transfer(source, target, result=result)
    elif stat.S_ISFIFO(mode):
        os.mkfifo(target, stat.S_IMODE(mode))
    elif not stat.S_ISSOCK(mode):
        raise UtilError(f"'{source}' is of a kind that cannot be staged")


def _make_directories(src: str, dest: str, path: str, modes: dict[str, int]) -> None:
    """Make sure that each component of `path` is a real directory below `dest`, writable until all is done.

    Raises:
        UtilError: a file or a link stands in the way.
    """
    partial = ""
    for part in path.split("/") if path else ():
        partial = os.path.join(partial, part)
        target = os.path.join(dest, partial)
        if target in modes:
            continue
        try:
            found = os.lstat(target).st_mode
        except FileNotFoundError:
            os.mkdir(target)
        else:
            if not stat.S_ISDIR(found):
                kind = "symlink" if stat.S_ISLNK(found) else "regular file" if stat.S_ISREG(found) else "special file"
                raise UtilError(f"Destination is a {kind}, not a directory: /{partial}")
            os.chmod(target, stat.S_IMODE(found) | 0o700)
        modes[target] = stat.S_IMODE(os.stat(os.path.join(src, partial)).st_mode)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UtilError(f"Failed to remove destination file '{path}': {error}") from error
