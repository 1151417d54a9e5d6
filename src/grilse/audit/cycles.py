"""Find what pickle can never finish: objects that need themselves before they can be made, and chains without end.

Pickle remembers most containers before it writes their parts, and so can write a part that refers back.  The
arguments of the call that makes an object, and the items of tuples and frozensets, come before.  A circle made only
of such parts has no end.  Knows nothing of why an object has the parts it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .graph import EARLY, EARLY_MASK, SHIFT, Graph, step_text
from .guard import HookTimer
from .model import Cause
from .names import Fault, is_exactly
from .reduction import Reduction, reduce_object

_FRESH_KINDS = (list, dict, set)
_FRESH_DEPTH = 8
# How many steps of a very long path are shown at either end.
_ENDS = 4


def find_circles(graph: Graph, protocol: int, reducers: Mapping[type, Any], timer: HookTimer) -> None:
    """Note a fault at each object that needs itself to be rebuilt.

    Containers that a hook makes anew each time it is asked are never met twice and so close no circle; only objects
    that may be in a circle are asked once more, to see which containers are of that sort.
    """
    if not graph.called:
        return
    called = set(graph.called)
    edges = _early_edges(graph)
    supposed = _with_fresh(graph, edges, called)
    suspects = _in_circles(supposed, graph.called)
    if not suspects:
        return
    fresh: set[int] = set()
    for index in suspects:
        plan = graph.plans.get(id(type(graph.objects[index])))
        if plan is not None and index in called:
            again = reduce_object(graph.objects[index], plan, protocol, timer)
            if isinstance(again, Reduction):
                _note_fresh(graph, supposed, index, (*again.arguments, *again.keywords.values()), fresh)
    certain = _with_fresh(graph, edges, fresh, exactly=True)
    for index in _in_circles(certain, graph.called):
        if index in called:
            graph.fail(index, Fault(Cause.RECURSIVE, "the arguments that make it anew lead back to itself"))


def _early_edges(graph: Graph) -> dict[int, list[int]]:
    edges: dict[int, list[int]] = {}
    for index, origin in enumerate(graph.origins):
        if origin & EARLY and index:
            edges.setdefault(origin >> SHIFT, []).append(index)
    for origin, target in zip(graph.more_origins, graph.more_to):
        if origin & EARLY:
            edges.setdefault(origin >> SHIFT, []).append(target)
    return edges


def _with_fresh(
    graph: Graph, edges: dict[int, list[int]], chosen: set[int], exactly: bool = False
) -> dict[int, list[int]]:
    """The early edges and those out of containers that may be fresh: below the chosen callers, or just the chosen."""
    fresh: set[int] = set(chosen) if exactly else set()
    if not exactly:
        level = {target for caller in chosen for target in edges.get(caller, ()) if _may_be_fresh(graph, target)}
        children = _children_of_containers(graph)
        for _ in range(_FRESH_DEPTH):
            fresh |= level
            level = {child for index in level for child in children.get(index, ()) if _may_be_fresh(graph, child)}
            level -= fresh
            if not level:
                break
    found = {index: list(targets) for index, targets in edges.items()}
    if fresh:
        for index, origin in enumerate(graph.origins):
            if origin >> SHIFT in fresh:
                found.setdefault(origin >> SHIFT, []).append(index)
        for origin, target in zip(graph.more_origins, graph.more_to):
            if origin >> SHIFT in fresh:
                found.setdefault(origin >> SHIFT, []).append(target)
    return found


def _children_of_containers(graph: Graph) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for index, origin in enumerate(graph.origins):
        parent = origin >> SHIFT
        if index and _may_be_fresh(graph, parent):
            children.setdefault(parent, []).append(index)
    return children


def _may_be_fresh(graph: Graph, index: int) -> bool:
    return is_exactly(type(graph.objects[index]), _FRESH_KINDS)


def _note_fresh(
    graph: Graph, edges: dict[int, list[int]], caller: int, arguments: tuple[Any, ...], fresh: set[int]
) -> None:
    """Note which containers among the arguments of one asking are not those of another asking."""
    now: set[int] = set()
    level: list[Any] = [part for part in arguments if is_exactly(type(part), _FRESH_KINDS)]
    for _ in range(_FRESH_DEPTH):
        now.update(map(id, level))
        level = [
            part
            for whole in level
            for part in (whole.values() if type(whole) is dict else whole)
            if is_exactly(type(part), _FRESH_KINDS)
        ]
    before = [target for target in edges.get(caller, ()) if _may_be_fresh(graph, target)]
    seen: set[int] = set()
    while before:
        target = before.pop()
        if target not in seen and id(graph.objects[target]) not in now:
            fresh.add(target)
            before.extend(child for child in edges.get(target, ()) if _may_be_fresh(graph, child))
        seen.add(target)


def _in_circles(edges: dict[int, list[int]], starts: list[int]) -> list[int]:
    """The nodes that lie on a circle and can be reached from ``starts`` (strongly connected components, Tarjan)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    open_nodes: list[int] = []
    is_open: set[int] = set()
    found: list[int] = []
    for start in starts:
        if start in order:
            continue
        stack: list[tuple[int, Iterator[int]]] = [(start, iter(edges.get(start, ())))]
        order[start] = low[start] = len(order)
        open_nodes.append(start)
        is_open.add(start)
        while stack:
            node, targets = stack[-1]
            for target in targets:
                if target not in order:
                    order[target] = low[target] = len(order)
                    open_nodes.append(target)
                    is_open.add(target)
                    stack.append((target, iter(edges.get(target, ()))))
                    break
                if target in is_open:
                    low[node] = min(low[node], order[target])
            else:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[node])
                if low[node] == order[node]:
                    component = []
                    while True:
                        member = open_nodes.pop()
                        is_open.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    if len(component) > 1 or node in edges.get(node, ()):
                        found.extend(component)
    return found


def deepest_chain(graph: Graph) -> tuple[int, str]:
    """How deep pickle would have to go, in objects, and the path of the deepest one (its middle left out)."""
    targets: dict[int, list[tuple[int, int, Any]]] = {}
    for index, origin in enumerate(graph.origins):
        if index:
            targets.setdefault(origin >> SHIFT, []).append((index, origin & EARLY_MASK, graph.labels[index]))
    for origin, target, label in zip(graph.more_origins, graph.more_to, graph.more_labels):
        targets.setdefault(origin >> SHIFT, []).append((target, origin & EARLY_MASK, label))
    came: dict[int, tuple[int, str]] = {0: (-1, graph.name)}
    stack: list[tuple[int, Iterator[tuple[int, int, Any]]]] = [(0, iter(targets.get(0, ())))]
    depth, deepest = 1, 0
    while stack:
        node, following = stack[-1]
        for target, step, label in following:
            if target not in came:
                came[target] = (node, step_text(step & ~EARLY, label))
                stack.append((target, iter(targets.get(target, ()))))
                if len(stack) > depth:
                    depth, deepest = len(stack), target
                break
        else:
            stack.pop()
    steps: list[str] = []
    while deepest >= 0:
        deepest, text = came[deepest]
        steps.append(text)
    steps.reverse()
    if len(steps) > 2 * _ENDS + 1:
        steps = [*steps[: _ENDS + 1], f" … {len(steps) - 2 * _ENDS - 1:,} steps … ", *steps[-_ENDS:]]
    return depth, "".join(steps)
