"""What a walk has seen so far: the memo that pickle would keep, the bounds of the budget, and the record being made.

Knows how pickle writes names, numbers and strings, and nothing of how containers and instances are taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any

from . import sizes
from .graph import SHIFT, Graph
from .guard import HookTimer
from .model import Budget, LeftOut
from .names import Fault, GlobalName, find_global

_NONE = type(None)
# Strings and bytes of at least so many bytes are objects of the graph of their own, so that they have a row.
LARGE = 4096

Take = Callable[[int, int, Iterable[Any], Iterable[Any]], int]


class Full(Exception):
    """A bound of the budget is met."""


class Ledger:
    """The state of one walk under way."""

    __slots__ = (
        "budget",
        "cheap",
        "deadline",
        "graph",
        "lost",
        "memo",
        "memoised",
        "names",
        "protocol",
        "states",
        "take",
        "texts",
        "timer",
    )

    def __init__(
        self,
        graph: Graph,
        protocol: int,
        budget: Budget,
        timer: HookTimer,
        deadline: float,
        lost: Mapping[int, Fault],
    ) -> None:
        """``lost`` are classes and functions, by their ids, that cannot be found although their names say so."""
        self.graph = graph
        self.lost = lost
        self.protocol = protocol
        self.budget = budget
        self.timer = timer
        self.deadline = deadline
        self.memo: dict[int, int] = {}  # id of an object → its index
        self.texts: set[int] = set()  # ids of strings and bytes already written
        self.states: set[int] = set()  # ids of state dicts already written
        self.names: dict[int, int] = {}  # id of a class or function → its index if it cannot be found, else -1
        self.cheap: set[int] = set()  # ids of what is among the first of pickle's memo
        self.memoised = 0
        self.take: Take = _taker(self)

    def close(self) -> None:
        """Let go of everything that only a walk under way needs."""
        for seen in (self.memo, self.texts, self.states, self.names, self.cheap):
            seen.clear()
        self.graph.keep.clear()

    def remember(self, key: int) -> None:
        """Note that pickle puts one more object into its memo: the first ones are referred to in fewer bytes."""
        if self.memoised < sizes.SHORT_MEMO:
            self.memoised += 1
            self.cheap.add(key)

    def register(self, value: object, parent: int, step: int, label: object) -> int:
        """Add an object to the record; its index."""
        graph = self.graph
        graph.objects.append(value)
        graph.origins.append(parent << SHIFT | step)
        graph.labels.append(label)
        return len(graph.objects) - 1

    def refer(self, parent: int, index: int, step: int, label: object) -> None:
        """Add a further reference to an object of the record."""
        graph = self.graph
        graph.more_origins.append(parent << SHIFT | step)
        graph.more_to.append(index)
        graph.more_labels.append(label)

    def name(self, parent: int, step: int, label: object, value: Any) -> int:
        """Look at a class or function, which pickle writes as a name; the bytes of that."""
        known = self.names.get(id(value))
        if known is None:
            return self.write_name(value, None, lambda: self.register(value, parent, step, label))
        if known >= 0:
            self.refer(parent, known, step, label)
            return 0
        return sizes.SHORT_GET if id(value) in self.cheap else sizes.LONG_GET

    def write_name(self, value: Any, as_name: str | None, index: Callable[[], int]) -> int:
        """Write something as a name for the first time; ``index`` gives its place if it turns out that it has none."""
        key = id(value)
        found = self.lost.get(key) or find_global(value, as_name)
        if isinstance(found, GlobalName):
            self.graph.globals[key] = (value, found)
            self.names[key] = -1
            size = self.text(found.module) + self.text(found.qualname) + 1 + sizes.MEMOIZE
            self.remember(key)
            return size
        self.names[key] = index()
        self.graph.fail(self.names[key], found)
        return 0

    def text(self, value: str) -> int:
        """The bytes of a string that is part of how something is written."""
        key = id(value)
        if key in self.texts:
            return sizes.SHORT_GET if key in self.cheap else sizes.LONG_GET
        self.texts.add(key)
        self.graph.keep.append(value)
        self.remember(key)
        return sizes.text_size(value)

    def noted(self) -> int:
        """How many ids are in use: what they belong to must stay alive."""
        return len(self.memo) + len(self.texts) + len(self.states)

    def room(self) -> int:
        """How many more objects may be looked at; one more than fit, so that the bound is met and noted."""
        return max(0, self.budget.nodes - self.graph.visited + 1)

    def visit(self, atoms: int) -> None:
        """Count numbers and strings that were looked at.

        :raises Full: if these are more than the budget allows.
        """
        self.graph.visited += atoms
        if self.graph.visited > self.budget.nodes:
            raise self.full(self.nodes_full())

    def nodes_full(self) -> str:
        """Why no more objects are looked at."""
        return f"the budget of {self.budget.nodes:,} objects is used up"

    def full(self, why: str) -> Full:
        """Note what was reached and not looked into, and give the exception to raise."""
        graph = self.graph
        waiting: dict[int, int] = {}
        for index in range(len(graph.own), len(graph.objects)):
            parent = graph.parent(index)
            waiting[parent] = waiting.get(parent, 0) + 1
        most = sorted(waiting.items(), key=lambda entry: -entry[1])
        shown, rest = most[: self.budget.holders], most[self.budget.holders :]
        graph.left_out.extend(LeftOut(graph.path(max(parent, 0)), count, why) for parent, count in shown)
        if rest or not most:
            graph.left_out.append(LeftOut(graph.name, sum(count for _, count in rest), why))
        return Full()


def _taker(ledger: Ledger) -> Take:
    """The function that looks at the parts of an object: most of a walk's time is spent in it."""
    graph = ledger.graph
    memo, texts, cheap = ledger.memo, ledger.texts, ledger.cheap
    objects, origins, found_labels, all_atoms = graph.objects, graph.origins, graph.labels, graph.atoms
    most = ledger.budget.nodes
    int_size = sizes.int_size
    known_index = memo.get
    more_origins, more_to = graph.more_origins, graph.more_to
    refer_to, refer_by = more_to.append, graph.more_labels.append

    def take(parent: int, step: int, labels: Iterable[Any], values: Iterable[Any]) -> int:
        """Look at the parts of the object at ``parent``; the bytes of those that are not objects of their own."""
        origin = parent << SHIFT | step
        before = len(objects)
        size = atoms = 0
        for label, value in zip(labels, values):
            kind = type(value)
            if kind is str or kind is bytes:
                key = id(value)
                atoms += 1
                if key in texts:
                    size += 2 if key in cheap else 5
                    continue
                texts.add(key)
                if ledger.memoised < 256:
                    ledger.remember(key)
                length = len(value)
                if length >= LARGE:
                    atoms -= 1
                    memo[key] = ledger.register(value, parent, step, label)
                    continue
                if kind is str and not value.isascii():
                    length = len(value.encode("utf-8", "surrogatepass"))
                size += length + 3 if length < 256 else length + 6
            elif kind is int:
                size += 2 if 0 <= value < 256 else int_size(value)
                atoms += 1
            elif kind is bool or kind is _NONE:
                size += 1
                atoms += 1
            elif kind is float:
                size += 9
                atoms += 1
            else:
                key = id(value)
                index = known_index(key)
                if index is not None:
                    size += 2 if key in cheap else 5
                    refer_to(index)
                    refer_by(label)
                elif kind is FunctionType or kind is type:
                    size += ledger.name(parent, step, label, value)
                    atoms += 1
                elif kind is tuple and not value:
                    size += 1
                    atoms += 1
                else:
                    memo[key] = len(objects)
                    objects.append(value)
                    origins.append(origin)
                    found_labels.append(label)
        referred = len(more_to) - len(more_origins)
        if referred:
            atoms += referred
            more_origins.extend([origin] * referred)
        if atoms and parent >= 0:
            all_atoms[parent] += atoms
        graph.visited += atoms + len(objects) - before
        if graph.visited > most:
            raise ledger.full(ledger.nodes_full())
        return size

    return take
