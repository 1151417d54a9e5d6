"""Says of an element that is not where it was looked for what its name may have been meant to be.

Must not know how elements are loaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..protocol.errors import LoadError, LoadErrorReason

if TYPE_CHECKING:
    from ..plugin.node import Node
    from .project import Project

# Files looked at, about, to find an element that is not where it was looked for.
_FILES_LOOKED_AT = 50_000


def no_such_element(project: Project, name: str, place: Node | None) -> LoadError:
    """The error that says that a project has no element of a name.

    Args:
        project: the project.
        name: the name, without junctions.
        place: what refers to it, or None.
    """
    if project.junction is not None:
        where = f"the project behind the junction '{project.junction.full_name}'"
    else:
        where = f"the elements directory '{project.element_path}'"
    folder = os.path.relpath(project.element_path, project.directory)
    hint = ""
    inside = os.path.relpath(name, folder)
    if name.startswith(folder) and os.path.exists(os.path.join(project.element_path, inside)):
        hint = inside
    else:
        hint = _nearest_file(project.element_path, name)
    return LoadError(
        f"Could not find element '{name}' in {where}",
        reason=LoadErrorReason.MISSING_FILE,
        detail=f"Did you mean '{hint}'?" if hint else None,
        where=str(place.get_provenance()) if place is not None else "",
    )


def _nearest_file(directory: str, name: str) -> str:
    """The element file in the same folder with the name most like `name`, else one of that name in another, or ""."""
    import difflib  # only needed when something is wrong

    folder, base = os.path.split(name)
    try:
        names = [entry for entry in os.listdir(os.path.join(directory, folder)) if entry.endswith(".bst")]
    except (OSError, ValueError):
        names = []
    # What all of them have in common makes none like the name.
    end = ".bst"
    found = difflib.get_close_matches(base.removesuffix(end), [entry.removesuffix(end) for entry in names], 1)
    if found:
        return os.path.join(folder, found[0] + end)
    seen = 0
    for path, folders, files in os.walk(directory):
        folders.sort()
        if base in files:
            return os.path.relpath(os.path.join(path, base), directory)
        seen += len(files)
        if seen > _FILES_LOOKED_AT:
            break
    return ""
