"""The audit and pickle agree on what can be dumped, for thousands of generated graphs."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import itertools
import pickle
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grilse.audit import Cause, audit

from . import corpus
from .corpus import (
    Box,
    Chosen,
    ChosenWithSetter,
    FrozenRecord,
    MyDict,
    MyList,
    MySet,
    Named,
    NeedsItself,
    Record,
    Slotted,
)

# The two of these make at least the 2,000 graphs that are promised, and every run makes others.
EXAMPLES = 1_200


class ByExtraArguments:
    """Made anew with keyword arguments."""

    def __new__(cls, *, first: Any = None) -> ByExtraArguments:
        made = object.__new__(cls)
        made.first = first  # type: ignore[attr-defined]
        return made

    def __getnewargs_ex__(self) -> Any:
        return (), {"first": self.first}  # type: ignore[attr-defined]


class WithItems:
    """Gives its items one by one."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def append(self, item: Any) -> None:
        """Take an item."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Take a pair."""

    def __reduce__(self) -> Any:
        return object.__new__, (WithItems,), {}, iter(self.items), iter([(1, item) for item in self.items])


class FreshState:
    """Gives a new state each time."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getstate__(self) -> Any:
        return [self.inner, {"again": self.inner}]

    def __setstate__(self, state: Any) -> None:
        self.inner = state[0]


class InSlotAndDict(Slotted):
    """Has both slots and attributes."""


class OwnReduceEx:
    """An instance may have a hook of its own."""


class Number(int):
    """A number with attributes."""


class Text(str):
    """A text with attributes."""


class Failing(Exception):
    """An exception."""


Maker = Callable[[Any, Any], Any]


def _with(made: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def _deque(a: Any, b: Any) -> Any:
    return collections.deque([a, b], maxlen=3)


def _chain(a: Any, b: Any) -> Any:
    return itertools.chain([1], [2])


def _hooked(a: Any, b: Any) -> Any:
    made = OwnReduceEx()
    made.__reduce_ex__ = lambda protocol: (list, ((a,),))  # type: ignore[assignment]
    return made


def _stateful(a: Any, b: Any) -> Any:
    made = OwnReduceEx()
    made.__getstate__ = functools.partial(dict, kept=1)  # type: ignore[method-assign, assignment]
    return made


MAKERS: tuple[Maker, ...] = (
    lambda a, b: [a, b],
    lambda a, b: (a, b),
    lambda a, b: {"a": a, "b": b},
    lambda a, b: {1: a, (2, "x"): b},
    lambda a, b: [a] * 70,
    lambda a, b: Box(a=a, b=b),
    lambda a, b: Box(call=Box(a=a).method, b=b),
    lambda a, b: Record(a, b),
    lambda a, b: FrozenRecord(a),
    lambda a, b: Named(a, b),
    lambda a, b: _with(Slotted(), left=a),
    lambda a, b: _with(InSlotAndDict(), left=a, other=b),
    lambda a, b: _with(MyList([a]), note=b),
    lambda a, b: _with(MyDict(a=a), note=b),
    lambda a, b: MySet(["x", 1]),
    lambda a, b: Chosen(a, b),
    lambda a, b: ChosenWithSetter(a, b),
    lambda a, b: FreshState(a),
    lambda a, b: WithItems([a, b]),
    lambda a, b: ByExtraArguments(first=a),
    lambda a, b: NeedsItself(a),
    lambda a, b: functools.partial(print, a, key=b),
    lambda a, b: types.SimpleNamespace(a=a, b=b),
    lambda a, b: collections.OrderedDict(a=a, b=b),
    lambda a, b: collections.defaultdict(list, a=a),
    lambda a, b: collections.Counter("abc"),
    lambda a, b: collections.ChainMap({"a": a}, {"b": b}),
    _deque,
    lambda a, b: _with(Number(7), note=a),
    lambda a, b: _with(Text("x"), note=a),
    lambda a, b: _with(Failing(a, b), note=b),
    lambda a, b: iter([a, b]),
    lambda a, b: range(3),
    lambda a, b: datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    lambda a, b: decimal.Decimal("1.5"),
    lambda a, b: bytearray(b"xyz"),
    lambda a, b: frozenset([1, "x"]),
    lambda a, b: Box,
    lambda a, b: len,
    lambda a, b: [].append,
    lambda a, b: corpus.Colour.RED,
    lambda a, b: ...,
    lambda a, b: None,
    lambda a, b: -(2**70),
    lambda a, b: "text",
    lambda a, b: b"bytes" * 2000,
    lambda a, b: 2.5,
    _hooked,
    _stateful,
)

BLOCKERS: tuple[Maker, ...] = (
    lambda a, b: threading.Lock(),
    lambda a, b: lambda: a,
    lambda a, b: Box(local=threading.local(), a=a),
    lambda a, b: corpus.a_generator(),
    lambda a, b: types,
    lambda a, b: weakref.ref(corpus._KEPT),
    lambda a, b: corpus._local_class()(),
    lambda a, b: corpus.RaisesInReduce(),
    lambda a, b: corpus.ReturnsNumber(),
    lambda a, b: corpus.ReturnsShortTuple(),
    lambda a, b: corpus.Refuses(),
    lambda a, b: corpus.Liar(),
    lambda a, b: corpus.BadPairs(),
    lambda a, b: corpus.RecursesForEver(),
    lambda a, b: corpus.OldShadowed(),
    lambda a, b: memoryview(b"x"),
    lambda a, b: threading.Condition(),
    lambda a, b: weakref.WeakValueDictionary(),
    lambda a, b: {threading.Lock(): a},
    lambda a, b: functools.partial(lambda: 0, a),
)

# A graph is made step by step: which maker, and which two of the objects made before it is given.
_step = st.tuples(st.integers(0, len(MAKERS) - 1), st.integers(0, 30), st.integers(0, 30))
_blocker = st.tuples(st.integers(0, len(BLOCKERS) - 1), st.integers(0, 30))
# Then references back are added, so that there are circles: from which object, to which.
_back = st.tuples(st.integers(0, 30), st.integers(0, 30))


def _build(steps: list[tuple[int, int, int]], blockers: list[tuple[int, int]], backs: list[tuple[int, int]]) -> Any:
    made: list[Any] = [1]
    for maker, a, b in steps:
        # The last ones most of all, so that most of what is made hangs together.
        made.append(MAKERS[maker](_recent(made, a), _recent(made, b)))
    for maker, at in blockers:
        holder = _recent(made, at)
        value = BLOCKERS[maker](holder, None)
        if not _attach(holder, value):
            made.append((made[-1], value))
    for source, target in backs:
        _attach(_recent(made, source), _recent(made, target))
    return made[-1]


def _recent(made: list[Any], number: int) -> Any:
    return made[-1 - (number % min(len(made), 5))]


def _attach(holder: Any, value: Any) -> bool:
    kind = type(holder)
    if kind is list or kind is MyList or kind is collections.deque:
        holder.append(value)
    elif kind is dict:
        holder["more"] = value
    elif kind in (Box, Record, types.SimpleNamespace, Failing):
        holder.more = value
    elif kind in (NeedsItself, FreshState):
        setattr(holder, "other" if kind is NeedsItself else "inner", value)
    elif kind is MySet and type(value).__hash__ is object.__hash__:
        holder.add(value)
    elif kind is WithItems:
        holder.items.append(value)
    else:
        return False
    return True


def _picklable(root: Any) -> bool:
    try:
        pickle.dumps(root)
    except Exception:
        return False
    return True


def _check(root: Any) -> None:
    report = audit(root, name="r", spawn=False)
    assert report.complete
    assert report.picklable is _picklable(root), report.blockers
    # It was the walk that saw it, not the trial dump after it.
    assert all(blocker.cause not in (Cause.OTHER, Cause.TOO_DEEP) for blocker in report.blockers)
    if report.picklable and not report.blockers:
        assert report.bytes == len(pickle.dumps(root))


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_step, max_size=14), st.lists(_back, max_size=4))
def test_agrees_with_pickle_on_graphs_without_planted_blockers(steps: Any, backs: Any) -> None:
    _check(_build(steps, [], backs))


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_step, max_size=10), st.lists(_blocker, max_size=2), st.lists(_back, max_size=3))
def test_agrees_with_pickle_on_graphs_with_planted_blockers(steps: Any, blockers: Any, backs: Any) -> None:
    _check(_build(steps, blockers, backs))
