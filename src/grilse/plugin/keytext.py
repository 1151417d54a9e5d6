"""The text that cache keys are hashes of: JSON as BuildStream writes it.

Must not know what is in it.  Keys of mappings are sorted, there are no blanks, ``/`` is not escaped, and everything but
ASCII is (``\\u00e9``): what the ujson library gives with BuildStream's options.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic")
_PLAIN = frozenset((str, int, bool, type(None)))

_NOT_ASCII = re.compile("[^\x00-\x7f]")
_EXPONENT = re.compile(r"e([+-])0*(\d)")


def encode(value: Any) -> bytes:
    """The text for plain data: str, int, float, bool, None, and lists, tuples and mappings of these.

    Raises:
        TypeError: there is something else in it.
    """
    if _needs_care(value):
        return _slow(value)
    return encode_text(value)


def encode_text(value: Any) -> bytes:
    """As `encode`, a little faster, for data without floating-point numbers, such as what was read from YAML.

    Raises:
        TypeError: as `encode` does.
    """
    try:
        text = _ENCODER.encode(value)
    except TypeError:
        return _slow(value)
    return text if text.isascii() else _escape(text)


def digest(value: Any) -> str:
    """The key of plain data: the SHA-256 of its text in hexadecimal."""
    return hashlib.sha256(encode(value)).hexdigest()


def _needs_care(value: Any) -> bool:
    """Whether there is something in it that the encoder writes otherwise than BuildStream does."""
    kind = type(value)
    if kind in _PLAIN:
        return False
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        # The encoder takes sets, bytes and enumerations, which BuildStream refuses; a set has another order each time.
        return not isinstance(value, str | int)
    # Without a call for each of them: most are text.
    if _PLAIN.issuperset(map(type, value)):
        return False
    return any(map(_needs_care, value))


def _escape(text: bytes) -> bytes:
    """Escape what is not ASCII, as pairs of surrogates where need be."""

    def escaped(match: re.Match[str]) -> str:
        units = match.group().encode("utf-16-be")
        return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

    return _NOT_ASCII.sub(escaped, text.decode("utf-8")).encode("ascii")


def _slow(value: Any) -> bytes:
    """As `encode`, one value at a time, for what the encoder writes otherwise or not at all."""
    if isinstance(value, float):
        return _EXPONENT.sub(r"e\1\2", repr(value)).encode("ascii")
    if isinstance(value, dict):
        items = [_slow(_key(key)) + b":" + _slow(value[key]) for key in sorted(value)]
        return b"{" + b",".join(items) + b"}"
    if isinstance(value, list | tuple):
        return b"[" + b",".join(map(_slow, value)) + b"]"
    if value is None or isinstance(value, str | int):
        text = _ENCODER.encode(value)
        return text if text.isascii() else _escape(text)
    raise TypeError(f"a unique key cannot hold a value of type {type(value).__name__}")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return _slow(key).decode("ascii")
    raise TypeError(f"a unique key cannot hold a mapping with keys of type {type(key).__name__}")
