"""Reads and writes the protobuf messages that lie on disk: REAPI ``Directory``, and records of artifacts and sources.

Knows the wire format and the field numbers, nothing of files.  It exists beside the generated modules of
``storage/proto`` because importing protobuf takes longer than many a command, and because trees of plain tuples are
what the rest of the room works with.  Tests hold both to the same bytes.

Sources: https://protobuf.dev/programming-guides/encoding, and the ``.proto`` files in ``storage/proto``.
"""

from __future__ import annotations

from typing import NamedTuple

from grilse.storage.digest import HASH_LENGTH, Digest

_VARINT = 0
_FIXED64 = 1
_BYTES = 2
_FIXED32 = 5
_COUNTED = (_VARINT, _BYTES)  # what has a number behind the tag

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


def in_message_order(nodes: dict[str, Node]) -> dict[str, Node]:
    """The same nodes in the order that `Listing` promises, which is what plugins see when they list a directory."""
    return dict(sorted(nodes.items(), key=_message_order))


def _message_order(entry: tuple[str, Node]) -> tuple[int, bytes]:
    kind = type(entry[1])
    return 0 if kind is DirectoryNode else 1 if kind is FileNode else 2, entry[0].encode("utf-8", _ERRORS)


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


def fields(data: bytes, *, together: int = 0) -> list[tuple[int, int | bytes]]:
    """The fields of a message as (number, value), in the order they stand; fixed-width values come as bytes.

    Args:
        data: the message.
        together: number below 16 of a length-delimited field whose occurrences in a row come as one value, the bytes of
            all of them with their tags: for what is long and seldom wanted.

    Raises:
        MessageError: `data` is not a message.
    """
    found: list[tuple[int, int | bytes]] = []
    at = 0
    end = len(data)
    row = together << 3 | _BYTES
    while at < end:
        tag = data[at]
        if tag == row and together:
            start = at
            while at < end and data[at] == row:
                number, at = read_varint(data, at + 1)
                at += number
            if at > end:
                raise MessageError("a field is cut off")
            found.append((together, data[start:at]))
            continue
        at += 1
        if tag >= 0x80:
            tag, at = read_varint(data, at - 1)
        kind = tag & 7
        if kind in _COUNTED:
            # Most numbers take one byte, so that calling for them would be most of the work.
            if at < end and data[at] < 0x80:
                number = data[at]
                at += 1
            else:
                number, at = read_varint(data, at)
            if kind == _VARINT:
                found.append((tag >> 3, number))
                continue
        elif kind == _FIXED64:
            number = 8
        elif kind == _FIXED32:
            number = 4
        else:
            raise MessageError(f"wire type {kind} is unknown")
        stop = at + number
        if stop > end:
            raise MessageError("a field is cut off")
        found.append((tag >> 3, data[at:stop]))
        at = stop
    return found


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


_SHORT = [bytes((number,)) for number in range(0x80)]  # numbers of one byte
_FLAG = b"\x20\x01"  # field 4 of a file: it is executable
# What a file's digest begins with: field 2 and its length, field 1 of that and its length; by the length of the size.
_HASHED = [b"\x12" + bytes((2 + HASH_LENGTH + 1 + count,)) + b"\n@" for count in range(11)]


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
        # Written out here, since this runs once per file of every tree that changes.
        (name_hash, size), executable, mtime = node
        length = len(encoded)
        tail = _FLAG if executable else b""
        if mtime is not None:
            tail += field_bytes(6, _encode_mtime(mtime))
        if size:
            counted = varint(size)
            digest = _HASHED[len(counted)] + name_hash.encode("ascii") + b"\x10" + counted
        else:
            digest = b"\x12B\n@" + name_hash.encode("ascii")
        head = b"\n" + _SHORT[length] if length < 0x80 else b"\n" + varint(length)
        length += len(head) + len(digest) + len(tail)
        out += (b"\n", _SHORT[length] if length < 0x80 else varint(length), head, encoded, digest, tail)
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
    start, count = _decode_files(data, files)
    for number, value in fields(data[start:] if start else data):
        if type(value) is not bytes:
            continue
        if number == 1:
            count += 1
            name, digest, executable, time = _decode_node(value)
            files[name] = FileNode(decode_digest(digest), executable, time)
        elif number == 2:
            count += 1
            name, digest, _, _ = _decode_node(value)
            directories[name] = DirectoryNode(decode_digest(digest))
        elif number == 3:
            count += 1
            name, target, _, _ = _decode_node(value)
            symlinks[name] = SymlinkNode(target.decode("utf-8", _ERRORS))
        elif number == 5:
            named, mtime = _decode_properties(value)
            if _READ_ONLY in named:
                read_only = named[_READ_ONLY] == "true"
    nodes = {**directories, **files, **symlinks}
    if len(nodes) != count:
        raise MessageError("two entries of a directory have the same name")
    return Listing(nodes, read_only, mtime)


def _decode_files(data: bytes, files: dict[str, Node]) -> tuple[int, int]:
    """Read files from the beginning of a ``Directory`` message as long as they have the usual shape, which is a name, a
    digest and perhaps the executable flag, each with a length of one byte.  Most of what is ever decoded has.

    Returns:
        Offset of the first field that is something else, and how many files were read.
    """
    at = count = 0
    try:
        while data[at] == 0x0A:
            body = at + 2
            end = body + data[at + 1]
            if data[at + 1] >= 0x80:
                if data[at + 2] >= 0x80:
                    break
                body += 1
                end += (data[at + 2] - 1) * 0x80 + 1
            length = data[body + 1]
            name_end = body + 2 + length
            digest_end = name_end + 2 + data[name_end + 1]
            hashed = data[name_end + 4 : name_end + 68]
            if (
                data[body] != 0x0A
                or length >= 0x80
                or data[name_end : name_end + 1] != b"\x12"
                or data[name_end + 2 : name_end + 4] != b"\n@"
                or digest_end > end
                or end > len(data)
                or not hashed.isalnum()
            ):
                break
            size = 0
            stop = name_end + 68
            if stop != digest_end:
                if data[stop] != 0x10:
                    break
                size, stop = read_varint(data, stop + 1)
                if stop != digest_end:
                    break
            if end == digest_end:
                executable = False
            elif data[digest_end:end] == _FLAG:
                executable = True
            else:
                break
            digest = _tuple(Digest, (hashed.decode("ascii"), size))
            files[_decode_name(data[body + 2 : name_end])] = _tuple(FileNode, (digest, executable, None))
            count += 1
            at = end
    except IndexError:
        pass  # what is wrong is found by the way that reads every shape
    return at, count


_tuple = tuple.__new__  # a third faster than the classes themselves


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
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise MessageError(f"'{name}' cannot be the name of a file")
    return name
