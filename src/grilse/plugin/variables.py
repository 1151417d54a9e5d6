"""Variables: resolve ``%{name}`` in the values of variables and in other text.

Knows nothing of where variables are declared or which a project may set.  Most elements change a few of the many
variables of their project and kind, so variables are laid over a base that is resolved once: only what refers to
something changed is resolved again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, overload

from ..protocol.errors import LoadError, LoadErrorReason
from .node import MappingNode, Node, ScalarNode, SequenceNode

# Text at even places, names at odd places, is what splitting by this gives.
_REFERENCE: Final = re.compile(r"%\{([a-zA-Z][a-zA-Z0-9_-]*)\}")

# Characters that one value may grow to; without a bound a few lines of doubling variables would eat all memory.
MAX_EXPANDED_LENGTH: Final = 32 * 1024 * 1024

_PARALLELISM: Final = "max-jobs"

# Stands for the value of a variable in the values of others; no YAML file can hold it.
_HOLE: Final = "\0"
# Longer values are not kept with holes, so that filling these need not be bounded.
_MAX_STENCIL: Final = 100_000


class Variables:
    """Variables and their resolved values; reading one resolves it, and what it refers to.

    Args:
        node: the variables, a flat mapping of scalars.
        base: variables below them, which `node` replaces or adds to.
        hole: one of `node` that has another value each time: what the others become with it is worked out once.

    Raises:
        LoadError: INVALID_DATA for a variable that is not a scalar, ILLEGAL_COMPOSITE if it would replace one that is.
    """

    __slots__ = ("_nodes", "_parts", "_stencils", "_unresolved", "_users", "_values")

    def __init__(self, node: MappingNode, base: Variables | None = None, *, hole: str = "") -> None:
        own: dict[str, ScalarNode] = {}
        for name, scalar in node.value.items():
            if type(scalar) is not ScalarNode:
                raise _not_scalar(name, scalar, base)
            own[name] = scalar
        self._nodes: dict[str, ScalarNode] = {**base._nodes, **own} if base else own
        if "notparallel" in self._nodes and self._nodes["notparallel"].as_bool():
            jobs = own.get(_PARALLELISM) or self._nodes.get(_PARALLELISM) or node
            self._nodes[_PARALLELISM] = own[_PARALLELISM] = ScalarNode("1", jobs.line, jobs.column, jobs.file)

        users = base._users_by_name() if base else {}  # before the values are copied, since it resolves them

        # Names to the split text of those variables that refer to others; plain ones have a value at once.
        self._parts: dict[str, list[str]] = dict(base._parts) if base else {}
        self._values: dict[str, str] = dict(base._values) if base else {}
        self._users: dict[str, list[str]] | None = None
        self._stencils: dict[str, dict[str, str]] = {}
        self._unresolved: set[str] = set()
        if base:
            self._forget(own, users, base._unresolved)
            filling = own[hole].value if hole in own else None
            if filling is not None and "%{" not in filling:
                self._fill(base._stencil(hole), filling, _affected([name for name in own if name != hole], users), own)
        for name, scalar in own.items():
            text = scalar.value
            if text is not None and "%{" in text:
                parts = _REFERENCE.split(text)
                if len(parts) > 1:
                    self._parts[name] = parts
                    self._unresolved.add(name)
                    continue
            self._parts.pop(name, None)
            self._values[name] = text or ""

    def _forget(self, changed: dict[str, ScalarNode], users: dict[str, list[str]], unresolved_below: set[str]) -> None:
        """Drop the values that the `changed` variables had below, and of all that refer to them."""
        values, unresolved = self._values, self._unresolved
        unresolved.update(unresolved_below)
        stack = list(changed)
        while stack:
            name = stack.pop()
            if values.pop(name, None) is not None and name in self._parts:
                unresolved.add(name)
            for user in users.get(name, ()):
                if user in values:
                    stack.append(user)
        unresolved.difference_update(changed)

    def _stencil(self, hole: str) -> dict[str, str]:
        """The values of all variables that refer to `hole`, directly or not, with `_HOLE` for its value.

        What has no value then is left out, to be complained of where it is asked for.
        """
        known = self._stencils.get(hole)
        if known is None:
            known = self._stencils[hole] = {}
            above = Variables(MappingNode({hole: ScalarNode(_HOLE)}), self)
            for name in list(above._unresolved):
                try:
                    value = above._resolve(name, hints=False)
                except LoadError:
                    continue
                if len(value) < _MAX_STENCIL:
                    known[name] = value
        return known

    def _fill(self, stencil: dict[str, str], filling: str, affected: set[str], own: dict[str, ScalarNode]) -> None:
        """Take values from a stencil, but for what is declared anew, or `affected` by that."""
        values, unresolved = self._values, self._unresolved
        for name, text in stencil.items():
            if name not in affected and name not in own:
                values[name] = text.replace(_HOLE, filling)
                unresolved.discard(name)

    def _users_by_name(self) -> dict[str, list[str]]:
        """Which variables refer to each name directly; resolves what can be resolved first."""
        if self._users is None:
            users: dict[str, list[str]] = {}
            self._users = users
            for name, parts in self._parts.items():
                for reference in parts[1::2]:
                    users.setdefault(reference, []).append(name)
            for name in list(self._unresolved):
                try:
                    self._resolve(name, hints=False)
                except LoadError:
                    continue  # whoever lays variables over these may define what is missing
        return self._users

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __getitem__(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            if name not in self._nodes:
                raise KeyError(name)
            value = self._resolve(name)
        return value

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name in self._nodes:
            yield name, self[name]

    def get(self, name: str) -> str | None:
        """The value of a variable, or None if there is none of that name.

        Raises:
            LoadError: UNRESOLVED_VARIABLE or CIRCULAR_REFERENCE_VARIABLE.
        """
        return self[name] if name in self._nodes else None

    def values_of(self, names: tuple[str, ...]) -> tuple[str | None, ...]:
        """What `get` gives for each of `names`."""
        if self._unresolved:
            return tuple([self.get(name) for name in names])
        return tuple(map(self._values.get, names))

    def check(self) -> None:
        """Resolve every variable; raises as `get` does for the first that cannot be."""
        if not self._unresolved:
            return
        try:
            for name in list(self._unresolved):
                self._resolve(name, hints=False)
        except LoadError:
            # Of several that cannot be resolved the first is named.
            for name in [name for name in self._nodes if name in self._unresolved]:
                self[name]

    def plain(self) -> dict[str, str]:
        """Every variable with its value, in order of declaration; raises as `get` does."""
        self.check()
        values = self._values
        return {name: values[name] for name in self._nodes}

    def node(self, name: str) -> ScalarNode | None:
        """The node that declares a variable, or None."""
        return self._nodes.get(name)

    @overload
    def expand(self, node: ScalarNode) -> ScalarNode: ...
    @overload
    def expand(self, node: SequenceNode) -> SequenceNode: ...
    @overload
    def expand(self, node: MappingNode) -> MappingNode: ...
    def expand(self, node: Any) -> Any:
        """The tree with every reference replaced; what has none is shared with the result.

        Raises:
            LoadError: as `get` does, with the place of the text.
        """
        kind = type(node)
        if kind is ScalarNode:
            text = node.value
            if text is None or "%{" not in text:
                return node
            return ScalarNode(self._substitute(text, node), node.line, node.column, node.file)
        if kind is MappingNode:
            changed: dict[str, Any] = {}
            for key, child in node.value.items():
                if type(child) is ScalarNode and (child.value is None or "%{" not in child.value):
                    continue
                new = self.expand(child)
                if new is not child:
                    changed[key] = new
            return MappingNode({**node.value, **changed}, node.line, node.column, node.file) if changed else node
        items = [self.expand(item) for item in node.value]
        if all(map(_same, items, node.value)):
            return node
        return SequenceNode(items, node.line, node.column, node.file)

    def _substitute(self, text: str, place: Node | None) -> str:
        parts = _REFERENCE.split(text)
        values = self._values
        for index in range(1, len(parts), 2):
            name = parts[index]
            value = values.get(name)
            if value is None:
                value = self._resolve(name, place)
            parts[index] = value
        return "".join(parts)

    def _resolve(self, wanted: str, place: Node | None = None, *, hints: bool = True) -> str:
        """Resolve one variable with those it refers to, depth first, with a stack of our own for any depth."""
        values, all_parts = self._values, self._parts
        stack, path = [wanted], dict[str, None]()
        while stack:
            name = stack[-1]
            if name in values:
                stack.pop()
                path.pop(name, None)
                continue
            parts = all_parts.get(name)
            if parts is None:
                raise self._undefined(name, next(reversed(path), None), place, hints)
            path[name] = None
            missing = [reference for reference in parts[1::2] if reference not in values]
            if missing:
                for reference in missing:
                    if reference in path:
                        raise self._circular(list(path), reference)
                    if reference not in all_parts:
                        raise self._undefined(reference, name, place, hints)
                stack.extend(missing)
                continue
            filled = parts.copy()
            filled[1::2] = map(values.__getitem__, parts[1::2])
            if sum(map(len, filled)) > MAX_EXPANDED_LENGTH:
                raise LoadError(
                    f"The value of variable '{name}' grows beyond {MAX_EXPANDED_LENGTH} characters",
                    reason=LoadErrorReason.INVALID_DATA,
                    where=str(self._nodes[name].get_provenance()),
                )
            values[name] = "".join(filled)
            self._unresolved.discard(name)
            stack.pop()
            del path[name]
        return values[wanted]

    def _undefined(self, name: str, referrer: str | None, place: Node | None, hints: bool) -> LoadError:
        import difflib  # only needed when something is wrong

        node = self._nodes.get(referrer) if referrer is not None else None
        source = node if node is not None else place
        near = difflib.get_close_matches(name, self._nodes, 1) if hints else None
        hint = f", did you mean '{near[0]}'?" if near else ""
        return LoadError(
            f"Reference to undefined variable '{name}'{hint}",
            reason=LoadErrorReason.UNRESOLVED_VARIABLE,
            where=str(source.get_provenance()) if source is not None else "",
        )

    def _circular(self, path: list[str], again: str) -> LoadError:
        cycle = [*path[path.index(again) :], again]
        lines = [
            f"{self._nodes[name].get_provenance()}: Variable '{name}' refers to variable '{following}'"
            for name, following in pairwise(cycle)
        ]
        return LoadError(
            f"Circular dependency detected on variable '{again}'",
            reason=LoadErrorReason.CIRCULAR_REFERENCE_VARIABLE,
            detail="\n".join(lines),
            where=str(self._nodes[again].get_provenance()),
        )


def _affected(names: list[str], users: dict[str, list[str]]) -> set[str]:
    """The variables that refer to any of `names`, directly or not."""
    found: set[str] = set()
    while names:
        for user in users.get(names.pop(), ()):
            if user not in found:
                found.add(user)
                names.append(user)
    return found


def _same(first: object, second: object) -> bool:
    return first is second


def _not_scalar(name: str, node: Node, base: Variables | None) -> LoadError:
    replaces = base is not None and name in base
    return LoadError(
        f"Variable '{name}' should be a scalar",
        reason=LoadErrorReason.ILLEGAL_COMPOSITE if replaces else LoadErrorReason.INVALID_DATA,
        where=str(node.get_provenance()),
    )


def references(text: str) -> list[str]:
    """The names of the variables that a text refers to, in order, perhaps more than once."""
    return _REFERENCE.findall(text)
