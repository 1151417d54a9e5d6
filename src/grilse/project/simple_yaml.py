"""Read the YAML that nearly all projects write line by line, three times as fast as from a parser's events.

Knows a small part of the language, for certain: block mappings and lists, text on one line, plain or quoted without
escapes, literal and folded blocks.  Whatever it does not recognise it leaves to `yaml_reader`, the whole file, errors
included: what it gives is what that would give, to the line and column, and `tests/unit/project/test_simple_yaml.py`
holds the two to each other.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..plugin.node import FileInfo, MappingNode, ScalarNode, SequenceNode

# Larger files are left to the other reader, with its bounds on what a file may hold.
MAX_BYTES: Final = 256 * 1024
# A longer key on one line is none (YAML 1.2, 7.4.2).
_MAX_KEY: Final = 1000

# Plain text in a block, up to a comment or the end of the line: ": " and " #" end it (YAML 1.2, 7.3.3).
_REST: Final = r"(?:[^ \n:#]+|:(?=[^ \n])|(?<=[^ \n])#| +(?=[^ \n#:]))*+"
# How it begins; many other characters mean something there.
_FIRST: Final = r"[A-Za-z0-9_/(.$+<=~^;)\\]"
_DOUBLE: Final = r'"([^"\\\n]*)"'
_SINGLE: Final = r"'([^'\n]*)'"
_COMMENT: Final = r"(?: +#.*)? *$"
_TEXT: Final = rf"((?:{_FIRST}|-(?=[^ \n])){_REST})|{_DOUBLE}|{_SINGLE}"
_LINE: Final = re.compile(
    rf"( *)(- +)?+(?:(?:({_FIRST}{_REST})|{_DOUBLE}|{_SINGLE}):(?= |$)"
    rf"(?: +(?:{_TEXT}|([|>])[+-]?|(\[\]|{{}})))?{_COMMENT}|(?:{_TEXT}|([|>])[+-]?){_COMMENT})"
).match
_NOTHING: Final = re.compile(r" *(?:#.*)?$").match
# What is not text, or ends lines besides "\n", or documents.
_UNUSUAL: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|^(?:---|\\.\\.\\.)", re.MULTILINE
).search


def read_simple(data: bytes, file: FileInfo) -> tuple[MappingNode, list[str]] | None:
    """The root mapping of a file, and the keys in it that begin with "("; None for what another reader must read.

    Args:
        data: the bytes of the file.
        file: becomes the file of every node; not changed.
    """
    if len(data) > MAX_BYTES:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if _UNUSUAL(text) is not None:
        return None
    return _read(text.split("\n"), file)


def _read(lines: list[str], file: FileInfo) -> tuple[MappingNode, list[str]] | None:
    match_line = _LINE
    root: MappingNode | None = None
    directives: list[str] = []
    # The innermost open collection, its indentation, and those around it.
    into: Any = None
    indent = -1
    stack: list[tuple[Any, int]] = []
    # A key of the innermost collection whose value begins on another line.
    awaited: str | None = None
    number, count = -1, len(lines)
    while number + 1 < count:
        number += 1
        line = lines[number]
        match = match_line(line)
        if match is None:
            if _NOTHING(line) is None:
                return None
            continue
        (
            spaces, dash, plain, double, single, value, quoted, quoted2, block, empty, item, item2, item3, block2
        ) = match.groups()  # fmt: skip
        column = len(spaces)

        # Find or open the collection that the line belongs to.
        if awaited is not None:
            if column < indent or (column == indent and not dash):
                return None  # a key without a value
            text = item if item is not None else item2 if item2 is not None else item3
            if text is not None and not dash:
                # If it goes on, the next line is further in than all that is open, which is not recognised.
                into[awaited] = ScalarNode(text.strip(), number, column, file)
                awaited = None
                continue
            stack.append((into, indent))
            outer, into = into, [] if dash else {}
            indent = column
            outer[awaited] = (SequenceNode if dash else MappingNode)(into, number, column, file)
            awaited = None
        else:
            while column < indent:
                into, indent = stack.pop()
            if dash:
                if column != indent or type(into) is not list:
                    return None
            else:
                if column == indent and type(into) is list:
                    # A list stands in the column of its key.
                    into, indent = stack.pop()
                if column != indent:
                    if root is not None or column:
                        return None
                    into, indent = {}, 0
                    root = MappingNode(into, number, 0, file)
                elif type(into) is not dict:
                    return None

        key = plain if plain is not None else double if double is not None else single
        if key is None:
            # An item of a list.
            if not dash:
                return None
            column += len(dash)
            if block2 is not None:
                found = _block(lines, number, indent, block2)
                if found is None:
                    return None
                into.append(ScalarNode(found[0], number, column, file))
                number = found[1]
                continue
            text = item if item is not None else item2 if item2 is not None else item3
            into.append(ScalarNode(text.strip(), number, column, file))
            continue
        if dash:
            column += len(dash)
            stack.append((into, indent))
            outer, into, indent = into, {}, column
            outer.append(MappingNode(into, number, column, file))
        if key in into or len(key) > _MAX_KEY:
            return None
        if key[:1] == "(":
            directives.append(key)
        if value is not None:
            into[key] = ScalarNode(value.strip(), number, match.start(6), file)
        elif block is not None:
            found = _block(lines, number, indent, block)
            if found is None:
                return None
            into[key] = ScalarNode(found[0], number, match.start(9), file)
            number = found[1]
        elif quoted is not None:
            into[key] = ScalarNode(quoted.strip(), number, match.start(7) - 1, file)
        elif quoted2 is not None:
            into[key] = ScalarNode(quoted2.strip(), number, match.start(8) - 1, file)
        elif empty is not None:
            column = match.start(10)
            into[key] = (
                SequenceNode([], number, column, file) if empty == "[]" else MappingNode({}, number, column, file)
            )
        else:
            awaited = key
            # It holds its place among the keys.
            into[key] = None
    if root is None or awaited is not None:
        return None
    return root, directives


def _block(lines: list[str], start: int, parent: int, style: str) -> tuple[str, int] | None:
    """The text of a block that line `start` announces, and the number of its last line; None as for `read_simple`.

    Args:
        parent: indentation of the collection that it belongs to.
        style: "|" or ">".
    """
    number, count = start + 1, len(lines)
    widest = 0
    while number < count and not lines[number].strip(" "):
        widest = max(widest, len(lines[number]))
        number += 1
    if number >= count:
        return None
    indent = _width(lines[number])
    if indent <= parent or indent < widest:
        return None
    taken: list[str] = []
    margin = " " * indent
    last = start
    while number < count:
        line = lines[number]
        if line.startswith(margin):
            taken.append(line[indent:])
            last = number
        elif line.strip(" "):
            break
        else:
            taken.append("")
        number += 1
    # Ends do not count: texts are stripped.
    while taken and not taken[-1]:
        taken.pop()
    if style == "|":
        return "\n".join(taken).strip(), last
    folded: list[str] = []
    breaks = 0
    for line in taken:
        if line[:1] == " ":
            return None  # lines further in are not folded
        if not line:
            breaks += 1
            continue
        if folded:
            folded.append("\n" * breaks or " ")
        folded.append(line)
        breaks = 0
    return "".join(folded).strip(), last


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
