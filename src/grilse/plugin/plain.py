"""Tells plugins that are nothing but a name for a class of ours: what they make follows from the declaration alone.

Must not know what is done with the answer.  Most element plugins are of this sort: a class without methods, derived
from a public one, with some constants and a file of defaults.  The judgement is made on the source: what is not
recognised for certain is not plain, since a plugin's code may read anything that is on the host.
"""

from __future__ import annotations

import ast
import re
from typing import Final

# Bases whose own code reads nothing but the declaration.
_BASES: Final = frozenset(("BuildElement", "ScriptElement"))
_PACKAGES: Final = frozenset(("buildstream", "buildstream.buildelement", "buildstream.scriptelement"))
_CONSTANTS: Final = (str, int, bool, type(None))
# What most of those that are not plain have: no need to parse them to know.
_TELLTALE: Final = re.compile(rb"^(?:import |[ \t]+(?:async +)?def )", re.MULTILINE)


def is_plain(source: bytes, setup: str = "setup") -> bool:
    """Whether a plugin is plain.

    Args:
        source: the text of its module.
        setup: the function that gives the plugin's class.
    """
    if _TELLTALE.search(source) is not None:
        return False
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    bases: set[str] = set()
    classes: set[str] = set()
    returned: str | None = None
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom):
            if statement.level or statement.module not in _PACKAGES:
                return False
            for name in statement.names:
                if name.asname is not None or name.name == "*":
                    return False
                if name.name in _BASES:
                    bases.add(name.name)
        elif isinstance(statement, ast.ClassDef):
            if statement.name in bases or statement.name in classes or not _is_plain_class(statement, bases):
                return False
            classes.add(statement.name)
        elif isinstance(statement, ast.FunctionDef) and statement.name == setup and returned is None:
            returned = _returned_name(statement)
            if returned is None:
                return False
        elif not _is_text(statement):
            return False
    return returned in classes


def _is_plain_class(statement: ast.ClassDef, bases: set[str]) -> bool:
    if statement.decorator_list or statement.keywords or len(statement.bases) != 1:
        return False
    base = statement.bases[0]
    if not isinstance(base, ast.Name) or base.id not in bases:
        return False
    return all(_is_text(each) or _is_constant(each) for each in statement.body)


def _is_constant(statement: ast.stmt) -> bool:
    """Whether it gives one of BuildStream's class attributes a constant value."""
    if isinstance(statement, ast.Pass):
        return True
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return False
    target, value = statement.targets[0], statement.value
    return (
        isinstance(target, ast.Name)
        and target.id.startswith("BST_")
        and isinstance(value, ast.Constant)
        and isinstance(value.value, _CONSTANTS)
    )


def _is_text(statement: ast.stmt) -> bool:
    """Whether it is a text that nobody uses, such as a docstring."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _returned_name(function: ast.FunctionDef) -> str | None:
    """The name that a function without parameters returns, if it does nothing else."""
    parameters = function.args
    if parameters.args or parameters.posonlyargs or parameters.kwonlyargs or parameters.vararg or parameters.kwarg:
        return None
    if function.decorator_list:
        return None
    body = [each for each in function.body if not _is_text(each)]
    if len(body) != 1 or not isinstance(body[0], ast.Return) or not isinstance(body[0].value, ast.Name):
        return None
    return body[0].value.id
