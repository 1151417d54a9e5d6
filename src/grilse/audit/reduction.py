"""How pickle takes one object apart: by which hook, into which parts, and what pickle checks about them.

Follows the order in which CPython's pickler asks (Modules/_pickle.c, ``save`` and ``save_reduce``;
Objects/typeobject.c, ``object.__reduce_ex__``), and calls the same hooks.  Knows nothing of paths, sizes or the rest
of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import CodeType, FunctionType, GetSetDescriptorType
from typing import Any

from .causes import cause_of_refusal, is_compound, sort_of
from .guard import HookTimer
from .model import Cause, Stage
from .names import Fault, class_attribute, class_dict, describe, is_a, mro_of, qualname_of, type_name


class How(IntEnum):
    """The way to take apart the instances of one class."""

    PLAIN = 1  # the default state: its attributes, and the values of its slots
    NAME = 2  # a class with a metaclass: written as a name
    CALL = 3  # ask its hooks, each time
    FAULT = 4  # no instance can be reduced


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a class once its first instance has been seen."""

    how: How
    cls: type
    has_dict: bool = False
    slots: tuple[str, ...] = ()
    reducer: Callable[[Any], Any] | None = None
    python_hooks: bool = True
    custom_setstate: bool = False
    compound: Cause | None = None
    fault: Fault | None = None
    load_fault: Fault | None = None
    # Attributes that are to be looked past, as if no instance held them.
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reduction:
    """The parts that a hook gave: a call that makes the object anew, and what is added to it afterwards."""

    made_by: Any
    arguments: tuple[Any, ...]
    keywords: dict[Any, Any]
    by_new: bool
    state: Any = None
    items: Iterator[Any] | None = None
    pairs: Iterator[Any] | None = None
    setter: Any = None
    load_fault: Fault | None = None


_OBJECT_HOOKS = {
    name: object.__dict__[name] for name in ("__reduce_ex__", "__reduce__", "__getstate__", "__getattribute__")
}
# Classes whose attributes are the number of a descriptor of this process, and which pickle takes for plain.
_NUMBERED = ("multiprocessing.connection._ConnectionBase", "multiprocessing.connection.Listener")
_NONE: frozenset[str] = frozenset()
_OBJECT_CLASS = object.__dict__["__class__"]


def plan_for(
    obj: Any,
    protocol: int,
    reducers: Mapping[type, Any],
    timer: HookTimer,
    without: Mapping[str, Collection[str]],
) -> Plan:
    """The plan for the class of ``obj``; asks ``obj`` itself once, if the class reduces by default."""
    cls = type(obj)
    compound = sort_of(cls) if is_compound(cls) else None
    try:
        reducer = reducers.get(cls)
    except Exception as error:  # noqa: BLE001 - a metaclass may define __hash__
        return Plan(
            How.FAULT,
            cls,
            fault=Fault(Cause.HOOK_FAILS, f"looking up a reducer for its class raises {describe(error)}"),
        )
    custom_setstate = class_attribute(cls, "__setstate__") is not None
    python_hooks = _has_python_hooks(cls) or reducer is not None
    asking = Plan(
        How.CALL,
        cls,
        reducer=reducer,
        python_hooks=python_hooks,
        custom_setstate=custom_setstate,
        compound=compound,
    )
    if reducer is not None:
        return asking
    if issubclass(cls, type):
        return Plan(How.NAME, cls)
    if not _reduces_by_default(cls):
        return asking
    had_names = "__slotnames__" in class_dict(cls)
    try:
        if class_attribute(cls, "__getattr__") is None:
            object.__reduce_ex__(obj, protocol)
        else:
            timer.call(object.__reduce_ex__, obj, protocol)
    except Exception as error:  # noqa: BLE001 - metaclasses and descriptors may raise anything
        return Plan(How.FAULT, cls, compound=compound, fault=Fault(cause_of_refusal(cls, error), describe(error)))
    names = class_dict(cls).get("__slotnames__") or ()
    if not had_names and "__slotnames__" in class_dict(cls):
        # The default reduction keeps the names it computed on the class; leave the class as it was.
        type.__delattr__(cls, "__slotnames__")
    if names and class_attribute(cls, "__getattr__") is not None:
        # An empty slot asks __getattr__: let the real reduction do that.
        return asking
    return Plan(
        How.PLAIN,
        cls,
        has_dict=cls.__dictoffset__ != 0,
        slots=tuple(names),
        custom_setstate=custom_setstate,
        compound=compound,
        load_fault=_meaning_fault(cls) or _new_fault(cls, 0),
        without=frozenset(name for base in mro_of(cls) for name in without.get(type_name(base), ()))
        if without
        else _NONE,
    )


