"""Which elements a command works on, and in which order.

Knows nothing of commands or plugins: it walks elements whose dependencies are sorted, whatever stands for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol, TypeVar


class Needed(Protocol):
    """A direct dependency."""

    @property
    def element(self) -> Any:
        """The element, of the same type as that which depends on it."""

    @property
    def build(self) -> bool:
        """Whether it is needed to build."""

    @property
    def runtime(self) -> bool:
        """Whether it is needed to run."""


class Selectable(Protocol):
    """An element as far as selecting goes; told from others by identity."""

    @property
    def dependencies(self) -> Sequence[Needed]:
        """Its direct dependencies, in staging order."""


_S = TypeVar("_S", bound=Selectable)


def build_dependencies(element: _S) -> Iterator[_S]:
    """Direct build dependencies in staging order."""
    return (dependency.element for dependency in element.dependencies if dependency.build)


def runtime_dependencies(element: _S) -> Iterator[_S]:
    """Direct runtime dependencies in staging order."""
    return (dependency.element for dependency in element.dependencies if dependency.runtime)


def direct_dependencies(element: _S) -> list[_S]:
    """All direct dependencies, each once: those for building first."""
    return list(dict.fromkeys(chain(build_dependencies(element), runtime_dependencies(element))))


def select(targets: Iterable[_S], deps: str) -> list[_S]:
    """The elements that ``--deps`` asks for, dependencies before dependants.

    Args:
        deps: "none", "run", "build", "all", or "plan" for all in the order of a build.
    """
    targets = list(dict.fromkeys(targets)) if deps != "none" else list(targets)
    if deps == "none":
        return targets
    if deps == "all":
        return everything(targets)
    if deps == "run":
        return runtime_closure(targets, set())
    if deps == "build":
        done: set[_S] = set()
        return [found for target in targets for found in runtime_closure(build_dependencies(target), done)]
    if deps == "plan":
        return plan(targets)
    raise ValueError(f"unknown selection '{deps}'")


def everything(targets: Iterable[_S]) -> list[_S]:
    """The targets and all they depend on, in staging order."""
    return _post_order(targets, _build_then_runtime, set())


def runtime_closure(targets: Iterable[_S], done: set[_S]) -> list[_S]:
    """The targets and all they need to run, in staging order, without those in `done`, which they are added to."""
    return _post_order(targets, runtime_dependencies, done)


def plan(targets: Iterable[_S]) -> list[_S]:
    """The targets and all they depend on, what the longest chains of builds wait for first."""
    targets = list(targets)
    order = _post_order(targets, _runtime_then_build, set())
    depth = dict.fromkeys(order, 0)
    for element in reversed(order):
        here = depth[element]
        for dependency in element.dependencies:
            reached = here + 1 if dependency.build else here
            if reached > depth[dependency.element]:
                depth[dependency.element] = reached
    return sorted(order, key=lambda element: -depth[element])


def leave_out(elements: list[_S], targets: Iterable[_S], excepted: Iterable[_S]) -> list[_S]:
    """`elements` without what ``--except`` takes away.

    Taken away are the elements below `targets` that are first met on the way down from `excepted`, and what is only
    reached through these.
    """
    excepted = list(excepted)
    if not excepted:
        return elements
    targets = list(targets)
    targeted = set(everything(targets))
    border: set[_S] = set()
    seen: set[_S] = set()
    queue = excepted
    while queue:
        element = queue.pop()
        if element in seen:
            continue
        seen.add(element)
        if element in targeted:
            border.add(element)
        else:
            queue.extend(direct_dependencies(element))
    kept: set[_S] = set()
    queue = targets
    while queue:
        element = queue.pop()
        if element not in kept and element not in border:
            kept.add(element)
            queue.extend(direct_dependencies(element))
    return [element for element in elements if element in kept]


def _build_then_runtime(element: _S) -> Iterator[_S]:
    return chain(build_dependencies(element), runtime_dependencies(element))


def _runtime_then_build(element: _S) -> Iterator[_S]:
    return chain(runtime_dependencies(element), build_dependencies(element))


def _post_order(targets: Iterable[_S], below: Callable[[_S], Iterator[_S]], done: set[_S]) -> list[_S]:
    ordered: list[_S] = []
    for target in targets:
        if target in done:
            continue
        done.add(target)
        stack: list[tuple[_S, Iterator[_S]]] = [(target, below(target))]
        while stack:
            element, rest = stack[-1]
            for dependency in rest:
                if dependency not in done:
                    done.add(dependency)
                    stack.append((dependency, below(dependency)))
                    break
            else:
                stack.pop()
                ordered.append(element)
    return ordered
