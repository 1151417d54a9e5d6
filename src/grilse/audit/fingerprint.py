"""The structure and values of an object graph as lines that are equal in two processes if the graphs are.

Looks at what instances hold: items, attributes, slots; of a class with pickling hooks of its own, what these
give.  Knows nothing of dumps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

from .names import class_attribute, class_dict, is_a, is_exactly, mro_of, type_name

_VALUES = (int, float, str, bytes, bytearray)
_DEFAULT_HOOKS = {name: object.__dict__[name] for name in ("__reduce_ex__", "__reduce__", "__getstate__")}
_ATOMS = (int, float, bool, type(None), str, bytes, complex)

# Names of attributes that do not count, by class name.
Dropped = Mapping[str, list[str]]


def fingerprint(root: object, dropped: Dropped, most: int) -> str:
    """One digest of the first ``most`` objects below ``root``."""
    state = hashlib.sha256()
    for line, _ in trail(root, dropped, most):
        state.update(line.encode("utf-8", "surrogatepass"))
        state.update(b"\n")
    return state.hexdigest()


def trail(root: object, dropped: Dropped, most: int) -> Iterator[tuple[str, str]]:
    """What is said of each of the first ``most`` objects, and in words where it was met."""
    places: dict[int, int] = {}
    queue: list[tuple[object, str]] = [(root, "")]
    for value, where in queue:
        if len(places) >= most:
            return
        kind = type(value)
        if is_exactly(kind, _ATOMS):
            yield f"{kind.__name__} {value!r}", where
            continue
        known = places.get(id(value))
        if known is not None:
            yield f"again {known}", where
            continue
        # The queue keeps every object alive, so that no id is used twice.
        places[id(value)] = len(places)
        words, parts = _parts(value, kind, dropped)
        yield f"{words} {len(parts)}", where
        queue.extend((part, f"{where}{step}") for step, part in parts)


def first_difference(root: object, dropped: Dropped, most: int, other: list[str]) -> str:
    """Where the trail of ``root`` first differs from another one, in words."""
    for place, (line, where) in enumerate(trail(root, dropped, most)):
        if place >= len(other):
            return f"at {where or 'the root'}: there is no more"
        if line != other[place]:
            return f"at {where or 'the root'}: {_short(line)} here, {_short(other[place])} there"
    return "beyond what was compared"


def _short(line: str) -> str:
    return line if len(line) <= 80 else line[:80] + "…"


def _parts(value: Any, kind: type, dropped: Dropped) -> tuple[str, list[tuple[str, Any]]]:
    """What to say of an object itself, and the parts to look at after it, each with the step that leads to it."""
    if is_a(value, type) or kind is FunctionType:
        return f"name {value.__module__}.{value.__qualname__}", []
    name = type_name(kind)
    if kind is set or kind is frozenset:
        return name, _ordered(value, dropped)
    parts: list[tuple[str, Any]] = []
    if is_a(value, set, frozenset):
        parts += _ordered(value, dropped)
    elif _has_hooks(kind):
        # Its attributes may be values that it works out when asked: what it says of itself is what counts.
        return name, _reduced(value)
    elif is_a(value, dict):
        for place, (key, item) in enumerate(dict.items(value)):
            step = f"[{key!r}]" if type(key) is str else f"[#{place}]"
            parts += ((".keys()" + step, key), (step, item))
    elif is_a(value, list):
        parts += ((f"[{place}]", item) for place, item in enumerate(list.__iter__(value)))
    elif is_a(value, tuple):
        parts += ((f"[{place}]", item) for place, item in enumerate(tuple.__iter__(value)))
    elif is_a(value, *_VALUES):
        name += " " + _plain(value)
    attributes, known = _attributes(value, kind, dropped)
    for attribute, item in attributes.items():
        parts += ((f".{attribute}", attribute), (f".{attribute}", item))
    if parts or known or is_a(value, *_VALUES, dict, list, tuple):
        return name, parts
    return name, _reduced(value)


def _has_hooks(kind: type) -> bool:
    return any(class_attribute(kind, name) is not hook for name, hook in _DEFAULT_HOOKS.items())


def _ordered(elements: Any, dropped: Dropped) -> list[tuple[str, Any]]:
    """The elements of a set in an order that is the same in two processes.

    By their class and the plain values they hold; where that does not tell two apart, the elements are not looked into
    and only these words count.
    """
    words = {id(element): _words(element, dropped) for element in elements}
    if len(set(words.values())) < len(words):
        return [("{…}", text) for text in sorted(words.values())]
    return [("{…}", element) for element in sorted(elements, key=lambda element: words[id(element)])]


def _words(element: Any, dropped: Dropped) -> str:
    kind = type(element)
    if is_exactly(kind, _ATOMS):
        return f"{kind.__name__} {element!r}"
    if is_a(element, type) or kind is FunctionType:
        return f"name {element.__module__}.{element.__qualname__}"
    plain: list[str] = []
    if is_a(element, *_VALUES):
        plain.append(_plain(element))
    elif kind is tuple or kind is frozenset:
        words = [_words(item, dropped) for item in element]
        plain.extend(sorted(words) if kind is frozenset else words)
    else:
        attributes, _ = _attributes(element, kind, dropped)
        plain.extend(f"{name}={item!r}" for name, item in attributes.items() if is_exactly(type(item), _ATOMS))
    return f"{type_name(kind)} {' '.join(plain)}"


def _plain(value: Any) -> str:
    for base in _VALUES:
        if is_a(value, base):
            written: Callable[[Any], str] = base.__repr__
            return written(value)
    return ""


def _attributes(value: Any, kind: type, dropped: Dropped) -> tuple[dict[str, Any], bool]:
    """The attributes that an instance holds and that count, and whether its class says where it holds any."""
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
    for base in mro_of(kind):
        for attribute in dropped.get(type_name(base), ()):
            found.pop(attribute, None)
    return dict(sorted(found.items())), known


def _mangled(name: str, base: type) -> str:
    if name.startswith("__") and not name.endswith("__"):
        stripped = base.__name__.lstrip("_")
        return f"_{stripped}{name}" if stripped else name
    return name


def _reduced(value: Any) -> list[tuple[str, Any]]:
    """The parts that the reduction of a class written in C gives, its iterators drawn out."""
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:  # noqa: BLE001 - any hook may fail, here and there alike
        return [(".__reduce__()", type(error).__name__)]
    if is_a(reduced, str):
        return [(".__reduce__()", reduced)]
    parts = (list(part) if hasattr(type(part), "__next__") else part for part in reduced)
    return [(f".__reduce__()[{place}]", part) for place, part in enumerate(parts)]
