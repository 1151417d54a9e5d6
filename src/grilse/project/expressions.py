"""Evaluate the expressions of conditionals: comparisons of options with literals.

Knows nothing of option types or YAML.  BuildStream hands expressions to a template engine, Jinja2; what nearly all
projects write is a small part of its language, which is evaluated here: names, strings, numbers, lists, comparisons,
``in``, ``not``, ``and``, ``or`` and parentheses.  Anything else is for that engine (`template_expressions`), which
takes longer to import than most projects to load.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_.])
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<operator>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|-)
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS: Final[Mapping[str, Any]] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "none": None,
    "None": None,
}
_KEYWORDS: Final = frozenset(("and", "or", "not", "in", "is", "if", "else"))

# Brackets and negations may nest this deep.
MAX_DEPTH: Final = 64

_Value = Callable[[], Any]


class ExpressionError(Exception):
    """An expression that cannot be understood or evaluated."""


class _Unexpected(ExpressionError):
    """An expression that is not of the small language."""


def evaluate(expression: str, names: Mapping[str, Any]) -> bool:
    """Whether `expression` is true of `names`: option names with bool, str or list of str values.

    Raises:
        ExpressionError: bad syntax, an unknown name, or values that cannot be compared.
    """
    try:
        value = _Parser(_tokens(expression), names).parse()
    except _Unexpected:
        from .template_expressions import evaluate_template

        return evaluate_template(expression, names)
    try:
        return bool(value())
    except TypeError as error:
        raise ExpressionError(str(error)) from None


def _tokens(expression: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    end = len(expression.rstrip())
    while position < end:
        match = _TOKEN.match(expression, position)
        if match is None:
            raise _Unexpected(f"unexpected '{expression[position:].strip()[:20]}'")
        kind = match.lastgroup
        assert kind is not None
        text = match.group(kind)
        if kind == "name" and text in _KEYWORDS:
            kind = "operator"
        found.append((kind, text))
        position = match.end()
    found.append(("end", "the end"))
    return found


class _Parser:
    """Recursive descent; the result is a tree of closures, so that ``and`` and ``or`` leave the rest unevaluated."""

    def __init__(self, tokens: list[tuple[str, str]], names: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._names = names
        self._position = 0
        self._depth = 0

    def parse(self) -> _Value:
        value = self._either()
        if self._tokens[self._position][0] != "end":
            raise self._unexpected()
        return value

    def _unexpected(self) -> _Unexpected:
        return _Unexpected(f"unexpected {self._tokens[self._position][1]!r}")

    def _accept(self, *operators: str) -> str | None:
        kind, text = self._tokens[self._position]
        if kind == "operator" and text in operators:
            self._position += 1
            return text
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._unexpected()

    def _either(self) -> _Value:
        terms = [self._both()]
        while self._accept("or"):
            terms.append(self._both())
        if len(terms) == 1:
            return terms[0]

        def either() -> Any:
            value = None
            for term in terms:
                value = term()
                if value:
                    break
            return value

        return either

    def _both(self) -> _Value:
        terms = [self._negation()]
        while self._accept("and"):
            terms.append(self._negation())
        if len(terms) == 1:
            return terms[0]

        def both() -> Any:
            value = None
            for term in terms:
                value = term()
                if not value:
                    break
            return value

        return both

    def _negation(self) -> _Value:
        negations = 0
        while self._accept("not"):
            negations += 1
        value = self._comparison()
        if negations == 0:
            return value
        odd = negations % 2 == 1
        return lambda: bool(value()) is not odd

    def _comparison(self) -> _Value:
        first = self._operand()
        steps: list[tuple[Callable[[Any, Any], bool], _Value]] = []
        while True:
            name = self._accept(*_COMPARISONS)
            if name is not None:
                steps.append((_COMPARISONS[name], self._operand()))
            elif self._accept("in"):
                steps.append((_is_in, self._operand()))
            elif self._tokens[self._position][1] == "not" and self._tokens[self._position + 1][1] == "in":
                self._position += 2
                steps.append((_is_not_in, self._operand()))
            else:
                break
        if not steps:
            return first

        def comparison() -> bool:
            left = first()
            for compare, right_operand in steps:
                right = right_operand()
                if not compare(left, right):
                    return False
                left = right
            return True

        return comparison

    def _operand(self) -> _Value:
        kind, text = self._tokens[self._position]
        if kind == "name":
            self._position += 1
            return self._name(text)
        if kind == "string":
            return self._string()
        if kind == "number":
            self._position += 1
            number = float(text) if "." in text else int(text)
            return lambda: number
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError("too many brackets")
        if self._accept("-"):
            kind, text = self._tokens[self._position]
            if kind != "number":
                raise self._unexpected()
            self._position += 1
            negative = -(float(text) if "." in text else int(text))
            value: _Value = lambda: negative  # noqa: E731
        elif self._accept("("):
            value = self._parenthesis()
        elif self._accept("["):
            items = self._items("]")
            value = lambda: [item() for item in items]  # noqa: E731
        else:
            raise self._unexpected()
        self._depth -= 1
        return value

    def _parenthesis(self) -> _Value:
        """What follows an opening parenthesis: an expression, or a tuple if there is a comma."""
        if self._accept(")"):
            return lambda: ()
        first = self._either()
        if self._accept(")"):
            return first
        self._expect(",")
        items = [first, *self._items(")")]
        return lambda: tuple(item() for item in items)

    def _items(self, closing: str) -> list[_Value]:
        items: list[_Value] = []
        while not self._accept(closing):
            if items:
                self._expect(",")
                if self._accept(closing):
                    break
            items.append(self._either())
        return items

    def _name(self, name: str) -> _Value:
        if name in _CONSTANTS:
            constant = _CONSTANTS[name]
            return lambda: constant
        names = self._names

        def option() -> Any:
            if name not in names:
                raise ExpressionError(f"'{name}' is undefined")
            return names[name]

        return option

    def _string(self) -> _Value:
        text = ""
        while self._tokens[self._position][0] == "string":  # strings side by side are one string
            raw = self._tokens[self._position][1][1:-1]
            self._position += 1
            if "\\" in raw:
                try:
                    raw = raw.encode("ascii", "backslashreplace").decode("unicode-escape")
                except UnicodeDecodeError as error:
                    raise ExpressionError(str(error)) from None
            text += raw
        return lambda: text


def _is_in(item: Any, container: Any) -> bool:
    return item in container


def _is_not_in(item: Any, container: Any) -> bool:
    return item not in container
