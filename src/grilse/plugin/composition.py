"""Lay one mapping over another: BuildStream's composition rules, list directives included.

Knows nothing of files or of what the mappings mean.  Nothing is changed in place: results are new mappings that share
every child that did not change, so composing a small mapping onto a large one costs little.
"""

from __future__ import annotations

from typing import Final

from ..protocol.errors import LoadError, LoadErrorReason
from .node import MappingNode, Node, ScalarNode, SequenceNode
from .provenance import SYNTHETIC

CLOBBER: Final = "(=)"
PREPEND: Final = "(<)"
APPEND: Final = "(>)"
LIST_DIRECTIVES: Final = frozenset((CLOBBER, PREPEND, APPEND))
CONDITIONAL: Final = "(?)"

_Any = ScalarNode | SequenceNode | MappingNode


class _Clash(Exception):
    """Two values of kinds that do not compose; carries the key path."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: list[str] = []


def compose(base: MappingNode, over: MappingNode) -> MappingNode:
    """What `base` becomes with `over` laid on top: scalars and lists replace, mappings merge, directives extend.

    The result carries the place of `over`, unless the program made that one.

    Raises:
        LoadError: ILLEGAL_COMPOSITE if a value of one kind would replace one of another kind; INVALID_DATA for a
            mapping that mixes list directives with other keys.
    """
    try:
        return _merge(base, over)
    except _Clash as clash:
        path = ".".join(reversed(clash.path))
        raise LoadError(
            f"Cannot compose '{path}': {clash}",
            reason=LoadErrorReason.ILLEGAL_COMPOSITE,
            where=str(over.get_provenance()),
        ) from None


def compose_under(base: MappingNode, under: MappingNode) -> MappingNode:
    """What `base` becomes with `under` laid below it: the values of `base` win; its keys come first.

    Raises:
        LoadError: as `compose` does.
    """
    merged = compose(under, base)
    values = merged.value
    ordered = {key: values[key] for key in base.value}
    for key, node in values.items():
        if key not in ordered:
            ordered[key] = node
    return MappingNode(ordered, merged.line, merged.column, merged.file)


def is_directive_list(node: Node) -> bool:
    """Whether `node` is a mapping of list directives only.

    Raises:
        LoadError: INVALID_DATA if it mixes directives and other keys, or a directive holds no list.
    """
    if type(node) is not MappingNode:
        return False
    value = node.value
    if CLOBBER not in value and PREPEND not in value and APPEND not in value:
        return False
    for key, child in value.items():
        if key not in LIST_DIRECTIVES:
            raise LoadError(
                f"List directives cannot stand beside other keys, such as '{key}'",
                reason=LoadErrorReason.INVALID_DATA,
                where=str(node.get_provenance()),
            )
        if type(child) is not SequenceNode:
            raise LoadError(
                f"The list directive '{key}' needs a list",
                reason=LoadErrorReason.INVALID_DATA,
                where=str(child.get_provenance()),
            )
    return True


def assert_fully_composed(node: Node) -> None:
    """Make sure that no list directive is left, which would mean that there was no list for it to change.

    Raises:
        LoadError: TRAILING_LIST_DIRECTIVE at the first one found.
    """
    if type(node) is MappingNode:
        for key, child in node.value.items():
            kind = type(child)
            if key in LIST_DIRECTIVES:
                raise LoadError(
                    f"The list directive '{key}' has no list to change",
                    reason=LoadErrorReason.TRAILING_LIST_DIRECTIVE,
                    where=str(child.get_provenance()),
                )
            if kind is not ScalarNode:
                assert_fully_composed(child)
    elif type(node) is SequenceNode:
        for item in node.value:
            if type(item) is not ScalarNode:
                assert_fully_composed(item)


def _merge(base: MappingNode, over: MappingNode) -> MappingNode:
    result = dict(base.value)
    for key, new in over.value.items():
        old = result.get(key)
        kind = type(new)
        if old is None:
            if type(new) is MappingNode and new.file.directives:
                _check_directives(new)
            result[key] = new
        elif kind is MappingNode:
            try:
                result[key] = _merge_mapping(old, new)  # type: ignore[arg-type]
            except _Clash as clash:
                clash.path.append(key)
                raise
        elif kind is type(old):
            if kind is SequenceNode and key == CONDITIONAL:
                # Conditions are evaluated later, all of them: keep both lists.
                new = SequenceNode([*old.value, *new.value], old.line, old.column, old.file)  # type: ignore[misc]
            result[key] = new
        elif kind is SequenceNode and is_directive_list(old):
            result[key] = new
        else:
            raise _clash(key, old, new)
    if over.column == SYNTHETIC and not over.file.filename:
        return MappingNode(result, base.line, base.column, base.file)
    return MappingNode(result, over.line, over.column, over.file)


def _merge_mapping(old: _Any, new: MappingNode) -> _Any:
    """Lay the mapping `new` over whatever `old` is."""
    if is_directive_list(new):
        if type(old) is SequenceNode:
            return _extend_list(old, new)
        if is_directive_list(old):
            return _extend_directives(old, new)  # type: ignore[arg-type]
        raise _Clash(f"list directives cannot change the {_kind(old)} at {old.get_provenance()}")
    if type(old) is not MappingNode:
        raise _Clash(f"a dict cannot replace the {_kind(old)} at {old.get_provenance()}")
    return _merge(old, new)


def _extend_list(old: SequenceNode, new: MappingNode) -> SequenceNode:
    clobber = _items(new, CLOBBER)
    middle = old.value if clobber is None else clobber
    items = [*(_items(new, PREPEND) or ()), *middle, *(_items(new, APPEND) or ())]
    return SequenceNode(items, old.line, old.column, old.file)


def _extend_directives(old: MappingNode, new: MappingNode) -> MappingNode:
    """Two directives on a list not met yet become one that does what both would, one after the other."""
    result = dict(old.value)
    if CLOBBER in new.value:
        # What was there is gone, but stays where it was: messages name the first directive
        result |= {key: SequenceNode([], node.line, node.column, node.file) for key, node in old.value.items()}
        return MappingNode(result | new.value, old.line, old.column, old.file)
    for key in (PREPEND, APPEND):
        added = new.value.get(key)
        if added is None:
            continue
        present = result.get(key)
        if present is None:
            result[key] = added
        else:
            first, second = (added, present) if key == PREPEND else (present, added)
            items = [*first.value, *second.value]  # type: ignore[misc]
            result[key] = SequenceNode(items, present.line, present.column, present.file)
    return MappingNode(result, old.line, old.column, old.file)


def _items(node: MappingNode, key: str) -> list[_Any] | None:
    child = node.value.get(key)
    return None if child is None else child.value  # type: ignore[return-value]


def _check_directives(node: MappingNode) -> None:
    """Refuse mixed mappings anywhere in what is taken over unchanged."""
    if not is_directive_list(node):
        for child in node.value.values():
            if type(child) is MappingNode:
                _check_directives(child)


def _clash(key: str, old: Node, new: Node) -> _Clash:
    clash = _Clash(f"a {_kind(new)} cannot replace the {_kind(old)} at {old.get_provenance()}")
    clash.path.append(key)
    return clash


def _kind(node: Node) -> str:
    if type(node) is MappingNode:
        return "dict"
    return "list" if type(node) is SequenceNode else "scalar"
