"""Walks dependencies: which elements an element needs, in staging order.

Must not know plugins.  The order is BuildStream's: depth first, dependencies in the order in which they are listed,
each element after those that it needs; its keys and the content of overlapping files depend on it.  The stack is our
own, so that chains may have any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .host import ElementFacts


def runtime_closure(roots: Iterable[ElementFacts], visited: set[int] | None = None) -> Iterator[ElementFacts]:
    """The `roots` and all that they need to run, each once.

    Args:
        roots: where to begin.
        visited: ids of elements to leave out; those that are given are added.
    """
    seen = set[int]() if visited is None else visited
    for root in roots:
        if id(root) in seen:
            continue
        seen.add(id(root))
        stack = [(root, iter(root.runtime_dependencies))]
        while stack:
            facts, remaining = stack[-1]
            for dependency in remaining:
                if id(dependency) not in seen:
                    seen.add(id(dependency))
                    stack.append((dependency, iter(dependency.runtime_dependencies)))
                    break
            else:
                stack.pop()
                yield facts


def build_closure(facts: ElementFacts, visited: set[int] | None = None) -> Iterator[ElementFacts]:
    """What `facts` needs to be built, itself left out: its build dependencies and all that they need to run."""
    return runtime_closure(facts.build_dependencies, visited)
