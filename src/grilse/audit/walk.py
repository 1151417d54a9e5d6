"""Walk an object graph as pickle would, past everything that pickle would stop at, and record it as a ``Graph``.

Goes breadth first, so that the recorded path of an object is a shortest one; which objects are reached, and what
pickle writes for them, does not depend on the order.  Calls only what pickle would call, compares and hashes no
object of the audited program, and changes none.  Knows nothing of what is then made of the graph.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pickle import PickleBuffer, dumps
from types import FunctionType
from typing import Any

from . import instances, sizes
from .graph import EARLY, Graph, Step
from .guard import HookTimer, OutOfTime
from .ledger import Full, Ledger
from .model import Budget, Cause, LeftOut
from .names import Fault

# Ids of the exact types that hold no other object and that pickle writes in place.
_NUMBERS = frozenset(map(id, (int, float, bool, type(None))))
_STRINGS = frozenset((id(str),))
# Containers of at least so many items are looked at as a whole first.
_BULK = 64
# Items of a large container that are looked at in one go.
_CHUNK = 1024
# Objects between two looks at the clock.
_CLOCK_EVERY = 256
# Plain numbers for the loop.
_ITEM = int(Step.INDEX)
_TUPLE_ITEM = int(Step.INDEX) | EARLY
_VALUE = int(Step.VALUE)
_PLACES = range(_BULK)


def walk(
    root: object,
    name: str,
    *,
    protocol: int,
    reducers: Mapping[type, Any],
    budget: Budget,
    look_into_compounds: bool = False,
    stop_at_fault: bool = False,
    lost: Mapping[int, Fault] | None = None,
    without: Mapping[str, Collection[str]] | None = None,
) -> Graph:
    """The graph below ``root``, as far as the budget goes; what was left out is in its ``left_out``.

    ``reducers`` are functions by class, as in a pickler's ``dispatch_table``.  Things that are written in Python but
    best called by one name are looked into only with ``look_into_compounds``; with ``stop_at_fault`` the walk ends
    soon after the first thing that cannot cross.  ``lost`` are classes and functions, by their ids, that a spawned
    interpreter has been found not to find; ``without`` are attributes to look past, by class name.
    """
    deadline = time.monotonic() + budget.seconds
    graph = Graph(name)
    with HookTimer(deadline) as timer:
        ledger = Ledger(graph, protocol, budget, timer, deadline, lost or {})
        try:
            size = sizes.PROTO_AND_STOP + ledger.take(-1, Step.ROOT, (name,), (root,))
            if not graph.objects:  # the root is a number, a short string or a name
                ledger.register(root, -1, Step.ROOT, name)
                graph.own.append(size)
                graph.atoms.append(0)
            else:
                _run(
                    ledger, instances.Asking(ledger, reducers, look_into_compounds, walk, without or {}), stop_at_fault
                )
                graph.own[0] += size
        except Full:
            pass
        except OutOfTime:
            where = graph.path(max(0, len(graph.own) - 1))
            graph.left_out.append(LeftOut(where, 0, f"a hook still ran when {budget.seconds:g} seconds were over"))
            ledger.full(f"{budget.seconds:g} seconds are over")
        finally:
            # Nothing is looked up by its id any more: what was kept for that may go before the next step needs room.
            ledger.close()
    return graph


def _run(ledger: Ledger, asking: instances.Asking, stop_at_fault: bool) -> None:
    """Look into one object after the other, until none is left.

    :raises Full: if a bound of the budget is met.
    """
    graph, take, budget = ledger.graph, ledger.take, ledger.budget
    objects, own, atoms = graph.objects, graph.own, graph.atoms
    looks = {id(kind): look for kind, look in _LOOKED_INTO.items()}
    total = 0
    index = len(own)
    while index < len(objects):
        if not index % _CLOCK_EVERY and time.monotonic() > ledger.deadline:
            raise ledger.full(f"{budget.seconds:g} seconds are over")
        if total > budget.bytes:
            raise ledger.full(f"the budget of {budget.bytes:,} bytes is used up")
        if stop_at_fault and graph.faults:
            return
        obj = objects[index]
        kind = type(obj)
        atoms.append(0)
        own.append(0)
        if index < sizes.SHORT_MEMO:
            ledger.remember(id(obj))
        # The two that are most often met and have few items come first; for the rest, see below.
        if kind is list and len(obj) < _BULK:
            size = take(index, _ITEM, _PLACES, obj) + (4 if len(obj) > 1 else 2 + len(obj))
        elif kind is tuple and len(obj) < _BULK:
            size = take(index, _TUPLE_ITEM, _PLACES, obj) + (3 if len(obj) > 3 else 2)
        elif kind is dict:
            size = pairs(ledger, index, obj)
        else:
            look = looks.get(id(kind))
            size = asking.instance(index, obj, kind) if look is None else look(ledger, index, obj)
        own[index] = size
        total += size
        index += 1


def pairs(ledger: Ledger, index: int, mapping: Mapping[Any, Any]) -> int:
    """Look at the keys and values of an exact dict; the bytes of it."""
    keys = list(mapping)
    values = list(mapping.values())
    count = len(keys)
    if count < _BULK:
        texts, cheap = ledger.texts, ledger.cheap
        size = 2 + (2 if count > 1 else count)
        for place, key in enumerate(keys):
            known = id(key)
            # A string that is known is by far the most frequent key.
            if known in texts:
                size += 2 if known in cheap else 5
            else:
                size += ledger.take(index, Step.KEY, (place,), (key,))
        return size + ledger.take(index, _VALUE, keys, values)
    room = ledger.room()
    if len(keys) > room:
        _leave_out(ledger, index, len(keys) - room)
        del keys[room:], values[room:]
    size = sizes.sequence_size(len(keys)) + ledger.take(index, Step.KEY, range(len(keys)), keys)
    return size + ledger.take(index, _VALUE, keys, values)


def _list(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.sequence_size(len(obj)) + _items(ledger, index, _ITEM, obj)


def _tuple(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.tuple_size(len(obj)) + _items(ledger, index, _TUPLE_ITEM, obj)


def _set(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.sequence_size(len(obj)) + _items(ledger, index, Step.ELEMENT, list(obj))


def _frozenset(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.frozenset_size(len(obj)) + _items(ledger, index, Step.ELEMENT | EARLY, list(obj))


def _text(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.text_size(obj)


def _bytes(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.bytes_size(obj)


def _bytearray(ledger: Ledger, index: int, obj: Any) -> int:
    return sizes.bytearray_size(len(obj), ledger.protocol)


def _buffer(ledger: Ledger, index: int, obj: Any) -> int:
    try:
        return len(dumps(obj, ledger.protocol))
    except Exception as error:  # noqa: BLE001 - a buffer's exporter may raise anything
        ledger.graph.fail(index, Fault(Cause.OTHER, str(error)))
        return 0


def _nameless(ledger: Ledger, index: int, obj: Any) -> int:
    # A class or function that cannot be found under its name: noted when it was met.
    return 0


_LOOKED_INTO = {
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _frozenset,
    str: _text,
    bytes: _bytes,
    bytearray: _bytearray,
    PickleBuffer: _buffer,
    type: _nameless,
    FunctionType: _nameless,
}


def _leave_out(ledger: Ledger, index: int, count: int) -> None:
    ledger.graph.left_out.append(LeftOut(ledger.graph.path(index), count, ledger.nodes_full()))


def _items(ledger: Ledger, index: int, step: int, items: Any) -> int:
    """Look at the items of an exact list or tuple, or of the list of a set's elements; the bytes of them."""
    count = len(items)
    if count < _BULK:
        return ledger.take(index, step, range(count), items)
    if count > ledger.room():
        _leave_out(ledger, index, count - ledger.room())
        items = items[: ledger.room()]
    size = _alike(ledger, index, items)
    if size is not None:
        return size
    starts = range(0, len(items), _CHUNK)
    return sum(_chunk(ledger, index, step, start, items[start : start + _CHUNK]) for start in starts)


