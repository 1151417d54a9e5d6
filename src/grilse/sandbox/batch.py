"""Turns the commands of a batch into one command: a shell script.

A batch is one sandboxed process, as under bst: what a command leaves in ``/tmp`` or starts in the background
is there until the end of the batch. Knows the shell's grammar only.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a batch.

    Attributes:
        argv: program and arguments.
        cwd: absolute working directory.
        environment: whole environment.
        label: what to call it when it fails, None for the command itself.
    """

    argv: Sequence[str]
    cwd: str
    environment: Mapping[str, str]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class CreateFile:
    """An empty file to be made, or touched; `path` is relative to the working directory of the step before."""

    path: str


@dataclass(frozen=True, slots=True)
class EmptyDirectory:
    """An absolute directory to be emptied; what cannot be removed stays."""

    path: str


Item = Step | CreateFile | EmptyDirectory


def script(items: Sequence[Item]) -> str:
    """The script that does `items` in turn until a command fails, for ``sh -e -c``.

    Every command is traced to stderr, and the one that fails is named there.  The script is to be started in the
    working directory and with the environment of the first step.
    """
    lines: list[str] = []
    first: Step | None = None
    before: Step | None = None
    for item in items:
        if isinstance(item, Step):
            first = first or item
            if before is not None:
                lines += _transition(before, item)
            lines.append(_guarded(item))
            before = item
        elif isinstance(item, CreateFile):
            lines.append(f"touch -- {shlex.quote(item.path)}")
        else:
            lines.append(f"rm -rf -- {shlex.quote(item.path)} || true")
            # The working directory may have been in it, and must be there at the end.
            again = item.path if first is None else first.cwd
            lines.append(f"mkdir -p -- {shlex.quote(again)} || true")
    return "\n".join(lines)


def first_step(items: Sequence[Item]) -> Step | None:
    """The step whose working directory and environment the script starts with; None if nothing is to be run."""
    return next((item for item in items if isinstance(item, Step)), None)


def _transition(before: Step, step: Step) -> list[str]:
    """Shell commands that change directory and environment from one step to the next."""
    lines = []
    if step.cwd != before.cwd:
        directory = shlex.quote(step.cwd)
        lines.append(f"mkdir -p -- {directory}; cd -- {directory}")
    gone = [name for name in before.environment if name not in step.environment]
    if gone:
        lines.append(f"unset {' '.join(gone)}")
    for name, value in step.environment.items():
        if before.environment.get(name) != value:
            lines.append(f"export {name}={shlex.quote(value)}")
    return lines


def _guarded(step: Step) -> str:
    command = shlex.join(step.argv)
    label = step.label or command
    told = shlex.quote(f"Command '{label}' failed with exitcode")
    return f"(set -ex; {command}) || (echo {told} $? >&2; exit 1)"
