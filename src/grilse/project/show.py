"""What ``show`` prints of elements: format strings and their symbols.

Knows nothing of how an element's state or key is found: it asks a `View` for what the format needs, and only for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from ..protocol.errors import StreamError
from .selection import Selectable, build_dependencies, direct_dependencies, runtime_dependencies
from .yaml_writer import write_yaml

# What stands for a key that cannot be known.
UNKNOWN_KEY: Final = "?" * 64


class Shown(Selectable, Protocol):
    """What is known of an element before it is resolved."""

    @property
    def full_name(self) -> str:
        """Its name with junctions."""

    @property
    def kind(self) -> str:
        """Its kind."""

    @property
    def description(self) -> str:
        """Its description, or ""."""


class View(Protocol):
    """An element as ``show`` sees it."""

    @property
    def load_element(self) -> Shown:
        """Its names, kind, description and dependencies."""

    def key(self) -> tuple[str | None, bool]:
        """Its key in hexadecimal, or None if it has none yet; and whether it is the one of a strict build."""

    def state(self) -> str:
        """One of: no reference, junction, waiting, failed, cached, fetch needed, buildable."""

    def config(self) -> dict[str, Any]:
        """Its configuration, variables expanded."""

    def variables(self) -> dict[str, str]:
        """Its variables, resolved."""

    def environment(self) -> dict[str, str]:
        """Its environment."""

    def public(self) -> dict[str, Any]:
        """Its public data."""

    def workspace(self) -> str | None:
        """The directory of its open workspace, or None."""

    def source_info(self) -> list[dict[str, Any]]:
        """What its sources say of where they come from."""

    def artifact_digest(self) -> str:
        """``hash/size`` of its artifact's files, or "" if it is not cached."""


Style = Callable[[str, str, bool], str]
"""Takes text, the symbol that it is for, and whether it should be dim; gives the text as a terminal should have it."""

_Part = str | tuple[str, str]


def compile_format(text: str, key_length: int) -> Format:
    """Understand a format string.

    Args:
        text: literal text with ``%{symbol}`` or ``%{symbol:spec}``, the spec as in Python's ``str.format``.
        key_length: length of abbreviated keys.
    """
    parts: list[_Part] = []
    position = 0
    for match in _SYMBOL.finditer(text):
        parts.append(text[position : match.start()])
        parts.append((match[1], match[2]))
        position = match.end()
    parts.append(text[position:])
    return Format(parts, key_length)


class Format:
    """A format string, understood.

    Attributes:
        symbols: the symbols that it uses.
    """

    __slots__ = ("_key_length", "_parts", "symbols")

    def __init__(self, parts: list[_Part], key_length: int) -> None:
        self._parts = parts
        self._key_length = key_length
        self.symbols = frozenset(part[0] for part in parts if isinstance(part, tuple))

    @property
    def needs_bodies(self) -> bool:
        """Whether it asks more of elements than names, dependencies, keys and states."""
        return not _BODIES.isdisjoint(self.symbols)

    def report(self, views: Iterable[View], style: Style | None = None) -> str:
        """The text for all elements, without the line breaks that the format ends with.

        Raises:
            StreamError: a format spec does not fit.
            GrilseError: what goes wrong when states or keys are found.
        """
        text = "\n".join([self.line(view, style) for view in views])
        if not self.symbols:
            return text.rstrip("\n")
        # Line breaks at the end are dropped if the format has them, but not if a value has them.
        last = self._parts[-1]
        assert isinstance(last, str)
        return text[: len(text) - len(last) + len(last.rstrip("\n"))]

    def line(self, view: View, style: Style | None = None) -> str:
        """The text for one element; raises as `report` does."""
        key: str | None = None
        strict = True
        if "key" in self.symbols or "full-key" in self.symbols:
            key, strict = view.key()
        texts: list[str] = []
        for part in self._parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            symbol, spec = part
            if symbol == "key":
                value = (key or UNKNOWN_KEY)[: self._key_length]
            elif symbol == "full-key":
                value = key or UNKNOWN_KEY
            else:
                value = _VALUES[symbol](view)
            if spec:
                value = _apply(spec, value, symbol)
            texts.append(value if style is None else style(value, symbol, not strict))
        return "".join(texts)


def _apply(spec: str, value: str, symbol: str) -> str:
    try:
        return f"{{0{spec}}}".format(value)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise StreamError(f"The format of '%{{{symbol}{spec}}}' is invalid: {error}", reason="invalid-format") from None


def _names(elements: Iterable[Any]) -> str:
    return write_yaml([element.full_name for element in elements]).rstrip("\n")


def _workspace_directories(view: View) -> str:
    directory = view.workspace()
    return f"Workspace: {directory}" if directory is not None else ""


_VALUES: Final[Mapping[str, Callable[[View], str]]] = {
    "name": lambda view: view.load_element.full_name,
    "kind": lambda view: view.load_element.kind,
    "description": lambda view: " ".join(view.load_element.description.splitlines()),
    "state": lambda view: view.state(),
    "config": lambda view: write_yaml(view.config()),
    "vars": lambda view: write_yaml(view.variables()),
    "env": lambda view: write_yaml(view.environment()),
    "public": lambda view: write_yaml(view.public()),
    "workspaced": lambda view: "(workspaced)" if view.workspace() is not None else "",
    "workspace-dirs": _workspace_directories,
    "deps": lambda view: _names(direct_dependencies(view.load_element)),
    "build-deps": lambda view: _names(build_dependencies(view.load_element)),
    "runtime-deps": lambda view: _names(runtime_dependencies(view.load_element)),
    "source-info": lambda view: write_yaml(view.source_info()),
    "artifact-cas-digest": lambda view: view.artifact_digest(),
}
# Those that ask for an element's configuration or sources.
_BODIES: Final = frozenset(("config", "vars", "env", "public", "source-info"))
# The word may be followed by a format spec or an index.
_SYMBOL: Final = re.compile(r"%\{(key|full-key|" + "|".join(map(re.escape, _VALUES)) + r")((?:[:!\[][^%}]*)?)\}")
