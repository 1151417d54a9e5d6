"""Expressions mean what the template engine of BuildStream makes of them, or are refused."""

from __future__ import annotations

import pytest

from grilse.project.expressions import ExpressionError, evaluate

NAMES = {"yes": True, "no": False, "flavor": "a", "flags": ["x", "y"], "empty": []}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("yes", True),
        ("no", False),
        ("empty", False),
        ("not no", True),
        ("not yes or yes", True),
        ("not (yes or yes)", False),
        ("no and nope", False),
        ("yes or nope", True),
        ("flavor == 'a' and 'x' in flags", True),
        ("flavor == 'a' and not 'x' in flags", False),
        ("'z' not in flags", True),
        ('flavor in ("a", "b")', True),
        ("flavor in ['b',]", False),
        ("flavor == 'a' == 'a'", True),
        ("1 < 2 <= 2 > -1 >= -1", True),
        ("1.5 != 1", True),
        ("'\\x61' == 'a'", True),
        ("'a' 'b' == 'ab'", True),
        ("() == ()", True),
        ("yes == True and no == false and none == None", True),
        ("\n yes\n", True),
    ],
)
def test_true_and_false(expression: str, result: bool) -> None:
    assert evaluate(expression, NAMES) is result


@pytest.mark.parametrize(
    "expression",
    [
        "",
        " ",
        "nope",
        "nope == 1",
        "yes and nope",
        "flavor =",
        "flavor = 'a'",
        "flavor == ",
        "== 'a'",
        "'unfinished",
        "yes if yes else no",
        "(yes",
        "yes)",
        "[yes",
        "yes yes",
        "in flags",
        "not",
        "yes and",
        "flavor.nothing == 1",
        "nope|upper",
        "flavor|nothing",
        "yes is nothing",
        "__import__('os')",
        "range(3)",
        "flavor.__class__.__mro__",
        "flags.append('z')",
        "('x' * 1000000) == 'x'",
        "(1000000 * 'x') == 'x'",
        "(9 ** 999999) == 1",
        "1 // 0",
        "yes|" + "upper|" * 5000 + "upper",
        "yes + " + "-" * 3000 + "1",
        "1a",
        "yes %} {% if no",
        "1 < 'a'",
        "'x' in yes",
        "-flavor",
        "(" * 1000 + "yes" + ")" * 1000,
        "'\\N{nonsense}' == 'a'",
    ],
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, NAMES)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("flavor.upper() == 'A'", True),
        ("flavor|upper == 'A'", True),
        ("flavor|length > 1", False),
        ("flavor is defined", True),
        ("nope is defined", False),
        ("nope|default('a') == flavor", True),
        ("(yes if no else no)", False),
        ("flags[0] == 'x' and flags[-1] == 'y'", True),
        ("flags|join('+') == 'x+y'", True),
        ("flavor ~ 'b' == 'ab'", True),
        ("1 + 2 * 3 == 7 and 2 ** 3 == 8 and 'a' * 3 == 'aaa'", True),
        ("flags == ['x', 'y'] and {'k': flavor}.k == 'a'", True),
    ],
)
def test_what_is_left_to_the_template_engine(expression: str, result: bool) -> None:
    assert evaluate(expression, NAMES) is result


def test_a_name_may_be_the_one_that_the_engine_uses_itself() -> None:
    assert evaluate("result|upper == 'A'", {"result": "a"})


def test_many_terms_and_negations_are_no_trouble() -> None:
    assert evaluate(" and ".join(["yes"] * 5000), NAMES)
    assert evaluate("not " * 5000 + "yes", NAMES)
