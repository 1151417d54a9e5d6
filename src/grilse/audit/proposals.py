"""Propose, for each class whose instances hold what cannot cross, a state that they could send instead.

The proposal is source text of ``__getstate__`` and ``__setstate__``; the same text is what is verified.  Knows nothing
of how a spawned interpreter is asked.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from .graph import SHIFT, STEP_MASK, Graph, Step
from .model import AttributeChange, Cause, Remedy
from .names import Fault, GlobalName, find_global, is_a, qualname_of, type_name
from .probe import compile_method
from .reduction import How, Plan
from .remedies import advice_for

# Passes over the graph until no attribute more is found to be in the way.
_PASSES = 500
# What a default reduction names as the maker; pickle writes it as an opcode.
_NEW = vars(copyreg)["__newobj__"]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A proposed state for one class, and the place of its first instance in the graph."""

    cls: type
    index: int
    changes: tuple[AttributeChange, ...]
    kept: tuple[str, ...]
    text: str
    getstate: str
    setstate: str
    # Why instances cannot be verified, or None if that can be tried.
    problem: str | None
    name: GlobalName | Fault


@dataclass(frozen=True, slots=True)
class _Edge:
    """A reference from one object to another."""

    target: int
    step: int
    label: Any


@dataclass(frozen=True, slots=True)
class _Cut:
    """An attribute that must be held back: why, and an instance in which it is in the way."""

    fault: Fault
    holder: int


def sketches_of(graph: Graph) -> list[Sketch]:
    """A sketch for each class that must hold back attributes for its instances to cross, in the order of paths."""
    if not graph.faults:
        return []
    blocked = _blocked(graph)
    edges = _edges(graph)
    first: dict[int, int] = {}
    for index, obj in enumerate(graph.objects):
        first.setdefault(id(type(obj)), index)
    # Looked at by themselves as well: the instances of classes that cannot be found, for what would be in the way once
    # they can, and the first instance of a class that is reached only through what is held back.
    starts = {0}
    starts.update(index for index, fault in blocked.items() if fault.cause is Cause.CLASS_NOT_IMPORTABLE)
    cuts: dict[tuple[int, str], _Cut] = {}
    for _ in range(_PASSES):
        more = _cuts(graph, edges, blocked, cuts, starts)
        if not more:
            break
        cuts.update(more)
        starts.update(first[cls] for cls, _ in more)
    by_class: dict[int, dict[str, _Cut]] = {}
    for (cls, attribute), cut in cuts.items():
        by_class.setdefault(cls, {})[attribute] = cut
    found = [_sketch(graph, first[key], attributes) for key, attributes in by_class.items()]
    return sorted(found, key=lambda sketch: sketch.index)


def _blocked(graph: Graph) -> dict[int, Fault]:
    """The objects that cannot cross whatever state they send: the blockers, and instances of blocked classes."""
    blocked = {index: faults[0] for index, faults in graph.faults.items() if not _is_method(faults)}
    classes = [index for index in blocked if is_a(graph.objects[index], type)]
    references = graph.references_to(set(classes))
    for index in classes:
        # Both the class and its instances, by whichever reference they are reached.
        fault = blocked[index]
        if _is_own_class(graph.origins[index], graph.labels[index]):
            blocked[graph.parent(index)] = fault
        for place in references.get(index, ()):
            if _is_own_class(graph.more_origins[place], graph.more_labels[place]):
                blocked[graph.more_origins[place] >> SHIFT] = fault
    return blocked


def _is_method(faults: list[Fault]) -> bool:
    return all(fault.cause is Cause.BOUND_METHOD for fault in faults)


def _is_own_class(origin: int, label: Any) -> bool:
    return origin & STEP_MASK == Step.PART and label == ".__class__"


