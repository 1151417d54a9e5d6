"""Small files that name blobs: written whole or not at all, touched when used, listed by age.

Knows files below a base directory by their relative names ("refs"), nothing of what is in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from grilse.platform.files import READ
from grilse.protocol.errors import CasError
from grilse.storage.errors import cas_error

# A file that is being written.  bst's temporary files are "tmp" and eight characters.
_TEMPORARY = re.compile(r"(\.grilse-|tmp[a-z0-9_]{8}$)")


def write_ref(base: str, ref: str, data: bytes) -> None:
    """Write a ref; a reader sees the old content or the new one, whenever either process is killed.

    Raises:
        CasError: it cannot be written.
    """
    path = os.path.join(base, ref)
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".grilse-{os.getpid()}-{os.urandom(4).hex()}-{name[:32]}")
    try:
        try:
            file = open(temporary, "xb", buffering=0)  # noqa: SIM115 - closed below
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            file = open(temporary, "xb", buffering=0)  # noqa: SIM115 - closed below
        with file:
            view = memoryview(data)
            while view:
                # A disk that becomes full takes a part of it first.
                view = view[file.write(view) or 0 :]
        os.replace(temporary, path)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise cas_error(error, f"write '{path}'") from error


def link_ref(base: str, ref: str, other: str) -> None:
    """Make `other` hold what `ref` holds, in the same way as `write_ref`, without writing it once more.

    The two share a file where the file system can do that, which nobody ever changes: it is only replaced.

    Raises:
        CasError: it cannot be written, or there is no `ref`.
    """
    try:
        os.link(os.path.join(base, ref), os.path.join(base, other))
        return
    except OSError:
        pass  # it is there already, or there are no links here
    data = read_ref(base, ref)
    if data is None:
        raise CasError(f"'{ref}' is not in '{base}' any more")
    write_ref(base, other, data)


def read_ref(base: str, ref: str, *, touch: bool = False) -> bytes | None:
    """Content of a ref, or None if there is none.

    Args:
        base: directory of the refs.
        ref: its relative name.
        touch: whether to mark it as used just now.

    Raises:
        CasError: it cannot be read.
    """
    path = os.path.join(base, ref)
    try:
        descriptor = os.open(path, READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cas_error(error, f"read '{path}'") from error
    try:
        data = os.read(descriptor, 1 << 16)
        if len(data) == 1 << 16:
            while more := os.read(descriptor, 1 << 20):
                data += more
    except OSError as error:
        raise cas_error(error, f"read '{path}'") from error
    finally:
        os.close(descriptor)
    if touch:
        touch_ref(base, ref)
    return data


def touch_ref(base: str, ref: str) -> None:
    """Mark a ref as used just now; one that is gone or belongs to somebody else stays as it is."""
    try:
        os.utime(os.path.join(base, ref))
    except OSError:
        pass


def remove_ref(base: str, ref: str) -> bool:
    """Remove a ref, and the directories that are empty then; False if there is none.

    Raises:
        CasError: it cannot be removed.
    """
    path = os.path.join(base, ref)
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise cas_error(error, f"remove '{path}'") from error
    base = os.path.abspath(base)
    directory = os.path.dirname(os.path.abspath(path))
    while directory != base and directory.startswith(base):
        try:
            os.rmdir(directory)
        except OSError:
            break  # another ref is there, or was put there just now
        directory = os.path.dirname(directory)
    return True


def list_refs(base: str) -> list[tuple[int, str]]:
    """All refs as (modification time in nanoseconds, relative name), the least recently used first.

    Args:
        base: directory of the refs; an absent one has none.

    Raises:
        CasError: a directory cannot be read.
    """
    return sorted(_walk(base))


def _walk(base: str) -> Iterator[tuple[int, str]]:
    """Every ref with its modification time."""
    stack = [""]
    while stack:
        directory = stack.pop()
        try:
            with os.scandir(os.path.join(base, directory)) as entries:
                for entry in entries:
                    relative = f"{directory}/{entry.name}" if directory else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(relative)
                    elif not _TEMPORARY.match(entry.name):
                        try:
                            yield entry.stat(follow_symlinks=False).st_mtime_ns, relative
                        except FileNotFoundError:
                            continue  # removed since it was listed
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise cas_error(error, f"list '{os.path.join(base, directory)}'") from error
