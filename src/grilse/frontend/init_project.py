"""``init``: asks for what the command line leaves open, and makes the request that writes the project.

Knows what to ask; the files are the backend's.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..protocol.errors import GrilseError
from ..protocol.init_values import check_element_path, check_name, check_version
from ..protocol.requests import Init
from .streams import STDIN

if TYPE_CHECKING:
    from ..platform.terminal import SignalPort


def init_action(parameters: dict[str, Any], directory_option: str | None, *, interactive: bool) -> Init:
    """The request for a new project.

    Args:
        parameters: of the command ``init``.
        directory_option: what was given with ``--directory``, which this command does not take.
        interactive: somebody is there to be asked.

    Raises:
        GrilseError: a value is wrong or missing, or there is a project already.
        click.Abort: the questions were not answered.
    """
    directory = os.path.abspath(parameters["target_directory"] or ".")
    if directory_option is not None:
        target = os.path.abspath(parameters["target_directory"] or directory_option)
        raise GrilseError(
            "A new project's directory is not given with --directory or -C.",
            reason="init-with-set-directory",
            detail=f"Say 'grilse init {target}' instead.",
        )
    path = os.path.join(directory, "project.conf")
    if os.path.lexists(path) and not parameters["force"]:
        # Said before anything is asked.
        raise GrilseError(f"A project.conf already exists at {path}; --force replaces it.", reason="project-exists")
    name, version, elements = parameters["project_name"], parameters["min_version"], parameters["element_path"]
    if not name:
        if not interactive:
            raise GrilseError(
                "A new project needs a name, and nobody is there to be asked: give --project-name.",
                reason="unspecified-project-name",
            )
        name, version, elements = _ask(version, elements)
    return Init(
        directory=directory, project_name=name, min_version=version, element_path=elements, force=parameters["force"]
    )


_NAME_TEXT = (
    "The name tells this project from others: in caches that several projects share, in your configuration, and "
    "where one project uses another. Letters, digits, dashes and underscores, no digit first."
)
_VERSION_TEXT = "People with an older version than this one are told so, instead of seeing strange errors."
_PATH_TEXT = "The directory of the .bst files. Elements are called by their path below it."


def _ask(version: str, elements: str) -> tuple[str, str, str]:
    from ..platform.terminal import SignalPort

    port = SignalPort()
    try:
        return (
            _question(port, "Project name", _NAME_TEXT, "", check_name),
            _question(port, "Minimum version", _VERSION_TEXT, version, check_version),
            _question(port, "Element path", _PATH_TEXT, elements, check_element_path),
        )
    finally:
        port.close()


def _question(port: SignalPort, label: str, text: str, default: str, check: Callable[[str], None]) -> str:
    """Ask until the answer makes sense; nothing typed means the default."""
    from ..platform.terminal import read_line

    click.echo("\n" + textwrap.fill(text, 76, initial_indent="  ", subsequent_indent="  ") + "\n", err=True)
    while True:
        click.echo(f"{label} [{default}]: " if default else f"{label}: ", nl=False, err=True)
        typed = read_line(STDIN, port)
        if typed is None:
            raise click.Abort
        answer = typed.strip() or default
        if not answer:
            continue
        try:
            check(answer)
        except GrilseError as error:
            click.echo("Error: " + ". ".join(filter(None, (str(error), error.detail))), err=True)
            continue
        return answer
