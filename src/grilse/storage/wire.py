"""The wire format of protobuf, as far as messages that lie on disk need it, and ``Digest``, which is in all of them.

Knows numbers, texts and bytes with field numbers, and digests; not which messages there are.

Source: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from grilse.storage.digest import HASH_LENGTH, Digest

_VARINT = 0

_FIXED64 = 1

_BYTES = 2

_FIXED32 = 5

_COUNTED = (_VARINT, _BYTES)  # what has a number behind the tag

# What names and targets are encoded with: bytes that are not UTF-8 survive, as they do in os.fsdecode().
TEXT_ERRORS = "surrogateescape"


class MessageError(ValueError):
    """Bytes are not the message they should be."""


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
    return field_bytes(number, value.encode("utf-8", TEXT_ERRORS)) if value else b""


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
    return as_bytes(value).decode("utf-8", TEXT_ERRORS)


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
