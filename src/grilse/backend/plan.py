"""Which elements a build needs, and since when each may be built: counters that only ever go down.

Knows the graph of dependencies and whether artifacts are there; nothing of stages, jobs or keys.

An element is *required* when it is a target, when a required element needs it to run, or when an element that has to
be built needs it to build.  It is *usable* when its artifact is there and all it needs to run is usable; an element can
be built when all that it builds with is usable.  Both spread along edges, each of which is walked once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

# How an element is required: for itself, or with all that it needs to run
_ALONE: Final = 1
_TO_RUN: Final = 2


class BuildPlan:
    """The state of a build's graph.

    Args:
        build_edges: per element, the indices of what it needs to build.
        runtime_edges: per element, the indices of what it needs to run.
        on_required: called once for each element that becomes required.
        on_buildable: called once for each element when all that it builds with is usable.
    """

    def __init__(
        self,
        build_edges: Sequence[Sequence[int]],
        runtime_edges: Sequence[Sequence[int]],
        on_required: Callable[[int], None],
        on_buildable: Callable[[int], None],
    ) -> None:
        count = len(build_edges)
        self._build_edges = build_edges
        self._runtime_edges = runtime_edges
        self._on_required = on_required
        self._on_buildable = on_buildable
        self._required = bytearray(count)
        self._building = bytearray(count)
        self._cached = bytearray(count)
        self._usable = bytearray(count)
        # What each still waits for: itself to be cached and its run-time needs to be usable; its build needs.
        self._run_wait = [len(edges) + 1 for edges in runtime_edges]
        self._build_wait = [len(edges) for edges in build_edges]
        self._run_users: list[list[int]] = [[] for _ in range(count)]
        self._build_users: list[list[int]] = [[] for _ in range(count)]
        for user in range(count):
            for needed in runtime_edges[user]:
                self._run_users[needed].append(user)
            for needed in build_edges[user]:
                self._build_users[needed].append(user)

    def require_alone(self, index: int) -> None:
        """Require an element, but not what it needs to run."""
        if not self._required[index]:
            self._required[index] = _ALONE
            self._on_required(index)

    def require(self, index: int) -> None:
        """Require an element and all it needs to run."""
        todo = [index]
        while todo:
            current = todo.pop()
            before = self._required[current]
            if before == _TO_RUN:
                continue
            self._required[current] = _TO_RUN
            # Dependencies first: they are entered, and so become ready, before what needs them.
            fresh = [needed for needed in self._runtime_edges[current] if self._required[needed] != _TO_RUN]
            if not before:
                self._on_required(current)
            todo.extend(reversed(fresh))

    def must_build(self, index: int) -> None:
        """The element's artifact is not to be had: require what it builds with."""
        if self._building[index]:
            return
        self._building[index] = 1
        for needed in self._build_edges[index]:
            self.require(needed)

    def is_cached(self, index: int) -> bool:
        """Whether the element's artifact is there."""
        return bool(self._cached[index])

    def is_buildable(self, index: int) -> bool:
        """Whether all that the element builds with is usable."""
        return self._build_wait[index] == 0

    def is_usable(self, index: int) -> bool:
        """Whether the element's artifact and all it needs to run are there."""
        return bool(self._usable[index])

    def set_cached(self, index: int) -> None:
        """The element's artifact is there (from now on)."""
        if self._cached[index]:
            return
        self._cached[index] = 1
        todo = [index]
        while todo:
            current = todo.pop()
            self._run_wait[current] -= 1
            if self._run_wait[current]:
                continue
            self._usable[current] = 1
            todo.extend(self._run_users[current])
            for user in self._build_users[current]:
                self._build_wait[user] -= 1
                if self._build_wait[user] == 0:
                    self._on_buildable(user)
