"""What is said of a node that is not what was wanted, with its place and the way to it.

Knows of nodes what they hold and where they stand, not their classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..protocol.errors import LoadError, LoadErrorReason

if TYPE_CHECKING:
    from .node import Node

# What users call the kinds of nodes.
_WORDS: Final = {"MappingNode": "dict", "SequenceNode": "list", "ScalarNode": "scalar"}


def word(kind: type) -> str:
    """What users call a class of nodes."""
    return _WORDS.get(kind.__name__, kind.__name__)


def find_path(root: Node | None, target: Node) -> str:
    """How `target` is reached from `root`, quoted for a message; "the value" when it is not below it."""
    stack: list[tuple[Any, str]] = [(root, "")] if root is not None else []
    place = (target.line, target.column)
    while stack:
        node, name = stack.pop()
        if node is target or (node.column >= 0 and type(node) is type(target) and (node.line, node.column) == place):
            return f"'{name}'" if name else "the file"
        if type(node.value) is dict:
            stack.extend((child, key) for key, child in node.value.items())
        elif type(node.value) is list:
            # Lists in lists beyond a few levels are told apart by nobody.
            stack.extend((child, f"{name[-100:]}[{i}]") for i, child in enumerate(node.value))
    return "the value"


def invalid(node: Node, message: str) -> LoadError:
    """The error that says what is wrong with a node."""
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))


def wrong_type(node: Node, key: str, wanted: type[Node]) -> LoadError:
    """The error that says that what stands at `key` is of another kind than the one wanted."""
    return invalid(node, f"'{key}' should be a {word(wanted)}, not a {word(type(node))}")


def not_allowed(node: Node, key: str, allowed: Iterable[type[Node]]) -> LoadError:
    """As `wrong_type`, where several kinds would do; `key` may be ""."""
    names = {kind.__name__ for kind in allowed}
    words = " or ".join(text for name, text in _WORDS.items() if name in names)
    subject = f"'{key}'" if key else "the value"
    return invalid(node, f"{subject} should be a {words}, not a {word(type(node))}")


def unexpected_key(node: Node, key: str, valid: list[str]) -> LoadError:
    """The error that says that `key`, where `node` stands, is none of those that are valid."""
    import difflib  # only needed when something is wrong

    near = difflib.get_close_matches(key, valid, 1)
    hint = f", did you mean '{near[0]}'?" if near else ""
    return invalid(node, f"Unexpected key: {key}{hint}")
