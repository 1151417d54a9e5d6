"""Look into the instances of classes during a walk: by their attributes, or by what their hooks give.

Knows nothing of the order in which a walk goes, nor of the builtin containers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from types import MethodType
from typing import Any

from . import sizes
from .graph import EARLY, Graph, Step, shown
from .ledger import Ledger
from .model import Budget, Cause
from .names import Fault, describe, is_a, module_of, qualname_of
from .reduction import How, Plan, Reduction, plan_for, reduce_object

# Plain numbers for the loops.
_ATTRIBUTE = int(Step.ATTRIBUTE)
_PART = int(Step.PART)
_EARLY_PART = int(Step.PART) | EARLY
# The most that is looked at in a thing best called by one name, to see whether it can cross.
_COMPOUND_NODES = 20_000
_COMPOUND_BYTES = 2**24


class Asking:
    """Looks into instances for one walk."""

    __slots__ = ("_graph", "_ledger", "_look_into_compounds", "_reducers", "_walk", "_without")

    def __init__(
        self,
        ledger: Ledger,
        reducers: Mapping[type, Any],
        look_into_compounds: bool,
        walk: Callable[..., Graph],
        without: Mapping[str, Collection[str]],
    ) -> None:
        """Begin.

        ``without`` are attributes to look past, by class name; ``walk`` is the function that walks a graph, for those
        that are looked at by themselves first.
        """
        self._ledger = ledger
        self._graph = ledger.graph
        self._reducers = reducers
        self._look_into_compounds = look_into_compounds
        self._walk = walk
        self._without = without

    def instance(self, index: int, obj: Any, cls: type) -> int:
        """Look into an instance; the bytes that pickle writes for it, objects of their own not counted."""
        graph = self._graph
        plan = graph.plans.get(id(cls))
        if plan is None:
            plan = plan_for(obj, self._ledger.protocol, self._reducers, self._ledger.timer, self._without)
            graph.plans[id(cls)] = plan
        if plan.compound is not None and not self._look_into_compounds and self._blocks(index, obj, plan.compound):
            return 0
        how = plan.how
        if how is How.PLAIN:
            if plan.load_fault is not None:
                graph.fail(index, plan.load_fault)
            state = obj.__dict__ if plan.has_dict else None
            if state and (type(state) is not dict or "__reduce_ex__" in state or "__getstate__" in state):
                return self._ask(index, obj, plan)
            size = self._ledger.name(index, _EARLY_PART, ".__class__", cls) + 3
            if state:
                size += 1 + self._attributes(index, self._but(state, plan.without) if plan.without else state)
            return size + self._slots(index, obj, plan, bool(state)) if plan.slots else size
        if how is How.CALL:
            return self._ask(index, obj, plan)
        if how is How.NAME:
            return self._ledger.write_name(obj, None, lambda: index)
        if plan.fault is not None:
            graph.fail(index, plan.fault)
        return 0

    def _attributes(self, index: int, state: dict[Any, Any]) -> int:
        """Look at a state that is a dict, key by key as attributes."""
        ledger = self._ledger
        key = id(state)
        if key in ledger.states:
            return sizes.LONG_GET
        ledger.states.add(key)
        names = list(state)
        values = list(state.values())
        size = (
            2 + (2 if len(names) > 1 else len(names)) if len(names) < sizes.BATCH else sizes.sequence_size(len(names))
        )
        texts, cheap = ledger.texts, ledger.cheap
        for name in names:
            key = id(name)
            if key in texts:
                size += 2 if key in cheap else 5
            elif type(name) is str:
                size += ledger.text(name)
            else:
                return size + self._odd_state(index, names, values)
        return size + ledger.take(index, _ATTRIBUTE, names, values)

    def _but(self, state: dict[Any, Any], without: frozenset[str]) -> dict[Any, Any]:
        """A state without some attributes; it lives as long as its id is in use."""
        made = {name: value for name, value in state.items() if type(name) is not str or name not in without}
        self._graph.keep.append(made)
        return made

    def _odd_state(self, index: int, names: list[Any], values: list[Any]) -> int:
        """Look at a state that is a dict with other keys than strings."""
        labels = [name if type(name) is str else "__getstate__" for name in names]
        size = self._ledger.take(index, Step.KEY, range(len(names)), names)
        return size + self._ledger.take(index, _ATTRIBUTE, labels, values)

    def _slots(self, index: int, obj: Any, plan: Plan, after_dict: bool) -> int:
        """Look at the slots that have a value; the state is then a pair, the attributes its first part."""
        names: list[str] = []
        values: list[Any] = []
        for name in plan.slots:
            if name in plan.without:
                continue
            try:
                value = getattr(obj, name)
            except AttributeError:
                continue
            names.append(name)
            values.append(value)
        if not names:
            return 0
        size = (2 if after_dict else 4) + sizes.sequence_size(len(names)) + sum(map(self._ledger.text, names))
        return size + self._ledger.take(index, _ATTRIBUTE, names, values)

    def _blocks(self, index: int, obj: Any, cause: Cause) -> bool:
        """Whether a thing best called by one name cannot cross; notes it if so, and what in it is to blame."""
        left = max(0.0, self._ledger.deadline - time.monotonic())
        part = self._walk(
            obj,
            self._graph.path(index),
            protocol=self._ledger.protocol,
            reducers=self._reducers,
            budget=Budget(nodes=_COMPOUND_NODES, bytes=_COMPOUND_BYTES, seconds=left),
            look_into_compounds=True,
            stop_at_fault=True,
            without=self._without,
        )
        if not part.faults:
            return False
        places = sorted(part.faults)
        contains = tuple(part.path(place) for place in places if place)
        self._graph.fail(index, Fault(cause, part.faults[places[0]][0].reason, contains=contains))
        return True

    def _ask(self, index: int, obj: Any, plan: Plan) -> int:
        """Take an object apart by its own hooks; the bytes of what they give."""
        graph, ledger = self._graph, self._ledger
        start = time.perf_counter()
        found = reduce_object(obj, plan, ledger.protocol, ledger.timer)
        seconds, calls = graph.hooks.get(id(plan.cls), (0.0, 0))
        graph.hooks[id(plan.cls)] = (seconds + time.perf_counter() - start, calls + 1)
        if isinstance(found, Fault):
            graph.fail(index, found)
            return 0
        if isinstance(found, str):
            return ledger.write_name(obj, found, lambda: index)
        if found.load_fault is not None:
            graph.fail(index, found.load_fault)
        noted = ledger.noted()
        size = self._made(index, obj, found) + self._filled(index, obj, plan, found)
        if ledger.noted() != noted:
            # Parts that exist only in what the hook gave must live as long as their ids are in use.
            graph.keep.append((found.made_by, found.arguments, found.keywords, found.state))
        return size

    def _made(self, index: int, obj: Any, found: Reduction) -> int:
        """Look at the call that makes an object anew."""
        graph, take = self._graph, self._ledger.take
        made_by, arguments = found.made_by, found.arguments
        label = ".__class__" if made_by is type(obj) else ".__reduce__()[0]"
        size = take(index, _EARLY_PART, (label,), (made_by,)) + sizes.tuple_size(len(arguments)) + 2
        before = len(graph.objects), len(graph.more_to)
        size += take(index, _EARLY_PART, _argument_labels(obj, found), arguments)
        if found.keywords:
            names = [f".__getnewargs_ex__()[1][{shown(name)}]" for name in found.keywords]
            size += take(index, _EARLY_PART, names, found.keywords.values()) + 5 * len(found.keywords) + 3
        if (len(graph.objects), len(graph.more_to)) != before:
            graph.called.append(index)
        return size

    def _filled(self, index: int, obj: Any, plan: Plan, found: Reduction) -> int:
        """Look at what is added to an object after it has been made anew."""
        ledger, state = self._ledger, found.state
        size = 0
        if found.items is not None:
            size += self._drawn(index, found.items, pairs=False)
        if found.pairs is not None:
            size += self._drawn(index, found.pairs, pairs=True)
        if state is None:
            return size
        if found.setter is not None:
            size += ledger.take(index, _PART, (".__reduce__()[5]",), (found.setter,)) + sizes.LONG_GET + 3
        if _is_partial(type(obj)) and type(state) is tuple and len(state) == 4:
            return size + ledger.take(index, _PART, (".func", ".args", ".keywords", ".__dict__"), state) + 4
        if type(state) is dict and (not plan.custom_setstate or _names_attributes(obj, state)):
            return size + self._attributes(index, state) + 1
        if type(state) is tuple and len(state) == 2 and not plan.custom_setstate and _is_state_pair(state):
            return size + sum(self._attributes(index, part) for part in state if part is not None) + 5
        return size + ledger.take(index, _PART, (".__getstate__()",), (state,)) + 1

    def _drawn(self, index: int, drawn: Iterator[Any], *, pairs: bool) -> int:
        """Look at the items that a hook hands out one by one, for as long as there is room."""
        graph, ledger = self._graph, self._ledger
        size = place = 0
        while True:
            try:
                batch = ledger.timer.call(list, islice(drawn, min(sizes.BATCH, ledger.room())))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the audited program's own iterator
                graph.fail(index, Fault(Cause.HOOK_FAILS, f"the items its hook gives: {describe(error)}"))
                return size
            if not batch:
                return size
            noted = len(ledger.texts)
            size += 2
            places = range(place, place + len(batch))
            if not pairs:
                size += ledger.take(index, Step.INDEX, places, batch)
            elif all(is_a(item, tuple) and len(item) == 2 for item in batch):
                keys = [item[0] for item in batch]
                size += ledger.take(index, Step.KEY, places, keys)
                size += ledger.take(index, Step.VALUE, keys, [item[1] for item in batch])
            else:
                why = "the fifth item that __reduce__ returned gives something else than pairs"
                graph.fail(index, Fault(Cause.HOOK_NONSENSE, why))
                return size
            if len(ledger.texts) != noted:
                graph.keep.append(batch)
            place += len(batch)
            if time.monotonic() > ledger.deadline:
                raise ledger.full(f"{ledger.budget.seconds:g} seconds are over")


def _argument_labels(obj: Any, found: Reduction) -> Iterable[str]:
    places = range(len(found.arguments))
    if type(obj) is MethodType and found.made_by is getattr:
        return (".__self__", ".__name__")
    if _is_partial(type(obj)):
        return (".func",)
    if found.by_new:
        return (f".__getnewargs__()[{place}]" for place in places)
    return (f".__reduce__()[1][{place}]" for place in places)


def _is_partial(cls: type) -> bool:
    return module_of(cls) == "functools" and qualname_of(cls) == "partial"


def _names_attributes(obj: Any, state: dict[Any, Any]) -> bool:
    """Whether the keys of a state are the names of attributes, as far as can be seen without asking the object."""
    try:
        own = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return False
    return type(own) is dict and all(type(name) is str and name in own for name in state)


def _is_state_pair(state: tuple[Any, Any]) -> bool:
    return all(part is None or type(part) is dict for part in state) and any(part is not None for part in state)
