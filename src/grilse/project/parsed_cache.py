"""Keep parsed YAML on disk, by content, so that the next load of a project parses only what changed.

Knows nothing of projects: a pack is one file that maps the digest of a file's bytes to its tree.  An entry never goes
stale, since its key is the content; a pack that is missing, damaged or of another version is an empty one.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from typing import Any, Final

import msgspec

from ..plugin.node import FileInfo, MappingNode, ScalarNode, SequenceNode, decoding_file

# Raise this when the reader or the encoding of nodes changes.
VERSION: Final = 1
_MAGIC: Final = b"grilse parsed yaml %d\n" % VERSION

# A pack larger than this loses the entries that the session did not use.
MAX_PACK_BYTES: Final = 64 * 1024 * 1024
MAX_PACKS: Final = 64

_DIRECTIVES, _CONDITIONALS, _INCLUDES = 1, 2, 4


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    flags: int
    root: MappingNode


def content_digest(data: bytes) -> bytes:
    """The key of a file's content."""
    return hashlib.blake2b(data, digest_size=16).digest()


class Pack:
    """The parsed files of one project directory.

    Args:
        path: the pack's file; written by `save`, replaced atomically, so that any number of processes may use it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stored = _read_pack(path)
        self._used: set[bytes] = set()
        self._added: dict[bytes, bytes] = {}
        self._decoder = msgspec.msgpack.Decoder(_Entry)
        self._encoder = msgspec.msgpack.Encoder()

    def get(self, digest: bytes, file: FileInfo) -> MappingNode | None:
        """The tree of the content with this digest, as nodes of `file`, or None."""
        raw = self._stored.get(digest)
        if raw is None:
            return None
        token = decoding_file.set(file)
        try:
            entry = self._decoder.decode(raw)
        except msgspec.MsgspecError:
            del self._stored[digest]
            return None
        finally:
            decoding_file.reset(token)
        self._used.add(digest)
        flags = entry.flags
        file.directives = bool(flags & _DIRECTIVES)
        file.conditionals = bool(flags & _CONDITIONALS)
        file.includes = bool(flags & _INCLUDES)
        file.toplevel = entry.root
        return entry.root

    def put(self, digest: bytes, root: MappingNode) -> None:
        """Remember a tree as it was read."""
        file = root.file
        flags = _DIRECTIVES * file.directives | _CONDITIONALS * file.conditionals | _INCLUDES * file.includes
        try:
            self._added[digest] = self._encoder.encode((flags, _plain(root)))
        except RecursionError:
            return  # nested deeper than anything that is worth keeping

    def save(self) -> None:
        """Write the pack if it has new entries; failing to is no error, since it is only a cache."""
        if not self._added:
            return
        # Another session may have added entries since: theirs are kept.
        entries: dict[bytes, Any] = {**_read_pack(self._path), **self._stored}
        for digest, data in self._added.items():
            entries[digest] = msgspec.Raw(data)
        data = self._encoder.encode(entries)
        if len(data) > MAX_PACK_BYTES:
            wanted = self._used | self._added.keys()
            data = self._encoder.encode({digest: raw for digest, raw in entries.items() if digest in wanted})
            if len(data) > MAX_PACK_BYTES:
                return
        try:
            _replace_file(self._path, _MAGIC, zlib.crc32(data).to_bytes(4, "big"), data)
            _prune(os.path.dirname(self._path))
        except OSError:
            return
        self._added = {}


def _read_pack(path: str) -> dict[bytes, msgspec.Raw]:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return {}
    start = len(_MAGIC) + 4
    if not content.startswith(_MAGIC):
        return {}
    body = memoryview(content)[start:]
    if zlib.crc32(body) != int.from_bytes(content[len(_MAGIC) : start], "big"):
        return {}
    try:
        return msgspec.msgpack.decode(body, type=dict[bytes, msgspec.Raw])
    except msgspec.MsgspecError:
        return {}


def _replace_file(path: str, *parts: bytes) -> None:
    """Write a file so that readers see the old one or the new one, whole."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.writelines(parts)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _prune(directory: str) -> None:
    """Remove the packs that were written longest ago, and what interrupted writers left."""
    packs = sorted((entry.stat().st_mtime, entry.path) for entry in os.scandir(directory) if entry.is_file())
    for _, path in packs[:-MAX_PACKS]:
        os.unlink(path)


def _plain(node: ScalarNode | SequenceNode | MappingNode) -> list[Any]:
    """A node as the decoder of nodes expects it: tag, value, line, column."""
    if type(node) is ScalarNode:
        return [0, node.value, node.line, node.column]
    if type(node) is MappingNode:
        return [2, {key: _plain(child) for key, child in node.value.items()}, node.line, node.column]
    assert type(node) is SequenceNode
    return [1, [_plain(child) for child in node.value], node.line, node.column]
