"""``init``: asks what has to be asked and writes a new project's files.

Knows the few rules for the values; everything else about projects is the backend's.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable
from typing import Any

import click

from .. import FORMAT_VERSION
from ..protocol.errors import ErrorDomain, GrilseError, LoadErrorReason

# Names as a project may have: see "symbol names" in the format reference.
_SYMBOL = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]*\Z")


def init_project(parameters: dict[str, Any], directory_option: str | None, *, interactive: bool) -> str:
    """Write a new project; returns the path of its ``project.conf``.

    Args:
        parameters: of the command ``init``.
        directory_option: what was given with ``--directory``, which this command does not take.
        interactive: somebody is there to be asked.

    Raises:
        GrilseError: a value is wrong, a project is there already, or a file cannot be written.
        click.Abort: the questions were not answered.
    """
    directory = os.path.abspath(parameters["target_directory"] or ".")
    if directory_option is not None:
        raise GrilseError(
            "A new project's directory is not given with --directory or -C.",
            reason="init-with-set-directory",
            detail=f"Say 'grilse init {os.path.abspath(parameters['target_directory'] or directory_option)}' instead.",
        )
    path = os.path.join(directory, "project.conf")
    if os.path.exists(path) and not parameters["force"]:
        raise GrilseError(f"There is a project already: {path} exists; --force replaces it.", reason="project-exists")
    name, version, elements = parameters["project_name"], parameters["min_version"], parameters["element_path"]
    if name:
        check_name(name)
        check_version(version)
        check_element_path(elements)
    elif not interactive:
        raise GrilseError(
            "A new project needs a name, and nobody is there to be asked: give --project-name.",
            reason="unspecified-project-name",
        )
    else:
        name, version, elements = _ask(version, elements)
    _write(path, directory, name, version, elements)
    return path


def _write(path: str, directory: str, name: str, version: str, elements: str) -> None:
    try:
        os.makedirs(os.path.join(directory, elements), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f"# The name of the project, its own among all it is used with\nname: {name}\n\n"
                f"# The oldest version of BuildStream's format that can load it\nmin-version: {version}\n\n"
                f"# Where its elements are\nelement-path: {elements}\n"
            )
    except OSError as error:
        raise GrilseError(f"The project cannot be written: {error}", reason="cannot-write-project") from error


def check_name(name: str) -> None:
    """Check a project name.

    Raises:
        GrilseError: it is none.
    """
    if not _SYMBOL.match(name):
        raise GrilseError(
            f"'{name}' cannot be the name of a project",
            domain=ErrorDomain.LOAD,
            reason=LoadErrorReason.INVALID_SYMBOL_NAME,
            detail="A name is made of letters, digits, dashes and underscores, and does not begin with a digit.",
        )


def check_version(version: str) -> None:
    """Check a minimum version.

    Raises:
        GrilseError: it is not a version that this program knows.
    """
    major, minor = (int(part) for part in FORMAT_VERSION.split(".")[:2])
    match = re.match(r"(-?\d+)\.(-?\d+)(\.|\Z)", version)
    if match is None:
        raise GrilseError(
            f"'{version}' is not a version: two numbers with a dot between them are.", reason="invalid-min-version"
        )
    if int(match[1]) != major or not 0 <= int(match[2]) <= minor:
        raise GrilseError(
            f"The minimum version is one from {major}.0 to {major}.{minor}, not {version}.",
            reason="invalid-min-version",
        )


def check_element_path(path: str) -> None:
    """Check an element path.

    Raises:
        GrilseError: it is not a path below the project.
    """
    if os.path.isabs(path) or ".." in re.split(r"[/\\]", path):
        raise GrilseError(
            f"'{path}' is not below the project: an element path is relative and has no '..' in it.",
            reason="invalid-element-path",
        )


_NAME_TEXT = (
    "The name tells this project from others: in caches that several projects share, in your configuration, and "
    "where one project uses another. Letters, digits, dashes and underscores, no digit first."
)
_VERSION_TEXT = "People with an older version than this one are told so, instead of seeing strange errors."
_PATH_TEXT = "The directory of the .bst files. Elements are called by their path below it."


def _ask(version: str, elements: str) -> tuple[str, str, str]:
    return (
        _question("Project name", _NAME_TEXT, None, check_name),
        _question("Minimum version", _VERSION_TEXT, version, check_version),
        _question("Element path", _PATH_TEXT, elements, check_element_path),
    )


def _question(label: str, text: str, default: str | None, check: Callable[[str], None]) -> str:
    def checked(value: str) -> str:
        try:
            check(value)
        except GrilseError as error:
            raise click.UsageError(f"{error} {error.detail or ''}".strip()) from None
        return value

    click.echo("\n" + textwrap.fill(text, 76, initial_indent="  ", subsequent_indent="  ") + "\n", err=True)
    answer: str = click.prompt(label, default=default, value_proc=checked, err=True)
    return answer
