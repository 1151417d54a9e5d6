"""``init``: write a new project, of which nothing is left when that fails half-way.

Knows the file that a project begins with, and nothing of how people are asked for its values.
"""

from __future__ import annotations

import os
import re

from ...protocol.errors import ErrorDomain, GrilseError
from ...protocol.requests import Init
from ..session import Session

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_SUPPORTED = (2, 8)

_CONTENT = """\
# The project's name, by which its artifacts are known in caches
name: {name}

# The oldest version of the format that has all this project needs
min-version: {version}

# Where the elements are, below this directory
element-path: {elements}
"""


def init(session: Session, action: Init) -> int:
    """Write ``project.conf`` and the directory of elements.

    Raises:
        GrilseError: a value is not allowed, a project is there already, or a file cannot be written.
    """
    check_name(action.project_name)
    check_version(action.min_version)
    check_element_path(action.element_path)
    directory = os.path.abspath(os.path.join(session.request.invocation.directory, action.directory))
    path = os.path.join(directory, "project.conf")
    if not action.force and os.path.lexists(path):
        raise _error(f"a project.conf already exists at {path}; --force replaces it", "project-exists")
    text = _CONTENT.format(name=action.project_name, version=action.min_version, elements=action.element_path)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.join(directory, action.element_path), exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise _error(f"cannot create the project in {directory}: {error.strerror}", None) from error
    session.reporter.text("info", f"Created project.conf at: {path}")
    return 0


def check_name(name: str) -> None:
    """A project's name has letters, digits, ``-`` and ``_`` and begins with a letter.

    Raises:
        GrilseError: it has not.
    """
    if not _NAME.fullmatch(name):
        raise GrilseError(
            f"'{name}' is not a project name: use letters, digits, '-' and '_', beginning with a letter",
            domain=ErrorDomain.LOAD,
            reason="INVALID_SYMBOL_NAME",
        )


def check_version(version: str) -> None:
    """A minimum version is a 2.x that is spoken here.

    Raises:
        GrilseError: it is not.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise _error(f"'{version}' is not a version: write it as MAJOR.MINOR, for example 2.8", "invalid-min-version")
    major, minor = int(match[1]), int(match[2])
    if major != _SUPPORTED[0] or minor > _SUPPORTED[1]:
        raise _error(
            f"minimum version {version} is not supported: it must be between 2.0 and 2.{_SUPPORTED[1]}",
            "invalid-min-version",
        )


def check_element_path(path: str) -> None:
    """The element path is relative and stays in the project.

    Raises:
        GrilseError: it is not, or does not.
    """
    if os.path.isabs(path) or os.path.normpath(path).split(os.sep)[0] == os.pardir:
        raise _error(f"element path '{path}' must be a directory inside the project", "invalid-element-path")


def _error(message: str, reason: str | None) -> GrilseError:
    return GrilseError(message, domain=ErrorDomain.APP, reason=reason)
