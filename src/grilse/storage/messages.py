"""Reads and writes the message that directories of trees lie on disk as: REAPI ``Directory``.

Knows its field numbers, nothing of files; how fields are written is in ``wire``.  Both exist beside the generated
modules of ``storage/proto`` because importing protobuf takes longer than many a command, and because trees of plain
tuples are what the rest of the room works with.  Tests hold both to the same bytes.

Source: the ``.proto`` files in ``storage/proto``.
"""

from __future__ import annotations

from typing import NamedTuple

from grilse.storage.digest import HASH_LENGTH, Digest
from grilse.storage.wire import (
    TEXT_ERRORS,
    MessageError,
    as_bytes,
    as_int,
    as_text,
    decode_digest,
    encode_digest,
    field_bytes,
    field_int,
    field_text,
    fields,
    read_varint,
    varint,
)

NANOSECONDS = 1_000_000_000


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
    return 0 if kind is DirectoryNode else 1 if kind is FileNode else 2, entry[0].encode("utf-8", TEXT_ERRORS)


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
        encoded = name.encode("utf-8", TEXT_ERRORS)
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
            symlinks[name] = SymlinkNode(target.decode("utf-8", TEXT_ERRORS))
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
    name = raw.decode("utf-8", TEXT_ERRORS)
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise MessageError(f"'{name}' cannot be the name of a file")
    return name
