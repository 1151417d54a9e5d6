"""Reads and writes the protobuf messages that lie on disk: REAPI ``Directory``, and records of artifacts and sources.

Knows the wire format and the field numbers, nothing of files.  It exists beside the generated modules of
``storage/proto`` because importing protobuf takes longer than many a command, and because trees of plain tuples are
what the rest of the room works with.  Tests hold both to the same bytes.

Sources: https://protobuf.dev/programming-guides/encoding, and the ``.proto`` files in ``storage/proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from grilse.storage.digest import HASH_LENGTH, Digest

_VARINT = 0
_FIXED64 = 1
_BYTES = 2
_FIXED32 = 5

NANOSECONDS = 1_000_000_000

# What names and targets are encoded with: bytes that are not UTF-8 survive, as they do in os.fsdecode().
_ERRORS = "surrogateescape"


class MessageError(ValueError):
    """Bytes are not the message they should be."""


class FileNode(NamedTuple):
    """A regular file in a directory.

    Attributes:
        digest: of its content.
        executable: whether it may be executed.
        mtime: modification time in nanoseconds since the epoch, or None when it was not captured (the rule).
    """

    digest: Digest
    executable: bool
    mtime: int | None = None


class SymlinkNode(NamedTuple):
    """A symbolic link in a directory."""

    target: str


class DirectoryNode(NamedTuple):
    """A subdirectory in a directory, named by the digest of its own message."""

    digest: Digest


Node = FileNode | SymlinkNode | DirectoryNode


class Listing(NamedTuple):
    """A decoded ``Directory`` message; shared, so never to be changed.

    Attributes:
        nodes: by name, in the order of the message: subdirectories, files, symbolic links, each sorted.
        read_only: value of the ``SubtreeReadOnly`` property, or None.
        mtime: modification time in nanoseconds of the directory itself, or None.
    """

    nodes: dict[str, Node]
    read_only: bool | None = None
    mtime: int | None = None


def varint(value: int) -> bytes:
    """Encode a non-negative integer, or a negative 64-bit one in two's complement as protobuf does."""
    if 0 <= value < 0x80:
        return bytes((value,))
    if value < 0:
        value += 1 << 64
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode the integer at offset `at`; returns it and the offset behind it.

    Raises:
        MessageError: there is none.
    """
    value = shift = 0
    while True:
        try:
            byte = data[at]
        except IndexError:
            raise MessageError("a number is cut off") from None
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise MessageError("a number has more than 64 bits")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message as (number, value), in the order they stand; fixed-width values come as bytes.

    Raises:
        MessageError: `data` is not a message.
    """
    at = 0
    end = len(data)
    while at < end:
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            number, at = read_varint(data, at)
            yield tag >> 3, number
            continue
        if kind == _BYTES:
            length, at = read_varint(data, at)
        elif kind == _FIXED64:
            length = 8
        elif kind == _FIXED32:
            length = 4
        else:
            raise MessageError(f"wire type {kind} is unknown")
        if at + length > end:
            raise MessageError("a field is cut off")
        yield tag >> 3, data[at : at + length]
        at += length


def field_bytes(number: int, value: bytes) -> bytes:
    """Encode a length-delimited field, even if it is empty (a message that is present)."""
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def field_text(number: int, value: str) -> bytes:
    """Encode a string field; the empty string is not written, as proto3 wants it."""
    return field_bytes(number, value.encode("utf-8", _ERRORS)) if value else b""


def field_int(number: int, value: int) -> bytes:
    """Encode an integer or boolean field; zero is not written, as proto3 wants it."""
    return varint(number << 3 | _VARINT) + varint(int(value)) if value else b""


def as_bytes(value: int | bytes) -> bytes:
    """The value of a field that must be length-delimited.

    Raises:
        MessageError: it is a number.
    """
    if isinstance(value, int):
        raise MessageError("a number stands where bytes should")
    return value


def as_text(value: int | bytes) -> str:
    """The value of a string field; bytes that are not UTF-8 become surrogates."""
    return as_bytes(value).decode("utf-8", _ERRORS)


def as_int(value: int | bytes) -> int:
    """The value of a 64-bit signed field.

    Raises:
        MessageError: it is not a number.
    """
    if not isinstance(value, int):
        raise MessageError("bytes stand where a number should")
    return value - (1 << 64) if value >> 63 else value


def encode_digest(digest: Digest) -> bytes:
    """The ``Digest`` message."""
    return field_text(1, digest.hash) + field_int(2, digest.size)


def decode_digest(data: bytes) -> Digest:
    """Read a ``Digest`` message.

    Raises:
        MessageError: `data` is none, or its hash could not be the name of a blob.
    """
    # Nearly every digest is written this way: field 1 with 64 digits, then field 2.
    end = HASH_LENGTH + 2
    if data[:2] == b"\n@" and data[end : end + 1] in (b"", b"\x10"):
        name = data[2:end].decode("ascii", "replace")
        size, at = (0, end) if len(data) == end else read_varint(data, end + 1)
        if at == len(data) and name.isalnum() and len(name) == HASH_LENGTH:
            return Digest(name, size)
    name = ""
    size = 0
    for number, value in fields(data):
        if number == 1:
            name = as_text(value)
        elif number == 2:
            size = as_int(value)
    if len(name) != HASH_LENGTH or not name.isalnum() or not name.isascii():
        raise MessageError("a digest has an impossible hash")
    return Digest(name, size)


