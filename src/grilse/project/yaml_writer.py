"""Write plain data as the YAML that ``show --format`` prints, byte for byte as BuildStream prints it.

Knows nothing of elements.  BuildStream writes with the ruamel.yaml package, every scalar as a string, in lines of at
most 9999 columns.  Nearly all text needs three rules only, which are here; a document that has anything else is left to
that package, whose import alone costs more than writing a thousand elements.
"""

from __future__ import annotations

import re
from typing import Any, Final

WIDTH: Final = 9999

# Text that can stand without quotes: nothing in it means something to YAML.
_PLAIN: Final = re.compile(
    r"""
    (?!---|\.\.\.)
    (?:[^\s#,\[\]{}&*!|>'"%@`?:\-] | [?:\-](?=[^\s]))   # the first character
    (?:[^\s:\#] | :(?=[^\s]) | (?<![\s])\# | [ ](?=[^\s]) | [ ](?=[ ]+[^\s]))*
    """,
    re.VERBOSE,
)
_CONTROLS: Final = re.compile(r"[\x00-\x1f]")
_ESCAPES: Final = {
    **{code: f"\\x{code:02X}" for code in range(0x20)},
    **{ord(character): f"\\{letter}" for character, letter in zip("\0\a\b\t\n\v\f\r\x1b", "0abtnvfre")},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}
_KEY: Final = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+@%~ -]{0,119}(?<! )")


class _Unusual(Exception):
    """The document has something that the rules here do not cover."""


def write_yaml(data: Any) -> str:
    """A YAML document of dict, list, str, int, bool and None, that ends with a line break; None is an empty string."""
    lines: list[str] = []
    try:
        if type(data) is dict and data:
            _write_mapping(data, "", "", lines)
        elif type(data) is list and data:
            _write_list(data, "", "", lines)
        else:
            raise _Unusual
    except _Unusual:
        return _write_with_ruamel(data)
    lines.append("")
    return "\n".join(lines)


def _write_mapping(data: dict[str, Any], first: str, rest: str, lines: list[str]) -> None:
    """Append the lines of a mapping: `first` is in front of its first line, `rest` in front of the others."""
    prefix = first
    for key, value in data.items():
        if not _KEY.fullmatch(key) or key.startswith(("...", "---")):
            raise _Unusual
        kind = type(value)
        if kind is dict and value:
            lines.append(f"{prefix}{key}:")
            inner = f"{rest}  "
            _write_mapping(value, inner, inner, lines)
        elif kind is list and value:
            lines.append(f"{prefix}{key}:")
            _write_list(value, rest, rest, lines)
        else:
            text = _scalar(value)
            _add(f"{prefix}{key}: {text}" if text else f"{prefix}{key}:", lines)
        prefix = rest


def _write_list(data: list[Any], first: str, rest: str, lines: list[str]) -> None:
    prefix = first
    for item in data:
        kind = type(item)
        if kind is dict and item:
            _write_mapping(item, f"{prefix}- ", f"{rest}  ", lines)
        elif kind is list and item:
            _write_list(item, f"{prefix}- ", f"{rest}  ", lines)
        else:
            _add(f"{prefix}- {_scalar(item)}", lines)
        prefix = rest


def _add(line: str, lines: list[str]) -> None:
    if len(line) >= WIDTH:
        raise _Unusual
    lines.append(line)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        if type(value) is dict:
            return "{}"
        if type(value) is list:
            return "[]"
        value = str(value)
    printable = value.isprintable()
    if not printable and not _CONTROLS.sub("", value).isprintable():
        raise _Unusual
    if printable and (not value or _PLAIN.fullmatch(value)):
        return value  # type: ignore[no-any-return]
    if "'" in value or not printable:
        return f'"{value.translate(_ESCAPES)}"'
    return f"'{value}'"


def _write_with_ruamel(data: Any) -> str:
    from io import StringIO

    stream = StringIO()
    round_trip_yaml().dump(_as_text(data), stream)
    return stream.getvalue()


def round_trip_yaml() -> Any:
    """A ruamel.yaml instance that takes every scalar as a string and keeps the layout of what it loads."""
    import ruamel.yaml

    yaml = ruamel.yaml.YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    for version in ((1, 1), (1, 2), None):
        yaml.resolver.add_version_implicit_resolver(version, "tag:yaml.org,2002:str", re.compile(".*"), None)
    return yaml


def _as_text(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _as_text(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_as_text(item) for item in data]
    return "" if data is None else str(data)
