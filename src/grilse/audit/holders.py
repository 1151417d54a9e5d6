"""Find who else holds an object: what refers to it from outside the audited graph.

Asks the garbage collector, and so sees containers and instances only.  Knows nothing of causes.
"""

from __future__ import annotations

import gc
import sys
from types import (
    CellType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from .graph import Graph
from .names import is_a, is_exactly, module_of, qualname_of, type_name

# How many objects outside are named for one held object.
_NAMED = 8
# What every class and function holds by itself.
_OF_CLASSES = (GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType, MethodDescriptorType)


def outside_holders(graph: Graph, wanted: list[int]) -> dict[int, tuple[str, ...]]:
    """What holds each of the wanted objects from outside the graph, in words."""
    held = {id(graph.objects[index]): index for index in wanted}
    if not held:
        return {}
    ours = {id(obj) for obj in graph.objects}
    ours.update(id(own) for own in map(own_dict, graph.objects) if own is not None)
    ours.update((id(graph.objects), id(graph.keep), id(graph.globals), id(held), id(ours)))
    modules = {id(vars(module)): name for name, module in list(sys.modules.items()) if type(module) is ModuleType}
    found: dict[int, list[str]] = {}
    for holder in gc.get_referrers(*(graph.objects[index] for index in wanted)):
        if id(holder) in ours or is_a(holder, FrameType) or module_of(type(holder)).startswith(_OURS):
            continue
        for part in gc.get_referents(holder):
            index = held.get(id(part))
            if index is None:
                continue
            words = _words(holder, part, modules)
            entries = found.setdefault(index, [])
            if words and words not in entries and len(entries) < _NAMED:
                entries.append(words)
    return {index: tuple(sorted(words)) for index, words in found.items()}


_OURS = __package__ or "audit"


def own_dict(obj: Any) -> dict[str, Any] | None:
    """The dict that holds an instance's attributes, found without asking the object; None if it has none."""
    if type(obj).__dictoffset__ == 0:
        return None
    try:
        found = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def _words(holder: object, part: object, modules: dict[int, str]) -> str | None:
    kind = type(holder)
    if kind is dict:
        key = next((key for key, value in list(holder.items()) if value is part), None)  # type: ignore[attr-defined]
        module = modules.get(id(holder))
        if module is not None:
            return f"module {module}, as {key}" if type(key) is str else f"module {module}"
        # The dict of an instance says nothing by itself: its owner is not looked for.
        return f"a dict, as {key!r}" if type(key) is str else "a dict"
    if is_a(holder, type):
        return f"class {type_name(holder)}"  # type: ignore[arg-type]
    if kind is FunctionType:
        return f"function {holder.__module__}.{holder.__qualname__}"  # type: ignore[attr-defined]
    if kind is CellType:
        return "the closure of a function"
    if kind is list or kind is set:
        return f"a {qualname_of(kind)}"
    if kind is tuple or is_exactly(kind, _OF_CLASSES):
        return None
    if kind is MethodType:
        return f"a method of an instance of {type_name(type(holder.__self__))}"  # type: ignore[attr-defined]
    attribute = next((name for name, value in (own_dict(holder) or {}).items() if value is part), None)
    return f"an instance of {type_name(kind)}" + (f", as {attribute}" if attribute is not None else "")
