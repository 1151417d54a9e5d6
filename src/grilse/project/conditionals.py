"""Resolve conditionals and assertions: keep the fragments whose expression holds, stop at an assertion.

Knows nothing of includes.  Nothing is changed in place; a tree without directives is returned as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..plugin.composition import compose
from ..plugin.node import MappingNode, Node, ScalarNode, SequenceNode
from ..protocol.errors import LoadError, LoadErrorReason
from .options import OptionPool

_CONDITIONS: Final = "(?)"
_ASSERTION: Final = "(!)"


def resolve_file(root: MappingNode, options: OptionPool) -> MappingNode:
    """Resolve the conditionals of a tree that was read from one file.

    Raises:
        LoadError: USER_ASSERTION, EXPRESSION_FAILED, INVALID_DATA or ILLEGAL_COMPOSITE.
    """
    return resolve_tree(root, options) if root.file.conditionals else root


def resolve_tree(root: MappingNode, options: OptionPool, restricted: Sequence[str] = ()) -> MappingNode:
    """Resolve the conditionals of any tree; raises as `resolve_file` does.

    Args:
        restricted: keys that a condition at the root may not set.
    """
    # A fragment may bring further conditions, which apply in turn.
    while _CONDITIONS in root.value or _ASSERTION in root.value:
        root = _apply(root, options, restricted)
    changed: dict[str, Any] = {}
    for key, child in root.value.items():
        if type(child) is ScalarNode:
            continue
        new = _resolve_child(child, options)
        if new is not child:
            changed[key] = new
    return MappingNode({**root.value, **changed}, root.line, root.column, root.file) if changed else root


def _resolve_child(child: Any, options: OptionPool) -> Any:
    if type(child) is MappingNode:
        return resolve_tree(child, options)
    if type(child) is SequenceNode:
        items = [_resolve_child(item, options) for item in child.value]
        if any(new is not old for new, old in zip(items, child.value)):
            return SequenceNode(items, child.line, child.column, child.file)
    return child


def _apply(node: MappingNode, options: OptionPool, restricted: Sequence[str]) -> MappingNode:
    """Take the conditions out of one mapping and lay the fragments that hold over it, in order."""
    conditions = node.get_sequence(_CONDITIONS, None)
    assertion = node.get_str(_ASSERTION, None)
    if assertion is not None:
        raise _error(assertion, node.get_node(_ASSERTION), LoadErrorReason.USER_ASSERTION)
    if conditions is None:
        return node
    result = MappingNode({**node.value}, node.line, node.column, node.file)
    del result.value[_CONDITIONS]
    for condition in conditions.value:
        if type(condition) is not MappingNode or len(condition.value) != 1:
            raise _error(
                "A conditional should be a dict with one key, the expression", condition, LoadErrorReason.INVALID_DATA
            )
        [(expression, fragment)] = condition.value.items()
        holds = options.evaluate(expression, condition)
        if type(fragment) is not MappingNode:
            raise _error("Only a dict can be conditional", condition, LoadErrorReason.ILLEGAL_COMPOSITE)
        for key in restricted:
            if key in fragment.value:
                raise _error(
                    f"The '{key}' key cannot be conditional", fragment.value[key], LoadErrorReason.ILLEGAL_COMPOSITE
                )
        if holds:
            result = compose(result, fragment)
    return result


def _error(message: str, node: Node, reason: LoadErrorReason) -> LoadError:
    return LoadError(message, reason=reason, where=str(node.get_provenance()))
