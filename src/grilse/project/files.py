"""Load YAML files: read bytes with bounds, take the tree from the parsed cache or parse it.

Knows nothing of what a file means to a project.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import Any, Final

from ..plugin.node import FileInfo, MappingNode
from ..protocol.errors import LoadError, LoadErrorReason
from .inputs import Inputs
from .parsed_cache import Pack, content_digest
from .yaml_reader import MAX_BYTES, read_yaml

# Opening a named pipe must not wait for a writer.
_OPEN_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


class YamlFiles:
    """Loads YAML files for one session.

    Args:
        cache_directory: where the packs of parsed files are kept, or None to parse always.
        inputs: takes note of the files that are read.
    """

    def __init__(self, cache_directory: str | None, inputs: Inputs | None = None) -> None:
        self.inputs = inputs or Inputs()
        self._cache_directory = cache_directory
        self._packs: dict[str, Pack] = {}
        self._builtin: dict[str, MappingNode] = {}
        self.parsed = 0
        self.reused = 0

    def load(
        self, path: str, shortname: str = "", *, owner: str = "", displayname: str = "", project: Any = None
    ) -> MappingNode:
        """Load one file.

        Args:
            path: the file.
            shortname: its path below the project's directory; `path` if empty.
            owner: the directory whose pack it belongs to.
            displayname: how users see it; `shortname` if empty.
            project: the project that the nodes belong to.

        Raises:
            LoadError: MISSING_FILE, LOADING_DIRECTORY or INVALID_YAML.
        """
        shortname = shortname or path
        file = FileInfo(path, shortname, displayname or shortname, project)
        try:
            data, status = read_with_status(path)
        except LoadError as error:
            if error.reason == LoadErrorReason.MISSING_FILE.name:
                self.inputs.missing(path)
            raise
        if self._cache_directory is None:
            return read_yaml(data, file)
        pack = self._packs.get(owner) or self._open_pack(owner)
        digest = content_digest(data)
        self.inputs.file(path, status, digest)
        root = pack.get(digest, file)
        if root is not None:
            self.reused += 1
            return root
        root = read_yaml(data, file)
        pack.put(digest, root)
        self.parsed += 1
        return root

    def load_builtin(self, path: str, shortname: str, owner: str = "") -> MappingNode:
        """Load a file that comes with the program or a plugin, once; its nodes belong to no project."""
        root = self._builtin.get(path)
        if root is None:
            root = self._builtin[path] = self.load(path, shortname, owner=owner)
        return root

    def exists(self, path: str) -> bool:
        """Whether there is a file that would be loaded if there were."""
        found = os.path.exists(path)
        if not found:
            self.inputs.missing(path)
        return found

    def save(self) -> None:
        """Write what was parsed to the cache."""
        for pack in self._packs.values():
            pack.save()

    def _open_pack(self, owner: str) -> Pack:
        assert self._cache_directory is not None
        name = hashlib.blake2b(os.fsencode(os.path.realpath(owner)) if owner else b"", digest_size=16).hexdigest()
        pack = self._packs[owner] = Pack(os.path.join(self._cache_directory, name))
        return pack


def content_digest_of(path: str) -> bytes | None:
    """The digest of a file's content as it is among the inputs, None if it cannot be read."""
    try:
        return content_digest(read_file(path))
    except LoadError:
        return None


def read_file(path: str) -> bytes:
    """The bytes of a regular file; raises as `read_with_status` does."""
    return read_with_status(path)[0]


def read_with_status(path: str) -> tuple[bytes, os.stat_result]:
    """The bytes of a regular file, and its status before it was read.

    Raises:
        LoadError: MISSING_FILE if there is none or it cannot be read, LOADING_DIRECTORY, or INVALID_YAML if it is
            too large.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:  # a NUL or a lone surrogate in the path
        raise LoadError(f"Could not find file at {path!a}: {error}", reason=LoadErrorReason.MISSING_FILE) from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise LoadError(f"{path} is a directory", reason=LoadErrorReason.LOADING_DIRECTORY)
        if not stat.S_ISREG(status.st_mode):
            raise LoadError(f"{path} is not a regular file", reason=LoadErrorReason.MISSING_FILE)
        if status.st_size > MAX_BYTES:
            raise LoadError(f"{path} is larger than {MAX_BYTES} bytes", reason=LoadErrorReason.INVALID_YAML)
        data = os.read(descriptor, status.st_size + 1)
        if len(data) == status.st_size:
            return data, status
        chunks = [data]  # the file grew, or the read was cut short
        while chunks[-1]:
            chunks.append(os.read(descriptor, MAX_BYTES))
        return b"".join(chunks), status
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(descriptor)


def _unreadable(path: str, error: OSError) -> LoadError:
    if error.errno == errno.EISDIR:
        return LoadError(f"{path} is a directory", reason=LoadErrorReason.LOADING_DIRECTORY)
    if error.errno == errno.ENOENT:
        return LoadError(f"Could not find file at {path}", reason=LoadErrorReason.MISSING_FILE)
    return LoadError(f"Could not read file at {path}: {error.strerror}", reason=LoadErrorReason.MISSING_FILE)
