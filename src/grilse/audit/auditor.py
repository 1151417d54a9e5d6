"""Audit one object graph: walk it, dump it, load it in a spawned interpreter, and put the report together.

Knows the order of these steps; each of them is done elsewhere.
"""

from __future__ import annotations

import copyreg
import pickle
import platform
import re
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from . import blockers, costs, cycles, proposals, remedies, spawned, verification
from .graph import Graph
from .guard import HookTimer, OutOfTime
from .model import Budget, Cause, ClassCost, LeftOut, Report, Row, Stage
from .names import Fault, describe, is_a, is_exactly, module_of, qualname_of, type_name
from .walk import walk

# A dump or load is repeated to time it, at most so often and for so many seconds.
_REPEATS = 5
_REPEAT_SECONDS = 0.01
# One that takes longer than this the first time is not repeated.
_LONG_SECONDS = 0.04
# A dump of more bytes than this is loaded in a spawned interpreter even if all its names are surely found there: what
# is loaded needs as much memory as the graph.
_LOADED_HERE = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Dump:
    data: bytes | None
    us: float | None


def audit(
    obj: object,
    *,
    name: str | None = None,
    protocol: int | None = None,
    reducers: Mapping[type, Any] | None = None,
    budget: Budget | None = None,
    spawn: bool = True,
    without: Mapping[str, Collection[str]] | None = None,
) -> Report:
    """Say what of the graph below ``obj`` can cross to a spawned process, at what cost, and what to do.

    ``name`` is what paths begin with; by default the class's name in lower case.  ``reducers`` are functions by class
    that the transport registers, as in a pickler's ``dispatch_table``.  With ``spawn``, an interpreter is spawned to
    find the classes and load the dump, unless nothing in the graph could be missing there.  ``without`` asks what if:
    names of attributes, by class name (``module.Class``), that are looked past as if their class left them out.
    """
    start = time.perf_counter()
    budget = budget or Budget()
    protocol = pickle.DEFAULT_PROTOCOL if protocol is None else protocol
    table: Mapping[type, Any] = ChainMap(dict(reducers), copyreg.dispatch_table) if reducers else copyreg.dispatch_table
    name = name or _name_for(obj)
    notes: list[str] = []
    deadline = time.monotonic() + budget.seconds

    def walked(lost: Mapping[int, Fault]) -> Graph:
        graph = walk(obj, name, protocol=protocol, reducers=table, budget=budget, lost=lost, without=without)
        with HookTimer(deadline) as timer:
            try:
                cycles.find_circles(graph, protocol, table, timer)
            except OutOfTime:
                graph.left_out.append(LeftOut(name, 0, "the search for circles was not finished in time"))
        return graph

    graph = walked({})
    dump = _dump(obj, graph, protocol, table, deadline, notes)
    loaded: spawned.Loaded | None = None
    verifiable = True
    found_names: dict[int, str | None] = {}
    foreign = _needs_spawn(graph)
    if spawn and (foreign or (dump.data is not None and len(dump.data) > _LOADED_HERE)):
        answer = _ask(graph, dump)
        if answer.problem is not None:
            verifiable = False
            notes.append(f"nothing was verified in a spawned interpreter: {answer.problem}")
        else:
            found_names = dict(zip(graph.globals, answer.names))
            loaded = answer.loads[0] if answer.loads else None
            lost = {
                key: Fault(_lost_cause(graph.globals[key][0]), f"not found in a spawned interpreter: {why}", Stage.LOAD)
                for key, why in found_names.items()
                if why is not None
            }
            if lost:
                del graph
                graph = walked(lost)
            elif loaded is not None and loaded.error is not None:
                graph.fail(0, Fault(_load_cause(loaded.error), f"cannot be loaded: {loaded.error}", Stage.LOAD))
    elif dump.data is not None and not graph.faults and not foreign:
        loaded = _load_here(dump.data)
    return _report(
        obj,
        graph,
        dump,
        loaded,
        found_names,
        _Settings(name, protocol, table, budget, spawn),
        tuple(notes),
        start,
        verifiable,
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    name: str
    protocol: int
    table: Mapping[type, Any]
    budget: Budget
    spawn: bool


def _report(
    obj: object,
    graph: Graph,
    dump: _Dump,
    loaded: spawned.Loaded | None,
    found_names: dict[int, str | None],
    settings: _Settings,
    notes: tuple[str, ...],
    start: float,
    verifiable: bool,
) -> Report:
    budget = settings.budget
    listed, more_left_out = blockers.blockers_of(graph, budget.holders)
    left_out = (*graph.left_out, *more_left_out)
    complete = not left_out
    at_dump = [index for index, faults in graph.faults.items() if any(f.stage is Stage.DUMP for f in faults)]
    totals = costs.totals_of(graph)
    unpicklable = costs.unpicklable_of(graph, at_dump) if at_dump or complete else None
    places, rows = costs.rows_of(graph, totals, budget.rows, unpicklable)
    load_us = loaded.us if loaded is not None and loaded.error is None else None
    rows = _timed(
        rows,
        [totals.own_work(graph, place) for place in places],
        [totals.work(place) for place in places],
        dump.us,
        load_us,
    )
    rows = _advised(graph, places, rows)
    made = (
        verification.proposals_of(
            graph,
            {key: why for key, why in found_names.items() if why},
            settings.table,
            settings.protocol,
            settings.spawn,
        )
        if listed
        else ()
    )
    return Report(
        name=settings.name,
        type=type_name(type(obj)),
        python=platform.python_version(),
        protocol=settings.protocol,
        picklable=False if at_dump else (True if complete else None),
        crosses=False if listed else (True if complete and verifiable else None),
        complete=complete,
        nodes=graph.visited,
        objects=len(graph.objects),
        bytes=sum(graph.own) if dump.data is None else len(dump.data),
        bytes_measured=dump.data is not None,
        dump_us=dump.us,
        load_us=load_us,
        first_load_us=loaded.first_us if loaded is not None else None,
        audit_seconds=time.perf_counter() - start,
        budget=budget,
        blockers=listed,
        rows=tuple(rows),
        classes=_classes(graph, found_names),
        proposals=made,
        left_out=left_out,
        notes=notes,
    )


def _name_for(obj: object) -> str:
    cls = type(obj)
    if module_of(cls) == "builtins":
        return "obj"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", qualname_of(cls).rpartition(".")[2])
    return words.lower()


def _dump(
    obj: object,
    graph: Graph,
    protocol: int,
    table: Mapping[type, Any],
    deadline: float,
    notes: list[str],
) -> _Dump:
    """Dump the graph if nothing is known to stop it; what stops it none the less becomes a fault of the graph."""
    if graph.left_out or any(fault.stage is Stage.DUMP for faults in graph.faults.values() for fault in faults):
        return _Dump(None, None)
    best = None
    data = None
    getstates = proposals.getstates_without(graph.plans.values())
    until = time.perf_counter() + _REPEAT_SECONDS
    with HookTimer(deadline) as timer:
        try:
            for _ in range(_REPEATS):
                start = time.perf_counter()
                data = timer.call(_dumps, obj, protocol, table, getstates)
                taken = time.perf_counter() - start
                best = taken if best is None else min(best, taken)
                if time.perf_counter() > until or taken > _LONG_SECONDS:
                    break
        except RecursionError:
            depth, path = cycles.deepest_chain(graph)
            why = f"a chain of {depth:,} objects: {path}"
            graph.fail(0, Fault(Cause.TOO_DEEP, why))
        except OutOfTime:
            notes.append("the dump was not finished within the time of the audit, so it was not measured")
        except Exception as error:  # noqa: BLE001 - pickle says what this audit did not see
            graph.fail(0, Fault(Cause.OTHER, f"pickle refuses it: {describe(error)}"))
    return _Dump(data, None if best is None or data is None else best * 1e6)


def _dumps(obj: object, protocol: int, table: Mapping[type, Any], getstates: dict[int, Callable[[Any], Any]]) -> bytes:
    if table is copyreg.dispatch_table and not getstates:
        return pickle.dumps(obj, protocol)
    return proposals.dump_with(obj, getstates, table, protocol)


def _needs_spawn(graph: Graph) -> bool:
    """Whether a name in the graph may be missing in another interpreter: those of the standard library are there."""
    return any(
        found.module.partition(".")[0] not in sys.stdlib_module_names or found.module == "__main__"
        for _, found in graph.globals.values()
    )


def _ask(graph: Graph, dump: _Dump) -> spawned.Answer:
    names = [(found.module, found.qualname) for _, found in graph.globals.values()]
    loads = [spawned.Load(dump.data)] if dump.data is not None else []
    return spawned.ask(names, loads)


def _lost_cause(obj: object) -> Cause:
    return Cause.CLASS_NOT_IMPORTABLE if is_a(obj, type) else Cause.NOT_IMPORTABLE


def _load_cause(error: str) -> Cause:
    missing = re.search(r"TypeError: .*(missing|takes|required|argument)", error)
    return Cause.CONSTRUCTOR if missing else Cause.HOOK_FAILS


def _load_here(data: bytes) -> spawned.Loaded:
    """Load in this process: only for graphs of the standard library's own types."""
    best = None
    first = 0.0
    until = time.perf_counter() + _REPEAT_SECONDS
    for place in range(_REPEATS):
        start = time.perf_counter()
        try:
            pickle.loads(data)
        except Exception as error:  # noqa: BLE001 - says why it cannot be loaded
            return spawned.Loaded(describe(error))
        taken = time.perf_counter() - start
        first = first if place else taken
        best = taken if best is None else min(best, taken)
        if time.perf_counter() > until or taken > _LONG_SECONDS:
            break
    return spawned.Loaded(None, None, first * 1e6, None if best is None else best * 1e6)


def _timed(
    rows: list[Row], own: list[float], total: list[float], dump_us: float | None, load_us: float | None
) -> list[Row]:
    whole = total[0] if total else 0.0
    timed = []
    for row, mine, all_of_it in zip(rows, own, total):
        share, share_of_all = (mine / whole, all_of_it / whole) if whole else (0.0, 0.0)
        timed.append(
            replace(
                row,
                own_dump_us=None if dump_us is None else dump_us * share,
                total_dump_us=None if dump_us is None else dump_us * share_of_all,
                own_load_us=None if load_us is None else load_us * share,
                total_load_us=None if load_us is None else load_us * share_of_all,
            )
        )
    return timed


def _advised(graph: Graph, places: list[int], rows: list[Row]) -> list[Row]:
    whole = rows[0].total_bytes if rows else 0
    least = max(remedies.COSTLY_BYTES, whole * remedies.COSTLY_SHARE)
    found = []
    for place, row in zip(places, rows):
        if place and row.total_bytes >= least:
            cls = type(graph.objects[place])
            owns = module_of(cls) != "builtins" or row.nodes > 1000
            row = replace(row, advice=remedies.advice_for_cost(cls, graph.labels[place], row.nodes, owns))
        found.append(row)
    return found


def _classes(graph: Graph, found_names: dict[int, str | None]) -> tuple[ClassCost, ...]:
    found = []
    for cls, instances, written in costs.class_sums(graph):
        if is_exactly(cls, (type, FunctionType)):
            continue  # written as names; those here are blockers
        if module_of(cls) == "builtins":
            found.append(ClassCost(type_name(cls), instances, written, True))
            continue
        if id(cls) in found_names:
            problem = found_names[id(cls)]
            found.append(ClassCost(type_name(cls), instances, written, problem is None, problem))
        else:
            found.append(ClassCost(type_name(cls), instances, written, None))
    return tuple(found)
