"""Evaluate what only a template engine understands of the expressions of conditionals: filters, tests, arithmetic.

The engine is the one that BuildStream has, Jinja2, without its global functions, as there; and in its sandbox, since an
expression comes with a project: it can neither reach what Python keeps behind attributes nor change an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .expressions import ExpressionError

# The longest expression, in characters, and the largest result of an operator that makes large ones of small ones: in
# characters, items or bits.
MAX_LENGTH: Final = 4096
MAX_RESULT: Final = 100_000


class _Environment(ImmutableSandboxedEnvironment):
    """Checks how large the results of operators would be."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator.

        Raises:
            SecurityError: it is too large.
        """
        if operator == "*":
            size = max(_size(left) * (right if isinstance(right, int) else 1), _size(right) * _times(left))
        else:
            size = left.bit_length() * right if isinstance(left, int) and isinstance(right, int) else 0
        if size > MAX_RESULT:
            raise SecurityError(f"the result of '{operator}' is too large")
        return super().call_binop(context, operator, left, right)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _times(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _compiled(environment: _Environment, expression: str) -> TemplateExpression:
    """As `Environment.compile_expression`, for what may stand in the "if" of a template: no "x if y", but tuples."""
    parser = Parser(environment, expression, state="variable")
    parsed = parser.parse_tuple(with_condexpr=False)
    if not parser.stream.eos:
        raise TemplateSyntaxError("chunk after expression", parser.stream.current.lineno)
    parsed.set_environment(environment)
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), parsed, lineno=1)]
    return TemplateExpression(environment.from_string(nodes.Template(body, lineno=1)), undefined_to_none=False)


def evaluate_template(expression: str, names: Mapping[str, Any]) -> bool:
    """As `expressions.evaluate`, for all of the language of Jinja2's expressions.

    Raises:
        ExpressionError: bad syntax, an unknown name, or values that something cannot be done with.
    """
    if len(expression) > MAX_LENGTH:
        raise ExpressionError(f"it is longer than {MAX_LENGTH} characters")
    environment = _Environment(undefined=StrictUndefined)
    environment.globals.clear()
    try:
        return bool(_compiled(environment, expression)(**names))
    except TemplateError as error:
        raise ExpressionError(error.message or type(error).__name__) from None
    except (ArithmeticError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError) as error:
        raise ExpressionError(str(error) or type(error).__name__) from None
