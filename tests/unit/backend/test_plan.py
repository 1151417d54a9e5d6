"""The build plan against a naive model, and its promises on small graphs."""

from __future__ import annotations

import random

import pytest

from grilse.backend.plan import BuildPlan


class Recorded:
    def __init__(self, build: list[list[int]], runtime: list[list[int]]) -> None:
        self.required: list[int] = []
        self.buildable: list[int] = []
        self.plan = BuildPlan(build, runtime, self.required.append, self.buildable.append)


def test_a_cached_target_requires_what_it_runs_with_but_not_what_it_builds_with() -> None:
    r = Recorded([[], [], [0]], [[], [], [1]])
    r.plan.require(2)
    assert sorted(r.required) == [1, 2]
    r.plan.must_build(2)
    assert sorted(r.required) == [0, 1, 2]


def test_a_target_required_alone_brings_nothing_along_until_something_needs_it_to_run() -> None:
    # 2 builds with 1, which runs with 0.
    r = Recorded([[], [], [1]], [[], [0], []])
    r.plan.require_alone(1)
    r.plan.require_alone(1)
    assert r.required == [1]
    r.plan.require_alone(2)
    r.plan.must_build(2)
    assert sorted(r.required) == [0, 1, 2]


def test_an_element_can_be_built_when_the_run_time_needs_of_its_build_needs_are_there() -> None:
    # 2 builds with 1, 1 runs with 0.
    r = Recorded([[], [], [1]], [[], [0], []])
    r.plan.set_cached(1)
    assert r.buildable == []
    r.plan.set_cached(0)
    assert r.buildable == [2]


def test_a_long_chain_needs_no_recursion() -> None:
    count = 50_000
    r = Recorded([[] for _ in range(count)], [[i - 1] if i else [] for i in range(count)])
    r.plan.require(count - 1)
    assert len(r.required) == count
    for index in range(count - 1, -1, -1):
        r.plan.set_cached(index)
    assert r.plan.is_usable(count - 1)


@pytest.mark.parametrize("seed", range(30))
def test_counters_agree_with_walking_the_graph_again(seed: int) -> None:
    rng = random.Random(seed)
    count = 30
    build = [sorted(rng.sample(range(i), min(i, rng.randint(0, 3)))) for i in range(count)]
    runtime = [sorted(rng.sample(range(i), min(i, rng.randint(0, 3)))) for i in range(count)]
    r = Recorded(build, runtime)
    cached: set[int] = set()

    def usable(index: int) -> bool:
        return index in cached and all(map(usable, runtime[index]))

    order = list(range(count))
    rng.shuffle(order)
    for index in order:
        r.plan.set_cached(index)
        r.plan.set_cached(index)
        cached.add(index)
        for other in range(count):
            assert r.plan.is_usable(other) == usable(other)
            assert r.plan.is_buildable(other) == all(map(usable, build[other]))
    assert sorted(r.buildable) == [i for i in range(count) if build[i]]
