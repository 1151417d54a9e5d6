"""A digest of an object graph's structure and values that is equal in two processes if the graphs are.

Looks at what instances hold without calling any hook of theirs: attributes, slots, items; for anything else, what
its class's reduction gives.  Knows nothing of dumps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from .names import class_attribute, class_dict, is_a, is_exactly, mro_of, type_name

_VALUES = (int, float, str, bytes, bytearray)
_ATOMS = (int, float, bool, type(None), str, bytes, complex)


def fingerprint(root: object, dropped: Mapping[str, list[str]], most: int) -> str:
    """The digest of the first ``most`` objects below ``root``.

    ``dropped`` are names of attributes, by class name, that do not count.
    """
    return _digest(root, dropped, [most])


def _digest(root: object, dropped: Mapping[str, list[str]], left: list[int]) -> str:
    state = hashlib.sha256()
    places: dict[int, int] = {}
    keep: list[object] = []
    queue: list[object] = [root]
    at = 0
    while at < len(queue) and left[0] > 0:
        value = queue[at]
        at += 1
        left[0] -= 1
        kind = type(value)
        if is_exactly(kind, _ATOMS):
            state.update(f"{kind.__name__} {value!r}\n".encode("utf-8", "surrogatepass"))
            continue
        known = places.get(id(value))
        if known is not None:
            state.update(f"again {known}\n".encode())
            continue
        places[id(value)] = len(places)
        keep.append(value)
        words, parts = _parts(value, kind, dropped, left)
        state.update(f"{words} {len(parts)}\n".encode("utf-8", "surrogatepass"))
        queue.extend(parts)
    return state.hexdigest()


def _parts(value: Any, kind: type, dropped: Mapping[str, list[str]], left: list[int]) -> tuple[str, list[Any]]:
    """What to say of an object itself, and the parts to look at after it."""
    if is_a(value, type) or kind is FunctionType:
        return f"name {value.__module__}.{value.__qualname__}", []
    name = type_name(kind)
    if kind is set or kind is frozenset:
        # Their order differs between processes.
        return name, sorted(_digest(element, dropped, left) for element in value)
    parts: list[Any] = []
    if is_a(value, dict):
        for key, item in dict.items(value):
            parts += (key, item)
    elif is_a(value, list):
        parts += list.__iter__(value)
    elif is_a(value, tuple):
        parts += tuple.__iter__(value)
    elif is_a(value, *_VALUES):
        name += " " + _plain(value)
    attributes, known = _attributes(value, kind)
    for base in mro_of(kind):
        for attribute in dropped.get(type_name(base), ()):
            attributes.pop(attribute, None)
    for attribute, item in attributes.items():
        parts += (attribute, item)
    if parts or known or is_a(value, *_VALUES, dict, list, tuple):
        return name, parts
    return name, _reduced(value)


def _plain(value: Any) -> str:
    for base in _VALUES:
        if is_a(value, base):
            written: Callable[[Any], str] = base.__repr__
            return written(value)
    return ""


def _attributes(value: Any, kind: type) -> tuple[dict[str, Any], bool]:
    """The attributes that an instance holds, and whether its class says where it holds any."""
    found: dict[str, Any] = {}
    known = False
    own = class_attribute(kind, "__dict__")
    if own is not None:
        known = True
        try:
            found.update(object.__getattribute__(value, "__dict__"))
        except AttributeError:
            pass
    for base in mro_of(kind):
        slots = class_dict(base).get("__slots__")
        if slots is None:
            continue
        known = True
        for name in (slots,) if is_a(slots, str) else slots:
            mangled = _mangled(name, base)
            if mangled in ("__dict__", "__weakref__"):
                continue
            try:
                found[mangled] = object.__getattribute__(value, mangled)
            except AttributeError:
                continue
    return dict(sorted(found.items())), known


def _mangled(name: str, base: type) -> str:
    if name.startswith("__") and not name.endswith("__"):
        stripped = base.__name__.lstrip("_")
        return f"_{stripped}{name}" if stripped else name
    return name


def _reduced(value: Any) -> list[Any]:
    """The parts that the reduction of a class written in C gives, its iterators drawn out."""
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:  # noqa: BLE001 - any hook may fail, here and there alike
        return [type(error).__name__]
    if is_a(reduced, str):
        return [reduced]
    return [list(part) if hasattr(type(part), "__next__") else part for part in reduced]
