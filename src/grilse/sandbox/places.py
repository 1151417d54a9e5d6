"""Makes the places that a command needs in a staged root, and works out how the rest of it is made read-only.

All writable directories of a root must be in one mount, since files cannot be linked or renamed between mounts: bst's
sandbox has a single one, and builds move what they built to where it is installed. So the root itself is mounted
writable, everything beside the writable directories is mounted read-only over itself, and the directories above them,
which cannot be, lose the permission to write for as long as the command runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from grilse.protocol.errors import SandboxError
from grilse.sandbox.spec import Command
from grilse.sandbox.upper import Upper
from grilse.sandbox.view import Kind, View

# What every sandbox has, whatever is staged; bubblewrap mounts on these, but for a /tmp that is the root's own.
_MOUNTED = ("/proc", "/tmp", "/dev")
_TMP = "/tmp"

# Where more mounts than these would be needed, the root is mounted read-only and each writable directory over it.
_MAX_PROTECTED = 256


@dataclass(frozen=True, slots=True)
class Protection:
    """What keeps a root from being written to.

    Attributes:
        read_only: paths in the sandbox to mount read-only over themselves.
        writable: paths to mount writable over themselves, after that.
        closed: host directories to take the permission to write from.
        own_tmp: whether ``/tmp`` is the root's own, which is always writable, and not an empty one.
    """

    read_only: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    own_tmp: bool = False


def make_places(view: View, upper: Upper, command: Command) -> bool:
    """Make the directories and files that a command needs to be there.

    Returns:
        whether ``/tmp`` has something in it: under bst commands then see that, and write to it.

    Raises:
        SandboxError: something else is in the way.
        OSError: one cannot be made.
    """
    for path in (*_MOUNTED, command.cwd, *(command.writable or ())):
        _make_place(view, upper, path, Kind.DIRECTORY)
    tmp = view.find(_TMP, follow=False)
    own_tmp = tmp is not None and tmp.kind is Kind.DIRECTORY and any(view.children(tmp))
    for mount in command.mounts:
        _make_place(view, upper, mount.path, Kind.DIRECTORY if os.path.isdir(mount.host_path) else Kind.FILE)
    return own_tmp


def protect(view: View, upper: Upper, command: Command, *, own_tmp: bool = False) -> Protection:
    """What is to be done so that only the writable directories of a command, which exist, may be written to.

    Args:
        view: looks at the root.
        upper: its upper directory.
        command: the command.
        own_tmp: what `make_places` found.

    Raises:
        OSError: a directory above them cannot be made in the upper directory.
    """
    if command.writable is None:
        return Protection(own_tmp=own_tmp)
    found = [view.find(path) for path in command.writable]
    writable = {place.path for place in found if place is not None}
    # As under bst, naming the root itself does not make it writable.
    writable.discard("")
    if own_tmp:
        writable.add(_TMP)
    above = [path for path in _above(writable) if not path.startswith(tuple(f"{inside}/" for inside in writable))]
    read_only: list[str] = []
    for path in above:
        for child in _children(view, path):
            if child not in writable and child not in above and child not in _MOUNTED:
                read_only.append(child)
    if len(read_only) > _MAX_PROTECTED:
        return Protection(read_only=("/",), writable=tuple(sorted(writable)), own_tmp=own_tmp)
    closed = tuple(upper.ensure(path) for path in above)
    return Protection(read_only=tuple(read_only), closed=closed, own_tmp=own_tmp)


def _make_place(view: View, upper: Upper, path: str, kind: Kind) -> None:
    place, rest = view.walk(path)
    if rest:
        if place.kind is not Kind.DIRECTORY or ".." in rest:
            raise SandboxError(f"'{path}' cannot be made in the sandbox, since '{place.path}' is in the way")
        upper.make(place.path, place.lower, rest, directory=kind is Kind.DIRECTORY)
    elif (place.kind is Kind.DIRECTORY) != (kind is Kind.DIRECTORY):
        raise SandboxError(f"'{path}' is no {kind.value} in the sandbox")


def _above(paths: set[str]) -> list[str]:
    """The directories above `paths` that are not among them; "" for the root."""
    above = {""}
    for path in paths:
        parts = path.split("/")
        above.update("/".join(parts[:count]) for count in range(1, len(parts)))
    return sorted(above - paths)


def _children(view: View, path: str) -> Iterator[str]:
    """Paths of the directories and files in a directory: what can be mounted over itself."""
    parent = view.find(path)
    if parent is not None:
        for child in view.children(parent):
            if child.kind in (Kind.DIRECTORY, Kind.FILE):
                yield child.path
