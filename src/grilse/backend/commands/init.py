"""``init``: write a new project, of which nothing is left when that fails half-way.

Knows the file that a project begins with, and nothing of how people are asked for its values.
"""

from __future__ import annotations

import os

from ...protocol.errors import ErrorDomain, GrilseError
from ...protocol.init_values import check_element_path, check_name, check_version
from ...protocol.requests import Init
from ...storage.userfiles import write_user_file
from ..session import Session

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
    try:
        os.makedirs(os.path.join(directory, action.element_path), exist_ok=True)
        write_user_file(path, text.encode())
    except OSError as error:
        raise _error(f"cannot create the project in {directory}: {error.strerror}", None) from error
    session.reporter.text("info", f"Created project.conf at: {path}")
    return 0


def _error(message: str, reason: str | None) -> GrilseError:
    return GrilseError(message, domain=ErrorDomain.APP, reason=reason)
