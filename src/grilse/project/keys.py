"""Cache keys of elements: weak, strict and full, equal to BuildStream's.

Must not know how elements are resolved.  A key is the hash of a text that lists the whole build closure, so that the
text of all elements together grows with the square of their number.  Neither the texts nor the closures are made: the
closure of an element is that of its first dependency and what the others add to it, and so the state of its hash
continues a copy of the state that its first dependency left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..plugin import keytext

if TYPE_CHECKING:
    from .resolved import ResolvedElement

# Version of artifacts that BuildStream 2.8 makes.
ARTIFACT_VERSION: Final = 11

# Keys are sorted: everything but these two comes behind the dependencies.
_HEAD: Final = b'{"core-artifact-version":%d,"dependencies":[' % ARTIFACT_VERSION


# What the text says of a dependency besides its name.
NAMES: Final = 0
WEAK: Final = 1
STRICT: Final = 2


class Closure:
    """An ordered set of elements: that of `base`, and behind it `tail`.

    Attributes:
        base: the closure that this one begins with, or None.
        tail: further elements, in staging order.
        bits: bit set of the numbers of all elements; `own` of those in `tail`.
    """

    __slots__ = ("_further", "_states", "base", "bits", "own", "tail")

    def __init__(self, base: Closure | None, tail: Sequence[ResolvedElement], bits: int) -> None:
        self.base = base
        self.tail = tail
        self.bits = bits
        self.own = bits if base is None else bits ^ base.bits
        self._states: list[Any] = [None, None, None]
        # What this closure becomes with one more element, by number: elements often list the same dependencies.
        self._further: dict[int, Closure] | None = None

    def __iter__(self) -> Iterator[ResolvedElement]:
        parts: list[Closure] = []
        closure: Closure | None = self
        while closure is not None:
            parts.append(closure)
            closure = closure.base
        for part in reversed(parts):
            yield from part.tail

    def __len__(self) -> int:
        return self.bits.bit_count()

    def with_more(self, root: ResolvedElement) -> Closure:
        """These elements, and behind them what `root` needs to run besides, itself last."""
        if not root.run_closure.bits & ~self.bits:
            return self
        if self._further is None:
            self._further = {}
        found = self._further.get(root.number)
        if found is None:
            tail: list[ResolvedElement] = []
            bits = _add(root, self.bits, tail)
            found = self._further[root.number] = Closure(self, tail, bits)
        return found

    def state(self, flavour: int) -> Any:
        """The hash of the head of the text and all elements; None if one of them has no key yet.  Not to be changed."""
        known = self._states[flavour]
        if known is None:
            known = self._states[flavour] = _state(self, flavour) or False
        return known or None

    def look_again(self) -> None:
        """Elements that had no key may have one now."""
        part: Closure | None = self
        while part is not None:
            part._states = [known or None for known in part._states]
            part = part.base


def _state(closure: Closure, flavour: int) -> Any:
    """Compute what `Closure.state` gives."""
    # A chain of closures may be long: go down with a loop, and up again.
    chain = [closure]
    while chain[-1].base is not None and chain[-1].base._states[flavour] is None:
        chain.append(chain[-1].base)
    for part in reversed(chain):
        if part.base is None:
            state, comma = hashlib.sha256(_HEAD), b""
        else:
            below = part.base._states[flavour]
            if not below:
                part._states[flavour] = False
                continue
            state, comma = below.copy(), b"," if part.base.bits else b""
        if part.tail:
            fragments = [element.fragments[flavour] for element in part.tail]
            if None in fragments:
                part._states[flavour] = False
                continue
            state.update(comma + b",".join(fragments))  # type: ignore[arg-type]
        part._states[flavour] = state
    return closure._states[flavour]


EMPTY: Final = Closure(None, (), 0)


def close_over(roots: Sequence[ResolvedElement]) -> Closure:
    """The elements `roots` and all that they need to run, in staging order."""
    if not roots:
        return EMPTY
    closure = roots[0].run_closure
    for root in roots[1:]:
        closure = closure.with_more(root)
    return closure


def _add(root: ResolvedElement, bits: int, tail: list[ResolvedElement]) -> int:
    """Append what the closure of `root` adds to the elements in `bits`, in the order of that closure.

    With an element, all it needs to run is in `bits` too: so a walk that skips these comes by the others in the same
    order as one that skips nothing, which is the order of the closure.
    """
    parts: list[Closure] = []
    closure: Closure | None = root.run_closure
    while closure is not None and closure.bits & ~bits:
        parts.append(closure)
        closure = closure.base
    wanted = root.run_closure.bits & ~bits
    for part in reversed(parts):
        own = part.own & wanted
        if own == part.own:
            tail += part.tail
        elif own:
            tail += [element for element in part.tail if own & element.bit]
    return bits | root.run_closure.bits


def with_itself(element: ResolvedElement, below: Closure) -> Closure:
    """What `element` needs to run, itself included last; `below` is the closure of its runtime dependencies."""
    return Closure(below if below.bits else None, (element,), below.bits | element.bit)


def name_fragment(project: str, name: str) -> bytes:
    """What the text says of a dependency without its key."""
    return keytext.encode([project, name])


def key_fragment(names: bytes, key: str | None) -> bytes | None:
    """What the text says of a dependency with its key."""
    return None if key is None else names[:-1] + b',"' + key.encode("ascii") + b'"]'


class KeyText:
    """The part of an element's text that does not depend on other elements.

    Args:
        parts: what the plugin and the core contribute, by BuildStream's names.
    """

    __slots__ = ("_tail",)

    def __init__(self, parts: bytes) -> None:
        # The text of a mapping without its opening and closing brace, behind the list of dependencies.
        self._tail = b"]," + parts[1:-1]

    def weak(self, closure: Closure, strict: bool | Iterable[ResolvedElement]) -> str | None:
        """The weak key: of the names of what the element is built with, and of weak keys where `strict`.

        Args:
            closure: what it is built with.
            strict: whether all weak keys count, or those of some elements.
        """
        if isinstance(strict, bool):
            state = closure.state(WEAK if strict else NAMES)
            if state is None:
                return None
            state = state.copy()
        else:
            counted = set(map(id, strict))
            fragments = [each.fragments[WEAK if id(each) in counted else NAMES] for each in closure]
            if None in fragments:
                return None
            state = hashlib.sha256(_HEAD + b",".join(fragments))  # type: ignore[arg-type]
        state.update(self._tail + b"}")
        return state.hexdigest()  # type: ignore[no-any-return]

    def strict(self, closure: Closure, weak: str) -> str | None:
        """The strict key: also of the strict keys of all that the element is built with."""
        state = closure.state(STRICT)
        if state is None:
            return None
        state = state.copy()
        state.update(self._end(weak))
        return state.hexdigest()  # type: ignore[no-any-return]

    def full(self, closure: Iterable[ResolvedElement], weak: str, keys: Iterable[str | None]) -> str | None:
        """The full key in a build that is not strict: of the full keys of what the element is built with."""
        fragments = [key_fragment(each.fragments[NAMES] or b"", key) for each, key in zip(closure, keys, strict=True)]
        if None in fragments:
            return None
        state = hashlib.sha256(_HEAD + b",".join(fragments))  # type: ignore[arg-type]
        state.update(self._end(weak))
        return state.hexdigest()

    def _end(self, weak: str) -> bytes:
        return self._tail + b',"weak-cache-key":"' + weak.encode("ascii") + b'"}'
