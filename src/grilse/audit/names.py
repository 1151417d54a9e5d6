"""Find out whether pickle can write a class or function as a name, and under which one.

Does what pickle does for a global, without importing anything: a module that is not loaded in this process counts as
one that cannot be found.  Knows nothing of graphs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from .model import Cause, Stage

_type_module: Callable[[type], object] = type.__dict__["__module__"].__get__
_type_qualname: Callable[[type], str] = type.__dict__["__qualname__"].__get__
_type_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_type_dict: Callable[[type], Any] = type.__dict__["__dict__"].__get__

# These three are written as a call of ``type``, since no module holds them under a name.
_SINGLETON_TYPES = (type(None), type(NotImplemented), type(...))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one object cannot cross; ``contains`` are objects within it that would block by themselves."""

    cause: Cause
    reason: str
    stage: Stage = Stage.DUMP
    contains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GlobalName:
    """The module and the dotted name in it that pickle writes for a class or function."""

    module: str
    qualname: str


def mro_of(cls: type) -> tuple[type, ...]:
    """The classes ``cls`` inherits from, in order, whatever its metaclass does."""
    return _type_mro(cls)


def class_dict(cls: type) -> Any:
    """The mapping proxy of a class's own attributes, whatever its metaclass does."""
    return _type_dict(cls)


def class_attribute(cls: type, name: str) -> object:
    """The attribute of that name as the class or its nearest base defines it, unbound; None if there is none."""
    for base in _type_mro(cls):
        found = _type_dict(base).get(name)
        if found is not None:
            return found
    return None


def module_of(cls: type) -> str:
    """The name of a class's module, ``?`` if that is not a string."""
    try:
        module = _type_module(cls)
    except AttributeError:
        return "?"
    return module if type(module) is str else "?"


def qualname_of(cls: type) -> str:
    """The dotted name of a class in its module, whatever its metaclass does."""
    return _type_qualname(cls)


def is_a(obj: object, *classes: type) -> bool:
    """Whether an object's real class is one of those or inherits from one; never asks the object, as isinstance may."""
    return issubclass(type(obj), classes)


def is_exactly(cls: type, classes: Iterable[type]) -> bool:
    """Whether a class is one of those, by identity: a metaclass may define ``__eq__`` and ``__hash__``."""
    return any(cls is one for one in classes)


def type_name(cls: type) -> str:
    """``module.qualname`` of a class, ``qualname`` alone for a builtin."""
    module = module_of(cls)
    qualname = _type_qualname(cls)
    return qualname if module == "builtins" else f"{module}.{qualname}"


def describe(error: BaseException) -> str:
    """The class and words of an exception, also if its ``__str__`` fails."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - the audited program's own exception class
        words = "(its text cannot be made)"
    return f"{_type_qualname(type(error))}: {words}" if words else _type_qualname(type(error))


def find_global(obj: object, name: str | None = None) -> GlobalName | Fault:
    """The name that pickle would write for ``obj`` (under ``name``, if its reduce gave one), or why it cannot."""
    if any(obj is one for one in _SINGLETON_TYPES):
        return GlobalName("builtins", "type")
    try:
        return _find(obj, name)
    except Exception as error:  # noqa: BLE001 - attributes of an audited object may raise anything
        return Fault(Cause.HOOK_FAILS, f"looking up its name raises {describe(error)}")


def _find(obj: Any, name: Any) -> GlobalName | Fault:
    if name is None:
        name = getattr(obj, "__qualname__", None)
        if name is None:
            name = obj.__name__
    if not is_a(name, str):
        return Fault(Cause.HOOK_NONSENSE, "its __qualname__ is not a string")
    steps = name.split(".")
    if "<locals>" in steps:
        return _unfindable(obj, name, f"'{name}' is defined inside a function")
    module: Any = getattr(obj, "__module__", None)
    if module is None:
        module = _module_that_holds(obj, steps)
    if not is_a(module, str):
        return Fault(Cause.HOOK_NONSENSE, "its __module__ is not a string")
    loaded = sys.modules.get(module)
    if loaded is None:
        return _unfindable(obj, name, f"module '{module}' is not loaded in this process")
    found: object = loaded
    for step in steps:
        try:
            found = getattr(found, step)
        except AttributeError:
            return _unfindable(obj, name, f"module '{module}' has no '{name}'")
    if found is not obj:
        return _unfindable(obj, name, f"'{name}' in module '{module}' is another object")
    return GlobalName(module, name)


def _module_that_holds(obj: object, steps: list[str]) -> str:
    for name, module in list(sys.modules.items()):
        if module is None or name == "__main__" or not is_a(name, str):
            continue
        found: object = module
        try:
            for step in steps:
                found = getattr(found, step)
        except AttributeError:
            continue
        if found is obj:
            return name
    return "__main__"


def _unfindable(obj: object, name: str, why: str) -> Fault:
    kind = type(obj)
    if issubclass(kind, type):
        return Fault(Cause.CLASS_NOT_IMPORTABLE, why)
    if kind is FunctionType:
        if "<lambda>" in name:
            return Fault(Cause.LOCAL_FUNCTION, f"a lambda: {why}")
        if "<locals>" in name:
            return Fault(Cause.LOCAL_FUNCTION, why)
    return Fault(Cause.NOT_IMPORTABLE, why)
