"""Make the list of blockers from the faults of a walk: paths, holders, the methods that drag in what blocks.

Knows nothing of costs.
"""

from __future__ import annotations

from types import MethodType, ModuleType
from typing import Any

from .graph import SHIFT, STEP_MASK, Graph, Step
from .holders import outside_holders
from .model import Blocker, Cause, LeftOut, Stage
from .names import Fault, is_a, type_name
from .remedies import advice_for

# The most blockers that are listed one by one, and that are looked for outside the graph.
_MOST = 100_000
_MOST_OUTSIDE = 200
_CLASS_STEP = ".__class__"


def drag_in(graph: Graph) -> dict[int, int]:
    """The bound methods that alone drag in what blocks: by each blocked object, the place of such a method.

    A method drags its owner in if every path from the root to the owner goes through the method.
    """
    found: dict[int, int] = {}
    if not graph.faults:
        return found
    methods = [index for index, obj in enumerate(graph.objects) if type(obj) is MethodType]
    if not methods:
        return found
    targets: dict[int, list[int]] = {}
    for index, origin in enumerate(graph.origins):
        if index:
            targets.setdefault(origin >> SHIFT, []).append(index)
    for origin, target in zip(graph.more_origins, graph.more_to):
        targets.setdefault(origin >> SHIFT, []).append(target)
    seen = {0}
    _reach(targets, 0, seen, set(methods))
    for method in methods:
        # What is reached without a method, or by an earlier one, is done: each object is come to once.
        if method in graph.faults or method in seen:
            continue
        for index in _reach(targets, method, seen, set()):
            if index in graph.faults:
                found[index] = method
    return found


def _reach(targets: dict[int, list[int]], start: int, seen: set[int], but: set[int]) -> list[int]:
    """What is reached from an object and has not been seen, past those in ``but``; it is seen from now on."""
    seen.add(start)
    reached = [start]
    for index in reached:
        for target in targets.get(index, ()):
            if target not in seen and target not in but:
                seen.add(target)
                reached.append(target)
    return reached


def blockers_of(graph: Graph, most_holders: int) -> tuple[tuple[Blocker, ...], list[LeftOut]]:
    """Every blocker of the graph, the shortest path first; and what was left out of the list."""
    through = drag_in(graph)
    methods = sorted(set(through.values()))
    for method in methods:
        blocked = sum(1 for place in through.values() if place == method)
        owner = graph.objects[method].__self__
        why = f"its owner, a {type_name(type(owner))}, holds {blocked} that cannot cross and comes in by it alone"
        stages = {fault.stage for index, place in through.items() if place == method for fault in graph.faults[index]}
        graph.fail(method, Fault(Cause.BOUND_METHOD, why, Stage.DUMP if Stage.DUMP in stages else Stage.LOAD))
    places = sorted(graph.faults)
    left_out = []
    if len(places) > _MOST:
        why = f"only {_MOST:,} blockers are listed one by one"
        left_out.append(LeftOut(graph.name, len(places) - _MOST, why))
        places = places[:_MOST]
    of_instances = {graph.parent(index): index for index in places if _is_own_class(graph, index)}
    references = graph.references_to({*places, *of_instances})
    for instance, index in of_instances.items():
        # Who holds the first instance of a class that is to blame holds it too.
        references.setdefault(index, []).extend(references.get(instance, ()))
    wanted = [index for index in places if index and not is_a(graph.objects[index], type, ModuleType)]
    outside = outside_holders(graph, wanted[:_MOST_OUTSIDE])
    found = []
    for index in places:
        for fault in graph.faults[index]:
            found.append(_blocker(graph, index, fault, references.get(index, []), most_holders, outside, through))
    return tuple(found), left_out


def _is_own_class(graph: Graph, index: int) -> bool:
    return graph.origins[index] & STEP_MASK == Step.PART and bool(graph.labels[index] == _CLASS_STEP)


def _blocker(
    graph: Graph,
    index: int,
    fault: Fault,
    references: list[int],
    most: int,
    outside: dict[int, tuple[str, ...]],
    through: dict[int, int],
) -> Blocker:
    obj: Any = graph.objects[index]
    subject = obj if is_a(obj, type) else type(obj)
    method = through.get(index)
    pattern, path = graph.pattern(index), graph.path(index)
    # Where the class of an instance is to blame, the instance is what cannot cross.
    if _is_own_class(graph, index):
        pattern, path = pattern.removesuffix(_CLASS_STEP), path.removesuffix(_CLASS_STEP)
    return Blocker(
        path=path,
        pattern=pattern,
        cause=fault.cause,
        stage=fault.stage,
        type=type_name(subject),
        reason=fault.reason,
        holders=tuple(graph.further_path(place).removesuffix(_CLASS_STEP) for place in references[:most]),
        holders_left_out=max(0, len(references) - most),
        outside=outside.get(index, ()),
        through=None if method is None else graph.path(method),
        contains=fault.contains,
        advice=advice_for(fault.cause, subject),
    )
