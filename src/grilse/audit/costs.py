"""Share out the bytes and microseconds of a graph over its paths and classes.

Every object counts where the shortest path leads to it.  Knows nothing of why something cannot cross.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from dataclasses import dataclass
from itertools import repeat

from .graph import SHIFT, Graph
from .model import Row
from .names import type_name
from .reduction import How

# The work that pickle does, in units of one number written: measured once, and only shares of it are used.
_INSTANCE = 20.0
_ATOM = 1.0
_BYTE = 0.002
_UNITS_PER_SECOND = 3.0e7
# The most steps taken to find out what is reached by one path alone; beyond, that is not said.
_DOMINATOR_STEPS = 4_000_000
# A row is worth showing from this share of the whole on.
_LEAST_SHARE = 0.002
# How many children of the root have a row whatever they cost.
_CHILDREN = 60


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the tree of shortest paths, by index: bytes, objects with numbers and strings, and work of hooks.

    ``extra`` is the work that instances take beyond what their bytes and parts do; None if there are no instances.
    """

    size: array[int]
    nodes: array[int]
    own_extra: array[float] | None
    extra: array[float] | None
    exclusive: array[int] | None

    def work(self, index: int) -> float:
        """Units of work for an object with all below."""
        more = 0.0 if self.extra is None else self.extra[index]
        return _ATOM * self.nodes[index] + _BYTE * self.size[index] + more

    def own_work(self, graph: Graph, index: int) -> float:
        """Units of work for an object itself."""
        more = 0.0 if self.own_extra is None else self.own_extra[index]
        if index >= len(graph.own):
            return more
        return _ATOM * (1 + graph.atoms[index]) + _BYTE * graph.own[index] + more


def totals_of(graph: Graph) -> Totals:
    """The sums with all below, for every object."""
    count = len(graph.objects)
    size = array("q", graph.own)
    size.extend([0] * (count - len(size)))
    nodes = array("q", graph.atoms)
    nodes.extend([0] * (count - len(nodes)))
    own_extra = _own_extra(graph)
    origins = graph.origins
    if own_extra is None:
        for index in range(count - 1, 0, -1):
            parent = origins[index] >> SHIFT
            size[parent] += size[index]
            nodes[index] += 1
            nodes[parent] += nodes[index]
        extra = None
    else:
        extra = array("d", own_extra)
        for index in range(count - 1, 0, -1):
            parent = origins[index] >> SHIFT
            size[parent] += size[index]
            nodes[index] += 1
            nodes[parent] += nodes[index]
            extra[parent] += extra[index]
    if nodes:
        nodes[0] += 1
    return Totals(size, nodes, own_extra, extra, _exclusive(graph, size))


def _own_extra(graph: Graph) -> array[float] | None:
    by_class: dict[int, float] = {}
    for key, plan in graph.plans.items():
        seconds, calls = graph.hooks.get(key, (0.0, 0))
        if plan.how is not How.NAME:
            by_class[key] = _INSTANCE + (seconds / calls * _UNITS_PER_SECOND if calls else 0.0)
    if not by_class:
        return None
    return array("d", map(by_class.get, map(id, map(type, graph.objects)), repeat(0.0)))


def _exclusive(graph: Graph, tree_size: array[int]) -> array[int] | None:
    """Bytes that only the paths through an object lead to: sums over the tree of dominators.

    By the iteration of Cooper, Harvey and Kennedy ("A simple, fast dominance algorithm"), begun at the tree of
    shortest paths, in which every dominator of an object comes before it.  None if it would take too long.
    """
    if not graph.more_to:
        return tree_size
    above = array("q", [origin >> SHIFT for origin in graph.origins])
    steps = 0
    changed = True
    while changed:
        changed = False
        for origin, target in zip(graph.more_origins, graph.more_to):
            one = above[target]
            if one <= 0:  # the root, or what the root alone dominates: nothing can be nearer to it
                continue
            other = origin >> SHIFT
            if other == target:
                continue
            while one != other:
                steps += 1
                if one > other:
                    one = above[one]
                else:
                    other = above[other]
            if one != above[target]:
                above[target] = one
                changed = True
        if steps > _DOMINATOR_STEPS:
            return None
    size = array("q", graph.own)
    size.extend([0] * (len(graph.objects) - len(size)))
    for index in range(len(size) - 1, 0, -1):
        size[above[index]] += size[index]
    return size