def _encode_mtime(nanoseconds: int) -> bytes:
    """A ``NodeProperties`` message that holds a modification time."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return field_bytes(2, field_int(1, seconds) + field_int(2, rest))


def _decode_properties(data: bytes) -> tuple[dict[str, str], int | None]:
    """Named properties and modification time of a ``NodeProperties`` message."""
    named: dict[str, str] = {}
    mtime: int | None = None
    for number, value in fields(data):
        if number == 1:
            pair = {1: "", 2: ""}
            for key, text in fields(as_bytes(value)):
                pair[key] = as_text(text)
            named[pair[1]] = pair[2]
        elif number == 2:
            seconds = rest = 0
            for key, part in fields(as_bytes(value)):
                if key == 1:
                    seconds = as_int(part)
                elif key == 2:
                    rest = as_int(part)
            mtime = seconds * NANOSECONDS + rest
    return named, mtime


def encode_listing(listing: Listing) -> bytes:
    """The ``Directory`` message in REAPI's canonical form: nodes sorted by the bytes of their names."""
    directories: list[tuple[bytes, DirectoryNode]] = []
    files: list[tuple[bytes, FileNode]] = []
    symlinks: list[tuple[bytes, SymlinkNode]] = []
    for name, node in listing.nodes.items():
        encoded = name.encode("utf-8", _ERRORS)
        if type(node) is FileNode:
            files.append((encoded, node))
        elif type(node) is DirectoryNode:
            directories.append((encoded, node))
        else:
            assert type(node) is SymlinkNode
            symlinks.append((encoded, node))
    out: list[bytes] = []
    for encoded, node in sorted(files):
        digest = node.digest
        # The digest is written out here: this runs once per file of every tree that changes.
        size = b"\x10" + varint(digest.size) if digest.size else b""
        body = b"".join(
            (
                b"\n",
                varint(len(encoded)),
                encoded,
                b"\x12",
                varint(len(size) + HASH_LENGTH + 2),
                b"\n@",
                digest.hash.encode("ascii"),
                size,
                b"\x20\x01" if node.executable else b"",
                b"" if node.mtime is None else field_bytes(6, _encode_mtime(node.mtime)),
            )
        )
        out += (b"\n", varint(len(body)), body)
    for encoded, subdirectory in sorted(directories):
        body = field_bytes(1, encoded) + field_bytes(2, encode_digest(subdirectory.digest))
        out += (b"\x12", varint(len(body)), body)
    for encoded, symlink in sorted(symlinks):
        body = field_bytes(1, encoded) + field_text(2, symlink.target)
        out += (b"\x1a", varint(len(body)), body)
    properties = b""
    if listing.read_only is not None:
        properties += field_bytes(
            1, field_text(1, _READ_ONLY) + field_text(2, "true" if listing.read_only else "false")
        )
    if listing.mtime is not None:
        properties += _encode_mtime(listing.mtime)
    if properties:
        out.append(field_bytes(5, properties))
    return b"".join(out)


# Name of the property with which BuildStream marks what a sandbox must not write to.
_READ_ONLY = "SubtreeReadOnly"


def decode_listing(data: bytes) -> Listing:
    """Read a ``Directory`` message.

    Raises:
        MessageError: `data` is none, or holds a name that no entry of a directory may have.
    """
    files: dict[str, Node] = {}
    directories: dict[str, Node] = {}
    symlinks: dict[str, Node] = {}
    read_only: bool | None = None
    mtime: int | None = None
    for number, value in fields(data):
        body = as_bytes(value)
        if number == 1:
            name, node = _decode_file(body)
            files[name] = node
        elif number == 2:
            name, digest, _, _ = _decode_node(body)
            directories[name] = DirectoryNode(decode_digest(digest))
        elif number == 3:
            name, target, _, _ = _decode_node(body)
            symlinks[name] = SymlinkNode(target.decode("utf-8", _ERRORS))
        elif number == 5:
            named, mtime = _decode_properties(body)
            if _READ_ONLY in named:
                read_only = named[_READ_ONLY] == "true"
    nodes = {**directories, **files, **symlinks}
    if len(nodes) != len(directories) + len(files) + len(symlinks):
        raise MessageError("two entries of a directory have the same name")
    return Listing(nodes, read_only, mtime)


def _decode_file(body: bytes) -> tuple[str, FileNode]:
    """Name and node of a ``FileNode`` message."""
    # The usual shape: short name, digest, perhaps the executable flag.  Anything else goes the slow way.
    size = len(body)
    if size > 4 and body[0] == 0x0A and body[1] < 0x80:
        at = 2 + body[1]
        if at + 2 < size and body[at] == 0x12 and body[at + 1] < 0x80:
            end = at + 2 + body[at + 1]
            rest = body[end:]
            if rest == b"" or rest == b"\x20\x01":
                return _decode_name(body[2:at]), FileNode(decode_digest(body[at + 2 : end]), rest != b"")
    name, digest, executable, mtime = _decode_node(body)
    return name, FileNode(decode_digest(digest), executable, mtime)


def _decode_node(body: bytes) -> tuple[str, bytes, bool, int | None]:
    """Name, field 2 (digest or target), executable flag and modification time of any of the three kinds of node."""
    name = ""
    second = b""
    executable = False
    mtime: int | None = None
    for number, value in fields(body):
        if number == 1:
            name = _decode_name(as_bytes(value))
        elif number == 2:
            second = as_bytes(value)
        elif number == 4 and isinstance(value, int):
            executable = value != 0
        elif number == 6:
            _, mtime = _decode_properties(as_bytes(value))
    if not name:
        raise MessageError("an entry of a directory has no name")
    return name, second, executable, mtime


def _decode_name(raw: bytes) -> str:
    """A name that may stand in a directory; trees come from other machines, so this is checked here, once."""
    name = raw.decode("utf-8", _ERRORS)
    if not name or name == "." or name == ".." or "/" in name or "\0" in name:
        raise MessageError(f"'{name}' cannot be the name of a file")
    return name
