"""What names may look like: symbols (options, variables, projects) and element names; which only the program may set.

Knows nothing of where a name is used.
"""

from __future__ import annotations

import re
from typing import Final

from ..plugin.node import MappingNode, Node
from ..protocol.errors import LoadError, LoadErrorReason

# The file that makes a directory a project.
PROJECT_FILE: Final = "project.conf"

_SYMBOL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYMBOL_WITH_DASHES: Final = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]*")

# Printable ASCII without the six characters that Windows forbids in file names; ":" and "/" have meanings of their own.
_ELEMENT_NAME: Final = re.compile(r"[ !#-)+-;=@-{}~]*")


def check_symbol(name: str, purpose: str, node: Node | None = None, *, dashes: bool = True) -> None:
    """Refuse a name that is not a symbol.

    Raises:
        LoadError: INVALID_SYMBOL_NAME.
    """
    if not (_SYMBOL_WITH_DASHES if dashes else _SYMBOL).fullmatch(name):
        allowed = "letters, digits, underscores and dashes" if dashes else "letters, digits and underscores"
        raise LoadError(
            f"Invalid symbol name for {purpose}: '{name}'",
            reason=LoadErrorReason.INVALID_SYMBOL_NAME,
            detail=f"A symbol is made of {allowed}, and does not begin with a digit.",
            where=str(node.get_provenance()) if node is not None else "",
        )


def check_element_name(name: str, node: Node | None = None) -> None:
    """Refuse what cannot be the name of an element's file.

    Raises:
        LoadError: BAD_ELEMENT_SUFFIX or BAD_CHARACTERS_IN_NAME, with the place that refers to it.
    """
    if not name.endswith(".bst"):
        reason = LoadErrorReason.BAD_ELEMENT_SUFFIX
        message = f"Element '{name}' does not have the expected file extension '.bst'"
    elif not _ELEMENT_NAME.fullmatch(name):
        reason = LoadErrorReason.BAD_CHARACTERS_IN_NAME
        message = f"Element '{name}' has characters that are not allowed in names"
    else:
        return
    raise LoadError(message, reason=reason, where=str(node.get_provenance()) if node is not None else "")


def refuse_protected(variables: MappingNode) -> None:
    """Refuse variables that only the program may set.

    Raises:
        LoadError: PROTECTED_VARIABLE_REDEFINED.
    """
    for name in ("project-name", "element-name", "max-jobs"):
        node = variables.value.get(name)
        if node is not None and not node.get_provenance().is_synthetic:
            raise LoadError(
                f"The variable '{name}' is protected and cannot be set",
                reason=LoadErrorReason.PROTECTED_VARIABLE_REDEFINED,
                where=str(node.get_provenance()),
            )


def nearest(name: str, known: list[str]) -> str:
    """``, did you mean 'x'?`` for the known name most like `name`, or ""."""
    import difflib  # only needed when something is wrong

    found = difflib.get_close_matches(name, known, 1)
    return f", did you mean '{found[0]}'?" if found else ""
