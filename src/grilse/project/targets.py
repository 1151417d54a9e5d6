"""What the names on a command line mean: elements, artifacts, and patterns of either; and what none means.

Knows nothing of loading.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from ..plugin.globs import matcher
from ..protocol.errors import StreamError

if TYPE_CHECKING:
    from .project import Project


class Targets(msgspec.Struct, frozen=True):
    """Names sorted by what they name; each once, in order of mention.

    Attributes:
        elements: element names.
        artifacts: artifact names.
        artifact_patterns: patterns of artifact names, for whoever knows which artifacts there are.
        unmatched: element patterns that match nothing.
    """

    elements: list[str]
    artifacts: list[str]
    artifact_patterns: list[str]
    unmatched: list[str]


def is_pattern(name: str) -> bool:
    """Whether a name of the command line stands for all names that match it."""
    return any(character in name for character in "*?[")


# The key is a SHA-256 in hexadecimal digits
_ARTIFACT_NAME: Final = re.compile(r"[^/]*/[^/]*/[0-9a-f]{64}")


def classify_targets(names: Iterable[str], project: Project | None, *, artifacts: bool = False) -> Targets:
    """Sort command line names; patterns of element names are replaced by the elements that match.

    Args:
        project: where patterns are looked up, or None without one.
        artifacts: whether artifact names are accepted.

    Raises:
        StreamError: invalid-element-names, unrecognized-target-format, or glob-elements-without-project.
    """
    elements: dict[str, None] = {}
    artifact_names: dict[str, None] = {}
    patterns: dict[str, None] = {}
    artifact_patterns: dict[str, None] = {}
    for name in names:
        if is_pattern(name):
            (patterns if name.endswith(".bst") else artifact_patterns)[name] = None
        else:
            (elements if name.endswith(".bst") else artifact_names)[name] = None
    if (artifact_names or artifact_patterns) and not artifacts:
        wrong = ", ".join([*artifact_names, *artifact_patterns])
        raise StreamError(
            f"Invalid element names or element glob patterns were specified: {wrong}",
            reason="invalid-element-names",
            detail=_meant(artifact_names, project) or "Element names and patterns of element names end in '.bst'.",
        )
    for name in artifact_names:
        if not _ARTIFACT_NAME.fullmatch(name):
            raise StreamError(
                f"'{name}' is neither the name of an element nor that of an artifact",
                reason="unrecognized-target-format",
                detail=_meant([name], project) or "Names of elements end in '.bst', artifacts are PROJECT/ELEMENT/KEY.",
            )
    unmatched: list[str] = []
    if patterns:
        if project is None:
            raise StreamError(
                f"Patterns of element names need a project: {', '.join(patterns)}",
                reason="glob-elements-without-project",
            )
        known = list(_element_files(project.element_path))
        for pattern in patterns:
            matches = matcher([pattern]).match
            found = [name for name in known if matches(name)]
            elements.update(dict.fromkeys(found))
            if not found:
                unmatched.append(pattern)
    return Targets(list(elements), list(artifact_names), list(artifact_patterns), unmatched)


def _meant(names: Iterable[str], project: Project | None) -> str:
    """A question when a name is that of an element but for its end, else ""."""
    for name in names:
        if project is not None and os.path.isfile(os.path.join(project.element_path, f"{name}.bst")):
            return f"Did you mean '{name}.bst'?"
    return ""


def default_targets(project: Project, workspace_element: str | None) -> list[str]:
    """What a command works on when nothing is named: the workspace that it runs in, the project's default targets,
    or every element of the project.
    """
    if workspace_element is not None:
        return [workspace_element]
    if project.default_targets:
        return list(project.default_targets)
    return list(_element_files(project.element_path, skip_state=True))


def _element_files(directory: str, *, skip_state: bool = False) -> Iterator[str]:
    """Element names below a directory, in the order in which the file system gives them, as BuildStream has them."""
    for root, folders, files in os.walk(directory):
        if skip_state and ".bst" in folders:
            folders.remove(".bst")
        relative = os.path.relpath(root, directory)
        for file in files:
            if file.endswith(".bst"):
                yield file if relative == "." else os.path.join(relative, file)