def _edges(graph: Graph) -> dict[int, list[_Edge]]:
    edges: dict[int, list[_Edge]] = {}
    for index, origin in enumerate(graph.origins):
        if index:
            edges.setdefault(origin >> SHIFT, []).append(_Edge(index, origin & STEP_MASK, graph.labels[index]))
    for origin, target, label in zip(graph.more_origins, graph.more_to, graph.more_labels):
        edges.setdefault(origin >> SHIFT, []).append(_Edge(target, origin & STEP_MASK, label))
    return edges


def _cuts(
    graph: Graph,
    edges: dict[int, list[_Edge]],
    blocked: Mapping[int, Fault],
    cuts: Mapping[tuple[int, str], _Cut],
    starts: set[int],
) -> dict[tuple[int, str], _Cut]:
    """The attributes, by class, through which what is blocked is reached from the starts, besides those already cut."""
    more: dict[tuple[int, str], _Cut] = {}
    # By object: the nearest attribute above it, and the instance that holds that.
    seen: dict[int, tuple[tuple[int, str] | None, int]] = {start: (None, start) for start in starts}
    waiting = sorted(starts)
    for index in waiting:
        if index in blocked and index not in starts:
            continue
        cls = id(type(graph.objects[index]))
        for edge in edges.get(index, ()):
            owner, holder = ((cls, edge.label), index) if edge.step == Step.ATTRIBUTE else seen[index]
            if owner in cuts:
                continue
            if edge.target in blocked and owner is not None:
                more.setdefault(owner, _Cut(blocked[edge.target], holder))
            if edge.target not in seen:
                seen[edge.target] = owner, holder
                waiting.append(edge.target)
    return more


def _sketch(graph: Graph, index: int, attributes: dict[str, _Cut]) -> Sketch:
    obj = graph.objects[index]
    cls = type(obj)
    plan = graph.plans[id(cls)]
    changes = []
    lines: list[str] = []
    for name in sorted(attributes):
        cut = attributes[name]
        remedy, why, anew = _anew(cut.fault, _value(graph.objects[cut.holder], name))
        changes.append(AttributeChange(name, remedy, why))
        lines.append(f"{name!r}: {anew},  # {why}")
    held = _held(obj, plan.slots)
    kept = tuple(name for name in held if name not in attributes)
    dropped = tuple(sorted(attributes))
    getstate = _getstate(dropped, plan.slots, plan.has_dict)
    setstate = _setstate(lines, plan.slots, plan.has_dict)
    named = find_global(cls)
    problem = None
    if isinstance(named, Fault):
        problem = f"its class cannot be found in a new interpreter: {named.reason}"
    elif plan.how is not How.PLAIN or plan.custom_setstate:
        problem = "its class has pickling hooks of its own: these are what must change"
    text = f"class {qualname_of(cls)}:\n" + _indented(getstate) + "\n" + _indented(setstate)
    return Sketch(cls, index, tuple(changes), kept, text, getstate, setstate, problem, named)


def _value(obj: Any, name: str) -> Any:
    try:
        return object.__getattribute__(obj, name)
    except AttributeError:
        return None


