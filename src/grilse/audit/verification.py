"""Try the proposed states: dump them here, load them in a spawned interpreter, and compare.

Knows nothing of how the proposals came about.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import proposals, spawned
from .fingerprint import fingerprint, first_difference
from .graph import Graph
from .model import Proposal
from .names import GlobalName, describe, type_name

# Objects that are compared, at most, between a proposed state and what is loaded of it.
_COMPARED = 200_000
# Objects among which the first difference is looked for, if there is one.
_TRAILED = 50_000


def proposals_of(
    graph: Graph, lost: Mapping[int, str], reducers: Mapping[type, Any], protocol: int, spawn: bool
) -> tuple[Proposal, ...]:
    """The proposed states, each tried in one spawned interpreter if that can be done.

    ``lost`` says of classes, by their ids, why a spawned interpreter does not find them.
    """
    sketches = proposals.sketches_of(graph)
    dropped = proposals.dropped_by_class(sketches)
    changes = tuple(
        spawned.Change(sketch.name.module, sketch.name.qualname, sketch.setstate)
        for sketch in sketches
        if sketch.problem is None and isinstance(sketch.name, GlobalName)
    )
    getstates = proposals.getstates_of(sketches)
    outcomes: dict[int, str] = {}
    tried: list[tuple[int, spawned.Load, float, str]] = []
    for place, sketch in enumerate(sketches):
        problem = sketch.problem
        if problem is None and id(sketch.cls) in lost:
            problem = f"its class is not found in a spawned interpreter: {lost[id(sketch.cls)]}"
        if problem is None and not spawn:
            problem = "no interpreter was to be spawned"
        if problem is not None:
            outcomes[place] = problem
            continue
        obj = graph.objects[sketch.index]
        start = time.perf_counter()
        try:
            data = proposals.dump_with(obj, getstates, reducers, protocol)
        except Exception as error:  # noqa: BLE001 - hooks of the audited program
            outcomes[place] = f"still cannot be dumped: {describe(error)}"
            continue
        taken = (time.perf_counter() - start) * 1e6
        load = spawned.Load(data, changes, _COMPARED, dropped)
        tried.append((place, load, taken, fingerprint(obj, dropped, _COMPARED)))
    answer = spawned.ask([], [load for _, load, _, _ in tried]) if tried else spawned.Answer(None)
    found = {
        place: _blank(graph, sketch, outcomes.get(place) or answer.problem or "")
        for place, sketch in enumerate(sketches)
    }
    unequal = []
    for (place, load, taken, expected), loaded in zip(tried, answer.loads):
        found[place] = _judged(found[place], load, taken, expected, loaded)
        if loaded.error is None and not found[place].verified:
            unequal.append((place, replace(load, trail=_TRAILED)))
    if unequal:
        again = spawned.ask([], [load for _, load in unequal])
        for (place, _), loaded in zip(unequal, again.loads):
            obj = graph.objects[sketches[place].index]
            where = first_difference(obj, dropped, _TRAILED, list(loaded.trail))
            found[place] = replace(found[place], detail=f"{found[place].detail}: {where}")
    return tuple(found.values())


def _blank(graph: Graph, sketch: proposals.Sketch, detail: str) -> Proposal:
    return Proposal(
        cls=type_name(sketch.cls),
        path=graph.path(sketch.index),
        changes=sketch.changes,
        kept=sketch.kept,
        sketch=sketch.text,
        verified=False,
        detail=detail,
    )


def _judged(made: Proposal, load: spawned.Load, dump_us: float, expected: str, loaded: spawned.Loaded) -> Proposal:
    made = replace(made, bytes=len(load.data), dump_us=dump_us)
    if loaded.error is not None:
        return replace(made, detail=f"cannot be loaded in a spawned interpreter: {loaded.error}")
    made = replace(made, load_us=loaded.us)
    if loaded.fingerprint != expected:
        return replace(made, detail="what was loaded in a spawned interpreter is not equal to what was sent")
    return replace(made, verified=True, detail="loaded in a spawned interpreter and found equal")
