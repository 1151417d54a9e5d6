"""The digest of a blob: SHA-256 and size, as REAPI names blobs.

Knows nothing of where blobs are kept.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from grilse.protocol.errors import CasError

HASH_LENGTH = 64  # hexadecimal digits of a SHA-256


class Digest(NamedTuple):
    """Names a blob.

    Attributes:
        hash: 64 lower-case hexadecimal digits of the SHA-256 of the content.
        size: length of the content in bytes.
    """

    hash: str
    size: int

    def __str__(self) -> str:
        return f"{self.hash}/{self.size}"


def digest_bytes(data: bytes) -> Digest:
    """The digest of `data`."""
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def parse_digest(text: str) -> Digest:
    """Read a digest written as ``HASH/SIZE``, the form in which messages and ``show`` carry it.

    Raises:
        CasError: `text` has another form.
    """
    name, slash, size = text.partition("/")
    if not slash or not size.isdecimal() or not is_hash(name):
        raise CasError(f"'{text}' is not a digest: 64 hexadecimal digits, '/' and a size are expected")
    return Digest(name, int(size))


def is_hash(text: str) -> bool:
    """Whether `text` is what the hash of a digest may be (it also becomes part of a path)."""
    return len(text) == HASH_LENGTH and all(c in "0123456789abcdef" for c in text)


EMPTY = digest_bytes(b"")