def _reduces_by_default(cls: type) -> bool:
    if issubclass(cls, (list, dict)):
        return False
    for name, default in _OBJECT_HOOKS.items():
        if class_attribute(cls, name) is not default:
            return False
    if class_attribute(cls, "__getnewargs_ex__") is not None or class_attribute(cls, "__getnewargs__") is not None:
        return False
    if class_attribute(cls, "__class__") is not _OBJECT_CLASS:
        return False
    own_dict = class_attribute(cls, "__dict__")
    return own_dict is None or type(own_dict) is GetSetDescriptorType


def _meaning_fault(cls: type) -> Fault | None:
    """Why a state that pickle takes for plain means nothing in another process; None if it may mean something."""
    if any(type_name(base) in _NUMBERED for base in mro_of(cls)):
        return Fault(Cause.SOCKET, "pickle sends the number of its descriptor, which is another's there", Stage.LOAD)
    return None


def _has_python_hooks(cls: type) -> bool:
    """Whether code of the audited program may run when an instance is reduced."""
    names = (*_OBJECT_HOOKS, "__getnewargs_ex__", "__getnewargs__", "__getattr__", "__iter__", "items", "__class__")
    return any(is_a(class_attribute(cls, name), FunctionType, property) for name in names)


def reduce_object(obj: Any, plan: Plan, protocol: int, timer: HookTimer) -> Reduction | str | Fault:
    """The parts of ``obj`` as its hooks give them, the name it is to be written under, or why neither can be had.

    :raises OutOfTime: if a hook still ran when the time of the audit was over.
    """
    try:
        if plan.reducer is not None:
            value = timer.call(plan.reducer, obj)
        elif plan.python_hooks:
            value = timer.call(_ask, obj, protocol)
        else:
            value = _ask(obj, protocol)
    except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001 - the audited program's own hooks
        return Fault(cause_of_refusal(type(obj), error), describe(error))
    if is_a(value, str):
        return str.__str__(value)
    try:
        return _checked(obj, value)
    except Exception as error:  # noqa: BLE001 - attributes of what a hook returned may raise anything
        return Fault(Cause.HOOK_NONSENSE, f"looking at what its hook returned raises {describe(error)}")


def _ask(obj: Any, protocol: int) -> Any:
    try:
        hook = obj.__reduce_ex__
    except AttributeError:
        return obj.__reduce__()
    return hook(protocol)


def _checked(obj: Any, value: Any) -> Reduction | Fault:
    if not is_a(value, tuple):
        return _nonsense(f"__reduce__ must return a string or a tuple, not {type_name(type(value))}")
    if not 2 <= len(value) <= 6:
        return _nonsense(f"__reduce__ returned a tuple of {len(value)}, not of 2 to 6")
    made_by, arguments, state, items, pairs, setter = (*value, None, None, None, None)[:6]
    if not callable(made_by):
        return _nonsense("the first item that __reduce__ returned is not callable")
    if not is_a(arguments, tuple):
        return _nonsense("the second item that __reduce__ returned is not a tuple")
    if items is not None and not _is_iterator(items):
        return _nonsense("the fourth item that __reduce__ returned is not an iterator")
    if pairs is not None and not _is_iterator(pairs):
        return _nonsense("the fifth item that __reduce__ returned is not an iterator")
    if setter is not None and not callable(setter):
        return _nonsense("the sixth item that __reduce__ returned is not callable")
    name = getattr(made_by, "__name__", None)
    keywords: dict[Any, Any] = {}
    by_new = is_a(name, str) and name in ("__newobj__", "__newobj_ex__")
    if by_new:
        if name == "__newobj_ex__":
            if len(arguments) != 3:
                return _nonsense("__newobj_ex__ needs three arguments")
            made_by, arguments, keywords = arguments
            if not is_a(arguments, tuple) or not is_a(keywords, dict):
                return _nonsense("__newobj_ex__ needs a class, a tuple and a dict")
        else:
            if not arguments:
                return _nonsense("__newobj__ needs a class")
            made_by, arguments = arguments[0], arguments[1:]
            if getattr(obj, "__class__", type(obj)) is not made_by:
                return _nonsense("__newobj__ was given another class than that of the object")
        if not hasattr(made_by, "__new__"):
            return _nonsense("what __newobj__ is to call is not a class")
        load_fault = _new_fault(made_by, len(arguments), tuple(keywords))
    else:
        load_fault = _call_fault(made_by, len(arguments))
        if load_fault is None and made_by is getattr and len(arguments) == 2:
            load_fault = _method_fault(*arguments)
    return Reduction(made_by, arguments, keywords, by_new, state, items, pairs, setter, load_fault)