def _held(obj: Any, slots: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    try:
        names += [name for name in object.__getattribute__(obj, "__dict__") if type(name) is str]
    except AttributeError:
        pass
    return sorted({*names, *slots})


def _anew(fault: Fault, value: Any) -> tuple[Remedy, str, str]:
    """The remedy for an attribute, in words, and the expression that gives it its value after the spawn."""
    cls = type(value)
    name = type_name(cls)
    advice = advice_for(fault.cause, cls)
    if cls is ModuleType:
        return Remedy.SEND_KEY, f"module {value.__name__}", f"__import__('importlib').import_module({value.__name__!r})"
    if name == "_thread.lock":
        return Remedy.RECOMPUTE, "a lock, made anew", "__import__('threading').Lock()"
    if name == "_thread.RLock":
        return Remedy.RECOMPUTE, "a lock, made anew", "__import__('threading').RLock()"
    if name == "_thread._local":
        return Remedy.RECOMPUTE, "thread-local values, made anew", "__import__('threading').local()"
    if name in ("threading.Condition", "threading.Event", "queue.Queue", "weakref.WeakValueDictionary"):
        module, _, called = name.partition(".")
        return Remedy.RECOMPUTE, f"a {called}, made anew", f"__import__({module!r}).{called}()"
    if name == "weakref.WeakKeyDictionary":
        return Remedy.RECOMPUTE, "weak references, made anew", "__import__('weakref').WeakKeyDictionary()"
    path = getattr(value, "name", None) if fault.cause is Cause.OPEN_FILE else None
    if type(path) is str:
        return Remedy.OPEN_LATER, f"an open file: {advice.remedy}", "None"
    remedy = Remedy.SEND_KEY if fault.cause is Cause.CLASS_NOT_IMPORTABLE else advice.remedy
    held = fault.cause.value if cls.__module__ != "builtins" or cls is FunctionType else f"a {name} with: {fault.cause}"
    return remedy, held, "None"


def _getstate(dropped: tuple[str, ...], slots: tuple[str, ...], has_dict: bool) -> str:
    lines = ["def __getstate__(self):"]
    lines.append("    state = dict(self.__dict__)" if has_dict else "    state = {}")
    if slots:
        lines += [
            f"    for name in {slots!r}:",
            "        if hasattr(self, name):",
            "            state[name] = getattr(self, name)",
        ]
    lines += [f"    for name in {dropped!r}:", "        state.pop(name, None)", "    return state", ""]
    return "\n".join(lines)


def _setstate(anew: list[str], slots: tuple[str, ...], has_dict: bool) -> str:
    lines = ["def __setstate__(self, state):", "    made = {"]
    lines += [f"        {line}" for line in anew]
    lines.append("    }")
    if slots:
        lines += ["    for name, value in {**made, **state}.items():", "        object.__setattr__(self, name, value)"]
    else:
        lines.append("    self.__dict__.update(made, **state)")
    lines.append("")
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def getstates_of(sketches: list[Sketch]) -> dict[int, Callable[[Any], Any]]:
    """The proposed ``__getstate__`` of each class, by the class's id, of the sketches that can be verified."""
    return {
        id(sketch.cls): compile_method(sketch.getstate, "__getstate__") for sketch in sketches if not sketch.problem
    }


def getstates_without(plans: Iterable[Plan]) -> dict[int, Callable[[Any], Any]]:
    """A ``__getstate__`` for each class some of whose attributes are to be looked past, by the class's id."""
    return {id(plan.cls): partial(_state_without, plan) for plan in plans if plan.without}


def _state_without(plan: Plan, obj: Any) -> dict[str, Any] | tuple[Any, dict[str, Any]]:
    own = object.__getattribute__(obj, "__dict__") if plan.has_dict else {}
    state = {name: value for name, value in own.items() if name not in plan.without}
    if not plan.slots:
        return state
    held = [name for name in plan.slots if name not in plan.without and hasattr(obj, name)]
    return state or None, {name: getattr(obj, name) for name in held}


def dump_with(
    obj: object, getstates: dict[int, Callable[[Any], Any]], reducers: Mapping[type, Any], protocol: int
) -> bytes:
    """The dump of an object with the proposed states in force, without changing any class.

    :raises Exception: whatever pickling raises if something cannot cross even so.
    """

    class Proposed(pickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            getstate = getstates.get(id(type(value)))
            if getstate is None:
                return NotImplemented
            return _NEW, (type(value),), getstate(value)

    file = io.BytesIO()
    pickler = Proposed(file, protocol)
    pickler.dispatch_table = reducers
    pickler.dump(obj)
    return file.getvalue()


def dropped_by_class(sketches: list[Sketch]) -> dict[str, list[str]]:
    """The attributes that do not count when a loaded object is compared, by class name."""
    return {
        type_name(sketch.cls): [change.name for change in sketch.changes]
        for sketch in sketches
        if sketch.problem is None
    }
