"""Read BuildStream's YAML from libyaml's events straight into nodes.

Knows nothing of files on disk, caches or what the keys mean.  BuildStream takes one document whose root is a mapping,
keeps every scalar as text, and refuses anchors, aliases and tags of other vocabularies.  It parses with an older
libyaml than ours, three times slower, which refuses a few things more: these are refused here too.
"""

from __future__ import annotations

from typing import Any, Final

from ..plugin.node import FileInfo, MappingNode, ScalarNode, SequenceNode
from ..protocol.errors import LoadError, LoadErrorReason

# Bounds that no sane file reaches; beyond them a hostile one would cost minutes and gigabytes.
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_NODES: Final = 500_000
MAX_DEPTH: Final = 10_000

_CORE_TAGS: Final = "tag:yaml.org,2002:"
_NO_KEY: Final = object()
_BLANKS: Final = ("", " ", "\t", "\r", "\n", "\x85", "\u2028", "\u2029")

LIST_DIRECTIVE_KEYS: Final = frozenset(("(>)", "(<)", "(=)"))
CONDITIONAL_KEYS: Final = frozenset(("(?)", "(!)"))
INCLUDE_KEY: Final = "(@)"


def read_yaml(data: bytes, file: FileInfo) -> MappingNode:
    """Parse one file; `file` becomes the file of every node and learns which directives stand in it.

    Args:
        data: the bytes of the file, UTF-8.

    Returns:
        The root mapping; an empty one for a file that holds nothing but comments.

    Raises:
        LoadError: INVALID_YAML, with line and column when the parser knows them.
    """
    from yaml import YAMLError  # 20 ms that a load from the parsed cache does not pay
    from yaml._yaml import CParser

    if len(data) > MAX_BYTES:
        raise _broken(file, f"the file is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start)
        raise _broken(file, f"the file is not valid UTF-8: {error.reason}", line, 0) from None
    try:
        parser = CParser(data)
        try:
            return _build(parser.get_event, file, text)
        finally:
            parser.dispose()
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        context = getattr(error, "context", None)
        text = f"{problem} ({context})" if context else str(problem)
        raise _broken(file, text, mark.line if mark else -1, mark.column if mark else 0) from None
    except (UnicodeError, ValueError) as error:
        raise _broken(file, str(error)) from None


def _build(next_event: Any, file: FileInfo, text: str) -> MappingNode:
    """Turn events into nodes, with a stack of the open collections."""
    from yaml.events import (
        DocumentEndEvent,
        DocumentStartEvent,
        MappingEndEvent,
        MappingStartEvent,
        ScalarEvent,
        SequenceEndEvent,
        SequenceStartEvent,
        StreamEndEvent,
        StreamStartEvent,
    )

    root: MappingNode | None = None
    # Where the next value goes: `into` is the dict or list of the innermost open collection, `key` the key that a
    # value is awaited for.
    into: Any = None
    key: Any = _NO_KEY
    stack: list[tuple[Any, Any]] = []
    budget = MAX_NODES
    # How many of the open collections are written with brackets.
    flow = 0
    while True:
        event = next_event()
        kind = type(event)
        if kind is ScalarEvent:
            if event.anchor is not None or (event.tag is not None and not event.tag.startswith(_CORE_TAGS)):
                raise _forbidden(file, event)
            mark = event.start_mark
            if flow:
                _check_flow_scalar(event, file, text)
            if type(into) is dict:
                if key is _NO_KEY:
                    key = event.value
                    if key in into:
                        raise _broken(file, f"duplicate key '{key}'", mark.line, mark.column)
                    if key[:1] == "(":
                        _note_directive(file, key)
                    continue
                into[key] = ScalarNode(event.value.strip(), mark.line, mark.column, file)
                key = _NO_KEY
            elif into is not None:
                into.append(ScalarNode(event.value.strip(), mark.line, mark.column, file))
            else:
                raise _broken(file, "the document should be a mapping, not a scalar", mark.line, mark.column)
            budget -= 1
            if budget < 0:
                raise _broken(file, f"the file holds more than {MAX_NODES} values", mark.line, mark.column)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            mark = event.start_mark
            if event.anchor is not None:
                raise _forbidden(file, event)
            if len(stack) >= MAX_DEPTH:
                raise _broken(file, f"the file is nested more than {MAX_DEPTH} levels deep", mark.line, mark.column)
            inner: Any
            node: Any
            if kind is MappingStartEvent:
                inner = {}
                node = MappingNode(inner, mark.line, mark.column, file)
            else:
                inner = []
                node = SequenceNode(inner, mark.line, mark.column, file)
            if type(into) is dict:
                if key is _NO_KEY:
                    raise _broken(file, "keys must be scalars", mark.line, mark.column)
                into[key] = node
            elif into is not None:
                into.append(node)
            elif kind is MappingStartEvent and root is None:
                root = node
            else:
                raise _broken(file, "the file should be one mapping", mark.line, mark.column)
            stack.append((into, _NO_KEY))
            into, key = inner, _NO_KEY
            budget -= 1
            if flow or event.flow_style:
                flow += 1
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            into, key = stack.pop()
            if flow:
                flow -= 1
        elif kind is StreamEndEvent:
            break
        elif kind is DocumentStartEvent:
            if root is not None:
                mark = event.start_mark
                raise _broken(file, "there is more than one document in the file", mark.line, mark.column)
        elif kind is not StreamStartEvent and kind is not DocumentEndEvent:
            raise _forbidden(file, event)
    if root is None:
        root = MappingNode({}, 0, 0, file)
    file.toplevel = root
    return root


def _check_flow_scalar(event: Any, file: FileInfo, text: str) -> None:
    """Refuse unquoted text in brackets that holds ":" or "?", or that a ":" without white space follows."""
    if event.style is not None and event.style != "":
        return
    mark = event.end_mark
    following = text[mark.index : mark.index + 2]
    for character in ":?":
        if character in event.value or (following[:1] == ":" and following[1:] not in _BLANKS):
            raise _broken(file, f"found unexpected '{character}'", mark.line, mark.column)


def _note_directive(file: FileInfo, key: str) -> None:
    """Remember which directives a file holds, so that those without are not searched for them."""
    if key in LIST_DIRECTIVE_KEYS:
        file.directives = True
    elif key in CONDITIONAL_KEYS:
        file.conditionals = True
    elif key == INCLUDE_KEY:
        file.includes = True


def _broken(file: FileInfo, problem: str, line: int = -1, column: int = 0) -> LoadError:
    where = file.displayname if line < 0 else f"{file.displayname} [line {line + 1} column {column}]"
    return LoadError(f"Malformed YAML: {problem}", reason=LoadErrorReason.INVALID_YAML, where=where)


def _forbidden(file: FileInfo, event: Any) -> LoadError:
    mark = event.start_mark
    what = "tags other than YAML's own" if getattr(event, "anchor", None) is None else "anchors and aliases"
    return _broken(file, f"BuildStream projects cannot use {what}", mark.line, mark.column)