def rows_of(graph: Graph, totals: Totals, most: int, unpicklable: set[int] | None) -> tuple[list[int], list[Row]]:
    """The places and the rows of what costs most, in the order of their paths; times are still units of work.

    ``unpicklable`` are the objects that cannot be dumped, or None if that is not known of any.
    """
    size = totals.size
    count = len(size)
    least = max(1, int(size[0] * _LEAST_SHARE)) if count else 0
    chosen = set(heapq.nlargest(most, [i for i, total in enumerate(size) if total >= least], key=size.__getitem__))
    chosen.add(0)
    children = [index for index in range(1, min(count, 4096)) if graph.parent(index) == 0]
    chosen.update(sorted(children, key=lambda index: -size[index])[:_CHILDREN])
    places = _in_tree_order(graph, chosen)
    rows = []
    for index in places:
        rows.append(
            Row(
                path=graph.path(index),
                type=graph.type_name(index),
                picklable=None if unpicklable is None else index not in unpicklable,
                nodes=totals.nodes[index],
                own_bytes=graph.own[index] if index < len(graph.own) else 0,
                total_bytes=size[index],
                exclusive_bytes=None if totals.exclusive is None else totals.exclusive[index],
                own_dump_us=None,
                total_dump_us=None,
                own_load_us=None,
                total_load_us=None,
            )
        )
    return places, rows


def _in_tree_order(graph: Graph, chosen: set[int]) -> list[int]:
    """The chosen objects so that each comes after the nearest chosen one above it, the largest first."""
    below: dict[int, list[int]] = {}
    for index in sorted(chosen):
        if index:
            above = next(ancestor for ancestor in graph.ancestors(index) if ancestor in chosen or ancestor == 0)
            below.setdefault(above, []).append(index)
    order: list[int] = []
    stack = [0]
    while stack:
        index = stack.pop()
        order.append(index)
        stack.extend(reversed(below.get(index, [])))
    return order


def class_sums(graph: Graph) -> list[tuple[type, int, int]]:
    """Each class that has instances in the graph, how many, and their own bytes; the largest first."""
    kinds = array("q", map(id, map(type, graph.objects)))
    counts = Counter(kinds)
    written = dict.fromkeys(counts, 0)
    if len(counts) == 1:
        written[kinds[0]] = sum(graph.own)
    else:
        for kind, size in zip(kinds, graph.own):
            written[kind] += size
    classes = (
        {id(type(obj)): type(obj) for obj in graph.objects} if len(counts) > 1 else {kinds[0]: type(graph.objects[0])}
    )
    found = [(classes[kind], count, written[kind]) for kind, count in counts.items()]
    return sorted(found, key=lambda entry: (-entry[2], type_name(entry[0])))


def unpicklable_of(graph: Graph, blocked: list[int]) -> set[int]:
    """The objects that lead to one of the blocked ones by any reference, these included."""
    if not blocked:
        return set()
    sources: dict[int, list[int]] = {}
    for origin, target in zip(graph.more_origins, graph.more_to):
        sources.setdefault(target, []).append(origin >> SHIFT)
    found = set(blocked)
    waiting = list(blocked)
    while waiting:
        index = waiting.pop()
        parent = graph.parent(index)
        for source in (parent, *sources.get(index, ())):
            if source >= 0 and source not in found:
                found.add(source)
                waiting.append(source)
    return found
