"""What the values of an `Init` request may be: checked where they are asked for, and again where they are used.

Knows nothing of files.
"""

from __future__ import annotations

import re

from .errors import ErrorDomain, GrilseError, LoadErrorReason

# The major version of the format that is spoken, and its newest minor version.
FORMAT = (2, 8)

# A "symbol name" of the format: no digit first.
_NAME = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]*")
_VERSION = re.compile(r"(-?\d+)\.(-?\d+)(\.\d+)?")


def check_name(name: str) -> None:
    """A project's name has letters, digits, ``-`` and ``_`` and does not begin with a digit.

    Raises:
        GrilseError: it has other characters, or begins so.
    """
    if not _NAME.fullmatch(name):
        raise GrilseError(
            f"'{name}' cannot be the name of a project",
            domain=ErrorDomain.LOAD,
            reason=LoadErrorReason.INVALID_SYMBOL_NAME,
            detail="A name is made of letters, digits, dashes and underscores, and does not begin with a digit.",
        )


def check_version(version: str) -> None:
    """A minimum version is one of the format that is spoken.

    Raises:
        GrilseError: it is not.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise GrilseError(
            f"'{version}' is not a version: write it as MAJOR.MINOR, for example {FORMAT[0]}.{FORMAT[1]}",
            reason="invalid-min-version",
        )
    if int(match[1]) != FORMAT[0] or not 0 <= int(match[2]) <= FORMAT[1]:
        raise GrilseError(
            f"The minimum version must be between {FORMAT[0]}.0 and {FORMAT[0]}.{FORMAT[1]}, not {version}.",
            reason="invalid-min-version",
        )


def check_element_path(path: str) -> None:
    """An element path is relative and stays in the project.

    Raises:
        GrilseError: it does not.
    """
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path) or ".." in re.split(r"[/\\]", path):
        raise GrilseError(
            f"'{path}' is not a directory inside the project: an element path is relative and has no '..' in it.",
            reason="invalid-element-path",
        )
