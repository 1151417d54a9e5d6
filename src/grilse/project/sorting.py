"""Order elements: find circles, number elements with dependencies first, sort dependencies into staging order.

Knows nothing of files.  The order of an element's dependencies decides what overwrites what when they are staged, so it
must be BuildStream's to the letter, quirks included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cmp_to_key

from ..protocol.errors import LoadError, LoadErrorReason
from .load_element import RUNTIME, Dependency, LoadElement


def sort_elements(targets: Iterable[LoadElement], first_number: int) -> list[LoadElement]:
    """Number the elements below `targets` that have no number yet, and sort their dependencies.

    Returns:
        The newly numbered elements, dependencies before dependants.

    Raises:
        LoadError: CIRCULAR_DEPENDENCY, naming the circle.
    """
    ordered = _number(targets, first_number)
    for element in ordered:
        if len(element.dependencies) > 1:
            _sort_dependencies(element.dependencies)
    return ordered


def _number(targets: Iterable[LoadElement], number: int) -> list[LoadElement]:
    ordered: list[LoadElement] = []
    for target in targets:
        if target.number >= 0:
            continue
        path = {target: None}
        stack: list[tuple[LoadElement, Iterator[Dependency]]] = [(target, iter(target.dependencies))]
        while stack:
            element, rest = stack[-1]
            for dependency in rest:
                below = dependency.element
                if below.number < 0:
                    if below in path:
                        raise _circular(list(path), below)
                    path[below] = None
                    stack.append((below, iter(below.dependencies)))
                    break
            else:
                stack.pop()
                del path[element]
                closure = 0
                for dependency in element.dependencies:
                    below = dependency.element
                    closure |= below.closure | 1 << below.number
                element.closure = closure
                element.number = number
                number += 1
                ordered.append(element)
    return ordered


def _circular(path: list[LoadElement], again: LoadElement) -> LoadError:
    circle = [element.full_name for element in path[path.index(again) :]]
    return LoadError(
        f"Circular dependency detected at element: {again.full_name}\n"
        f"Dependency chain: {' -> '.join([*circle, again.full_name])}",
        reason=LoadErrorReason.CIRCULAR_DEPENDENCY,
        where=again.provenance,
    )


def _sort_dependencies(dependencies: list[Dependency]) -> None:
    mask = 0
    for dependency in dependencies:
        mask |= 1 << dependency.element.number
    for dependency in dependencies:
        if dependency.element.closure & mask:
            # Being a dependency of one another and the alphabet do not make one order: the result depends on how
            # the sort goes about it.  BuildStream carries the sort of Python 3.12; ours has been the same since 3.11.
            dependencies.sort(key=cmp_to_key(_compare))
            return
    dependencies.sort(key=_independent_key)


def _independent_key(dependency: Dependency) -> tuple[bool, str, bool, str]:
    """Where a dependency stands among those that do not depend on one another."""
    element = dependency.element
    junction = element.project.junction
    return (
        dependency.kinds == RUNTIME,
        element.name,
        junction is None,
        junction.name if junction is not None else "",
    )


def _compare(first: Dependency, second: Dependency) -> int:
    one, other = first.element, second.element
    if one.closure >> other.number & 1:
        return 1
    if other.closure >> one.number & 1:
        return -1
    one_key, other_key = _independent_key(first), _independent_key(second)
    return (one_key > other_key) - (one_key < other_key)