def _chunk(ledger: Ledger, index: int, step: int, start: int, items: Any) -> int:
    memo = ledger.memo
    if id(items[0]) in memo and id(items[-1]) in memo:
        targets = dict.fromkeys(map(memo.get, map(id, items)))
        if None not in targets:
            # Nothing but references to what is known already: one to each will do.
            for target in targets:
                if target is not None:
                    ledger.refer(index, target, step, "…")
            ledger.graph.atoms[index] += len(items)
            ledger.visit(len(items))
            return sizes.LONG_GET * len(items)
    return ledger.take(index, step, range(start, start + len(items)), items)


def _alike(ledger: Ledger, index: int, items: Any) -> int | None:
    """The bytes of many numbers, or of many short strings that are new; None if they are anything else."""
    kinds = set(map(id, map(type, items)))
    size: int
    if kinds <= _NUMBERS:
        # No hook is called for these; take off what pickle writes around them.
        written = len(dumps(list(items), 4)) - sizes.PROTO_AND_STOP - sizes.sequence_size(len(items))
        size = written - sizes.FRAME * max(1, written // sizes.FRAME_TARGET)
    elif kinds == _STRINGS:
        new = set(map(id, items))
        if len(new) < len(items) or not ledger.texts.isdisjoint(new) or not all(map(str.isascii, items)):
            return None
        lengths = list(map(len, items))
        if max(lengths) >= 256:
            return None
        ledger.texts |= new
        ledger.memoised += len(new)
        size = sum(lengths) + 3 * len(items)
    else:
        return None
    ledger.graph.atoms[index] += len(items)
    ledger.visit(len(items))
    return size
