"""Writes plain data as the YAML documents that lie in the cache, in the form that BuildStream gives them.

Knows how text is written as YAML, nothing of what the documents say.  All scalars are text, so none is quoted for
looking like a number or a boolean.  The same data gives the same bytes, and thereby the same blob, as with BuildStream
2.8 (which has ruamel.yaml write it with every scalar resolved to a string); only lines of more than 9,999 characters,
which ruamel.yaml would break, stay whole.

Source of the rules: YAML 1.1, chapter 9, and what BuildStream 2.8.1 wrote for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Document: TypeAlias = "str | int | float | bool | Mapping[str, Document] | Sequence[Document] | None"

# Longer keys are written behind a question mark.
_MAX_SIMPLE_KEY = 122  # characters

# What cannot stand in a scalar as it is: controls, line breaks of any kind, the byte order mark, surrogates.
_SPECIAL = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

# What plain text must not begin with, contain, or end with.
_NOT_PLAIN = re.compile(
    r"""
    [#,\[\]{}&*!|>'"%@`]     # begins with an indicator,
    | [-?:](?:\s|$)          # or with one that is only one before a space,
    | ---|\.\.\.             # or like the border of a document;
    | \s | .*\s$             # begins or ends with a space,
    | .*:(?:\s|$) | .*\s\#   # or has what ends a key or begins a comment
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r",
    "\x1b": "\\e", '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip


def dump_document(data: Document) -> str:
    """Plain data (mappings, sequences, scalars) as a YAML document in block style, keys in the order given.

    Scalars that are not text are written as `str` writes them, booleans in lower case, None as ``null``.
    """
    if isinstance(data, Mapping):
        return "".join(_mapping(data, "")) if data else "{}\n"
    if isinstance(data, Sequence) and not isinstance(data, str):
        return "".join(_sequence(data, "")) if data else "[]\n"
    return f"{_scalar(data)}\n...\n"


def _mapping(data: Mapping[str, Document], indent: str) -> list[str]:
    """The lines of a mapping; the first one begins where it stands, the others at `indent`."""
    lines: list[str] = []
    for key, value in data.items():
        text = _scalar(key) or "''"
        lead = indent if lines else ""
        if len(key) > _MAX_SIMPLE_KEY or "\n" in key:
            lines.append(f"{lead}? {text}\n")
            lines += _value(f"{indent}:", value, indent, nested=True)
        else:
            lines += _value(f"{lead}{text}:", value, indent, nested=False)
    return lines


def _sequence(data: Sequence[Document], indent: str) -> list[str]:
    """The lines of a sequence; the first one begins where it stands, the others at `indent`."""
    lines: list[str] = []
    for value in data:
        lines += _value(f"{indent if lines else ''}-", value, indent, nested=True)
    return lines


def _value(lead: str, value: Document, indent: str, *, nested: bool) -> list[str]:
    """The lines of a value behind `lead`: a collection on the same line if `nested`, else on the next."""
    deeper = f"{indent}  "
    if isinstance(value, Mapping):
        if not value:
            return [f"{lead} {{}}\n"]
        lines = _mapping(value, deeper)
        return [f"{lead} {lines[0]}", *lines[1:]] if nested else [f"{lead}\n", f"{deeper}{lines[0]}", *lines[1:]]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            return [f"{lead} []\n"]
        if nested:
            lines = _sequence(value, deeper)
            return [f"{lead} {lines[0]}", *lines[1:]]
        # A sequence in a mapping is not indented further.
        lines = _sequence(value, indent)
        return [f"{lead}\n", f"{indent}{lines[0]}", *lines[1:]]
    text = _scalar(value)
    return [f"{lead} {text}\n" if text or lead.endswith("-") else f"{lead}\n"]


def _scalar(value: str | int | float | bool | None) -> str:
    """A scalar: plain if it can be, else in single quotes if it has none, else in double quotes."""
    if not isinstance(value, str):
        if value is None:
            return "null"
        return str(value).lower() if isinstance(value, bool) else str(value)
    if not _SPECIAL.search(value):
        if not _NOT_PLAIN.match(value):
            return value
        if "'" not in value:
            return f"'{value}'"
    return f'"{"".join(_escape(char) for char in value)}"'


def _escape(char: str) -> str:
    """A character as it stands in double quotes."""
    if char in _ESCAPES:
        return _ESCAPES[char]
    if not _SPECIAL.match(char):
        return char
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
