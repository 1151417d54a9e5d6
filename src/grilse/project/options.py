"""Project options: their declarations, where their values come from, and what uses them.

Knows nothing of files; conditionals ask `OptionPool.evaluate`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from ..plugin.node import MappingNode, Node, ScalarNode
from ..protocol.errors import LoadError, LoadErrorReason
from ..sandbox.architecture import canonical_architecture, host_architecture, host_system
from .expressions import ExpressionError, evaluate
from .names import check_symbol, nearest

Value = bool | str | list[str]

_TYPES: Final = ("bool", "enum", "flags", "element-mask", "arch", "os")
_COMMON_KEYS: Final = ("type", "description", "variable")
# The value of these is that of the machine, unless somebody sets it; whether the project can take it is checked last.
_OF_THE_MACHINE: Final = ("arch", "os")


class Option(msgspec.Struct, frozen=True):
    """A declared option.

    Attributes:
        name: its name in expressions.
        type: one of bool, enum, flags, element-mask, arch, os.
        choices: valid values, or what flags may be made of; empty for bool.
        default: its value when nobody sets it.
        variable: name of the variable that its value is exported to, or "".
    """

    name: str
    type: str
    choices: tuple[str, ...]
    default: Value
    variable: str


class OptionPool:
    """The options of a project, for one of its configuration passes.

    Args:
        element_path: directory whose element files are the choices of an element-mask.

    Attributes:
        lists_elements: whether the names of element files count.
    """

    def __init__(self, element_path: str) -> None:
        self.lists_elements = False
        self._element_path = element_path
        self._options: dict[str, Option] = {}
        self._values: dict[str, Value] = {}
        self._results: dict[str, bool] = {}

    def declare(self, node: MappingNode) -> None:
        """Read the declarations under ``options``.

        Raises:
            LoadError: INVALID_DATA or INVALID_SYMBOL_NAME.
        """
        for name, value in node.items():
            definition = node.get_mapping(name)
            check_symbol(name, "option name", value, dashes=False)
            option = self._declared(name, definition)
            self._options[name] = option
            self._values[name] = option.default

    def _declared(self, name: str, node: MappingNode) -> Option:
        kind = node.get_str("type")
        if kind not in _TYPES:
            raise _invalid(
                f"Option type '{kind}' is not one of: {', '.join(_TYPES)}{nearest(kind, list(_TYPES))}",
                node.get_scalar("type"),
            )
        node.get_str("description")
        variable = node.get_str("variable", None)
        if variable is not None:
            check_symbol(variable, "variable name", node.get_node("variable"))
        keys = list(_COMMON_KEYS)
        if kind not in _OF_THE_MACHINE:
            keys.append("default")
        if kind not in ("bool", "element-mask"):
            keys.append("values")
        node.validate_keys(keys)
        if kind == "bool":
            return Option(name, kind, (), node.get_bool("default"), variable or "")
        if kind == "element-mask":
            self.lists_elements = True
            choices = _element_files(self._element_path)
        else:
            choices = node.get_str_list("values", [])
        if not choices:
            raise _invalid(f"The {kind} option '{name}' has no values to choose from", node)
        default: Value
        if kind in ("flags", "element-mask"):
            place = node.get_sequence("default", [])
            default = place.as_str_list()
            _check_flags(name, default, choices, place)
        elif kind == "enum":
            scalar = node.get_scalar("default")
            default = scalar.as_str()
            _check_choice(name, kind, default, choices, scalar)
        elif kind == "arch":
            default = _machine_choice(name, choices, node)
        else:
            default = host_system()
        return Option(name, kind, tuple(choices), default, variable or "")

    def set_from_nodes(self, node: MappingNode) -> None:
        """Take the values in a mapping: those of a junction or of user configuration.

        Raises:
            LoadError: INVALID_DATA for an unknown option or a value that it cannot have.
        """
        for name, value in node.items():
            option = self._options.get(name)
            if option is None:
                raise _invalid(f"Unknown option '{name}'{nearest(name, list(self._options))}", value)
            if option.type == "bool":
                self._values[name] = node.get_bool(name)
            elif option.type in ("flags", "element-mask"):
                flags = sorted(node.get_sequence(name).as_str_list())
                _check_flags(name, flags, option.choices, value)
                self._values[name] = flags
            else:
                choice = node.get_scalar(name).as_str()
                _check_choice(name, option.type, choice, option.choices, value)
                self._values[name] = choice

    def set_from_strings(self, values: Iterable[tuple[str, str]], *, ignore_unknown: bool = False) -> None:
        """Take values given on the command line.

        Raises:
            LoadError: INVALID_DATA, as `set_from_nodes` does; unknown options can be ignored.
        """
        for name, text in values:
            option = self._options.get(name)
            if option is None:
                if ignore_unknown:
                    continue
                hint = nearest(name, list(self._options))
                raise _invalid(f"Unknown option '{name}' on the command line{hint}")
            if option.type == "bool":
                if text not in ("True", "true", "False", "false"):
                    raise _invalid(f"Invalid value for boolean option '{name}': {text}")
                self._values[name] = text in ("True", "true")
            elif option.type in ("flags", "element-mask"):
                flags = "".join(text.split()).split(",")
                _check_flags(name, flags, option.choices)
                self._values[name] = sorted(flags)
            else:
                _check_choice(name, option.type, text, option.choices)
                self._values[name] = text

    def settle(self) -> None:
        """Make sure that every option has a value it may have; expressions can be evaluated from here on.

        Raises:
            LoadError: INVALID_DATA if this machine is not one that the project supports.
        """
        for option in self._options.values():
            if option.type in _OF_THE_MACHINE:
                value = self._values[option.name]
                assert isinstance(value, str)
                _check_choice(option.name, option.type, value, option.choices)

    def value(self, name: str) -> Value:
        """The value of an option."""
        return self._values[name]

    def exported(self) -> dict[str, str]:
        """The variables that options are exported to, and their values."""
        return {option.variable: self._text(option.name) for option in self._options.values() if option.variable}

    def printable(self) -> dict[str, str]:
        """Names and values as text, in alphabetical order."""
        return {name: self._text(name) for name in sorted(self._options)}

    def _text(self, name: str) -> str:
        value = self._values[name]
        if isinstance(value, bool):
            return "1" if value else "0"
        return value if isinstance(value, str) else ",".join(value)

    def evaluate(self, expression: str, place: Node) -> bool:
        """Whether an expression over the options holds; `place` is for messages.

        Raises:
            LoadError: EXPRESSION_FAILED.
        """
        result = self._results.get(expression)
        if result is None:
            try:
                result = self._results[expression] = evaluate(expression, self._values)
            except ExpressionError as error:
                raise LoadError(
                    f"Failed to evaluate expression ({expression}): {error}",
                    reason=LoadErrorReason.EXPRESSION_FAILED,
                    where=str(place.get_provenance()),
                ) from None
        return result


def _machine_choice(name: str, choices: list[str], node: MappingNode) -> str:
    """The project's name for this machine's architecture, or the canonical one, which will then be refused."""
    machine = host_architecture()
    chosen: str | None = None
    for index, choice in enumerate(choices):
        canonical = canonical_architecture(choice)
        if canonical is None:
            raise _invalid(
                f"Invalid value for arch option '{name}': unknown architecture '{choice}'",
                node.get_sequence("values").scalar_at(index),
            )
        if canonical == machine and chosen is None:
            chosen = choice
    return machine if chosen is None else chosen


def _check_choice(name: str, kind: str, value: str, choices: Iterable[str], node: ScalarNode | None = None) -> None:
    if value not in choices:
        valid = list(choices)
        hint = nearest(value, valid)
        raise _invalid(
            f"Invalid value for {kind} option '{name}': {value}{hint}\nValid values: {', '.join(valid)}", node
        )


def _check_flags(name: str, flags: list[str], choices: Iterable[str], node: Node | None = None) -> None:
    for flag in flags:
        if flag not in choices:
            valid = list(choices)
            hint = nearest(flag, valid)
            raise _invalid(
                f"Invalid value for flags option '{name}': {flag}{hint}\nValid values: {', '.join(valid)}", node
            )


def _invalid(message: str, node: Node | None = None) -> LoadError:
    where = str(node.get_provenance()) if node is not None else ""
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=where)


def _element_files(directory: str) -> list[str]:
    found: list[str] = []
    for root, folders, files in os.walk(directory):
        folders.sort()
        found.extend(os.path.relpath(os.path.join(root, file), directory) for file in sorted(files))
    return [name for name in found if name.endswith(".bst")]
