"""The record of a walk: which objects were reached from where, in compact arrays, and the paths in it.

Knows nothing of pickle.  Indices are places in ``objects``; an object's parent always comes before it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from .model import LeftOut
from .names import Fault, GlobalName, is_exactly, type_name
from .reduction import Plan

# How much of a key is shown in a path, in characters.
_KEY_SHOWN = 60
_SHOWN = (str, bytes, int, float, bool, type(None))


class Step(IntEnum):
    """How an object hangs on its parent, and what the label then is."""

    ROOT = 0  # the root's name
    ATTRIBUTE = 1  # an attribute's name
    INDEX = 2  # a place in a sequence
    VALUE = 3  # the key of a dict
    KEY = 4  # the place of a key in a dict
    ELEMENT = 5  # a place in a set
    PART = 6  # text that stands as it is, of a part that a hook gave


# Added to a step where pickle writes the part before it remembers the whole.
EARLY = 0x40
STEP_MASK = 0x3F
# An origin is the index of the parent, shifted, and the step from it.
SHIFT = 7
EARLY_MASK = 0x7F


@dataclass(slots=True)
class Graph:
    """What one walk found.

    ``objects`` are kept alive by it; ``origins`` and ``labels`` say how each was first reached.  Of those that were
    looked into (the first ``len(own)``), ``own`` are bytes that pickle writes for the object itself with the numbers
    and strings it holds, and ``atoms`` how many of these there are.  ``more_*`` are the further references to objects
    already reached; those of one container to one object count once.
    """

    name: str
    objects: list[Any] = field(default_factory=list)
    origins: array[int] = field(default_factory=lambda: array("q"))
    labels: list[Any] = field(default_factory=list)
    own: array[int] = field(default_factory=lambda: array("q"))
    atoms: array[int] = field(default_factory=lambda: array("i"))
    more_origins: array[int] = field(default_factory=lambda: array("q"))
    more_to: array[int] = field(default_factory=lambda: array("i"))
    more_labels: list[Any] = field(default_factory=list)
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    # Seconds that the hooks of a class took, and how often they were asked, by the id of the class.
    hooks: dict[int, tuple[float, int]] = field(default_factory=dict)
    plans: dict[int, Plan] = field(default_factory=dict)
    globals: dict[int, tuple[Any, GlobalName]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    visited: int = 0
    # Objects that reduced by a call with arguments which pickle writes before it remembers the object.
    called: list[int] = field(default_factory=list)
    keep: list[Any] = field(default_factory=list)

    def fail(self, index: int, fault: Fault) -> None:
        """Note that the object at ``index`` cannot cross."""
        self.faults.setdefault(index, []).append(fault)

    def parent(self, index: int) -> int:
        """The object that one was first reached from; -1 for the root."""
        return self.origins[index] >> SHIFT

    def path(self, index: int) -> str:
        """The path of first reach of an object."""
        return self.name + "".join(reversed([step_text(*step) for step in self._steps(index)]))

    def pattern(self, index: int) -> str:
        """The path with every index and key replaced by ``[*]``, to count the like of it together."""
        return self.name + "".join(reversed([step_pattern(*step) for step in self._steps(index)]))

    def _steps(self, index: int) -> Iterator[tuple[int, Any]]:
        """The steps on the way to an object, the last one first."""
        origins, labels = self.origins, self.labels
        while index > 0:
            origin = origins[index]
            yield origin & STEP_MASK, labels[index]
            index = origin >> SHIFT

    def further_path(self, reference: int) -> str:
        """The path by one of the further references."""
        origin = self.more_origins[reference]
        return self.path(origin >> SHIFT) + step_text(origin & STEP_MASK, self.more_labels[reference])

    def references_to(self, wanted: set[int]) -> dict[int, list[int]]:
        """The further references to each of the wanted objects, by their places in ``more_to``."""
        found: dict[int, list[int]] = {}
        if wanted:
            for place, target in enumerate(self.more_to):
                if target in wanted:
                    found.setdefault(target, []).append(place)
        return found

    def type_name(self, index: int) -> str:
        """The name of the class of an object."""
        return type_name(type(self.objects[index]))

    def ancestors(self, index: int) -> Iterator[int]:
        """The objects on the path to one, nearest first, itself left out."""
        while index > 0:
            index = self.origins[index] >> SHIFT
            yield index


def step_text(step: int, label: Any) -> str:
    """One step of a path as text."""
    if step == Step.ATTRIBUTE:
        return f".{label}" if label.isidentifier() else f".__dict__[{shown(label)}]"
    if step == Step.INDEX:
        return f"[{label}]"
    if step == Step.VALUE:
        return f"[{shown(label)}]"
    if step == Step.KEY:
        return f".keys()[{label}]"
    if step == Step.ELEMENT:
        return f".elements()[{label}]"
    return str(label)


def step_pattern(step: int, label: Any) -> str:
    """One step of a path as text, without its index or key."""
    if step == Step.INDEX or step == Step.VALUE:
        return "[*]"
    if step == Step.KEY:
        return ".keys()[*]"
    if step == Step.ELEMENT:
        return ".elements()[*]"
    return step_text(step, label)


def shown(key: Any, depth: int = 0) -> str:
    """A key as text, without asking any object of the audited program for its own."""
    kind = type(key)
    if is_exactly(kind, _SHOWN):
        if kind is int and key.bit_length() > 256:
            return f"<int of {key.bit_length()} bits>"
        text = repr(key[:_KEY_SHOWN]) if kind is str or kind is bytes else repr(key)
        return text + "…" if (kind is str or kind is bytes) and len(key) > _KEY_SHOWN else text
    if kind is tuple and depth < 3 and len(key) <= 8:
        inner = ", ".join(shown(item, depth + 1) for item in key)
        return f"({inner},)" if len(key) == 1 else f"({inner})"
    return f"<{type_name(kind)}>"