def _is_iterator(value: object) -> bool:
    return class_attribute(type(value), "__next__") is not None


def _nonsense(why: str) -> Fault:
    return Fault(Cause.HOOK_NONSENSE, why)


def _new_fault(cls: Any, positional: int, keywords: tuple[Any, ...] = ()) -> Fault | None:
    if not is_a(cls, type):
        return None
    new = class_attribute(cls, "__new__")
    new = new.__func__ if isinstance(new, staticmethod) else new
    return _argument_fault(new, positional + 1, keywords, f"{qualname_of(cls)}.__new__")


def _call_fault(made_by: Any, positional: int) -> Fault | None:
    if type(made_by) is FunctionType:
        return _argument_fault(made_by, positional, (), made_by.__qualname__)
    if is_a(made_by, type) and class_attribute(type(made_by), "__call__") is type.__dict__["__call__"]:
        init = class_attribute(made_by, "__init__")
        fault = _argument_fault(init, positional + 1, (), f"{qualname_of(made_by)}.__init__")
        return fault if fault is not None else _new_fault(made_by, positional)
    return None


def _argument_fault(function: object, positional: int, keywords: tuple[Any, ...], called: str) -> Fault | None:
    """Why a Python function cannot be called with that many arguments; None if it can, or if it is not Python."""
    if type(function) is not FunctionType:
        return None
    code: CodeType = function.__code__
    taken = code.co_argcount
    names = code.co_varnames
    takes_any = bool(code.co_flags & 0x04)
    takes_keywords = bool(code.co_flags & 0x08)
    if positional > taken and not takes_any:
        why = f"{called} takes {taken - 1} arguments, and unpickling gives {positional - 1}"
        return Fault(Cause.CONSTRUCTOR, why, Stage.LOAD)
    defaults = len(function.__defaults__ or ())
    missing = [name for name in names[positional : taken - defaults] if name not in keywords]
    only = names[taken : taken + code.co_kwonlyargcount]
    missing += [name for name in only if name not in (function.__kwdefaults__ or {}) and name not in keywords]
    unknown = [name for name in keywords if name not in names[: taken + len(only)]] if not takes_keywords else []
    if missing:
        return Fault(
            Cause.CONSTRUCTOR, f"{called} needs {_listed(missing)}, which unpickling does not give", Stage.LOAD
        )
    if unknown:
        return Fault(Cause.CONSTRUCTOR, f"{called} does not take {_listed(unknown)}", Stage.LOAD)
    return None


def _listed(names: list[Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _method_fault(owner: Any, name: Any) -> Fault | None:
    """Why the method will not be found again when it is loaded; None if it will, or if that cannot be told."""
    if not is_a(name, str):
        return None
    classes = list(mro_of(type(owner)))
    if any("__getattr__" in class_dict(cls) or "__getattribute__" in class_dict(cls) for cls in classes[:-1]):
        return None
    if is_a(owner, type):
        classes += mro_of(owner)
    elif type(owner).__module__ == "builtins" or "__dict__" not in dir(type(owner)):
        return None
    if any(name in class_dict(cls) for cls in classes):
        return None
    if not is_a(owner, type) and name in getattr(owner, "__dict__", ()):
        return None
    return Fault(Cause.NOT_IMPORTABLE, f"its owner has no attribute '{name}' when it is loaded", Stage.LOAD)
