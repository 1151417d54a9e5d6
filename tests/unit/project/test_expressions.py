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
        "(yes",
        "yes)",
        "[yes",
        "yes yes",
        "in flags",
        "not",
        "yes and",
        "flavor.upper()",
        "flavor|upper",
        "yes is defined",
        "yes if no else yes",
        "__import__('os')",
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


def test_many_terms_and_negations_are_no_trouble() -> None:
    assert evaluate(" and ".join(["yes"] * 5000), NAMES)
    assert evaluate("not " * 5000 + "yes", NAMES)
