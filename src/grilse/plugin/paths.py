"""Check the paths that declarations name below a project's directory.

Knows nothing of what a path is used for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from ..protocol.errors import LoadError, LoadErrorReason
from .node import ScalarNode


class ProjectPaths:
    """Paths below one project directory; remembers where directories really are.

    Args:
        directory: the project's directory.
        note: is told of each path that was found sound: its directory, where that really is, its name, its mode.
    """

    __slots__ = ("_note", "_real", "directory")

    def __init__(self, directory: str, note: Callable[[str, str, str, int], None] | None = None) -> None:
        self.directory = os.path.realpath(directory)
        self._real: dict[str, str] = {}
        self._note = note

    def check(self, node: ScalarNode, *, check_is_file: bool = False, check_is_dir: bool = False) -> str:
        """The path that `node` holds, as written.

        Raises:
            LoadError: MISSING_FILE if there is nothing, PROJ_PATH_INVALID if the path is absolute or leads out of the
                project, PROJ_PATH_INVALID_KIND if it is a link, a device or the like, or not of the kind asked for.
        """
        text = node.as_str()
        bare = text.rstrip("/") or text
        full = os.path.join(self.directory, bare)
        try:
            mode = os.lstat(full).st_mode
        except (OSError, ValueError):
            mode = 0
        if stat.S_ISLNK(mode):
            raise _refused(node, "must not be a symbolic link", LoadErrorReason.PROJ_PATH_INVALID_KIND)
        if next((part for part in bare.split("/") if part not in ("", ".")), "") == ".." and not os.path.isabs(bare):
            raise _refused(node, "must not begin with '..'", LoadErrorReason.PROJ_PATH_INVALID)
        if mode == 0:
            raise _refused(node, "does not exist", LoadErrorReason.MISSING_FILE)
        parent, real, name = self._place(full)
        resolved = os.path.join(real, name)
        if resolved != self.directory and not resolved.startswith(os.path.join(self.directory, "")):
            raise _refused(node, "leads outside of the project directory", LoadErrorReason.PROJ_PATH_INVALID)
        if os.path.isabs(text):
            raise _refused(
                node, "is absolute; paths are relative to the project's directory", LoadErrorReason.PROJ_PATH_INVALID
            )
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode) or stat.S_ISBLK(mode):
            raise _refused(node, "is neither a file nor a directory", LoadErrorReason.PROJ_PATH_INVALID_KIND)
        _check_kind(node, mode, check_is_file, stat.S_ISREG, "regular file")
        _check_kind(node, mode, check_is_dir, stat.S_ISDIR, "directory")
        if self._note is not None:
            self._note(parent, real, name, mode)
        return text

    def _place(self, full: str) -> tuple[str, str, str]:
        """The directory of the thing at `full`, which is no link, where that really is, and the name in it."""
        parent, name = os.path.split(os.path.normpath(full) if "/.." not in full else os.path.realpath(full))
        real = self._real.get(parent)
        if real is None:
            real = self._real[parent] = os.path.realpath(parent)
        return parent, real, name


def _check_kind(node: ScalarNode, mode: int, wanted: bool, is_kind: Callable[[int], bool], name: str) -> None:
    if wanted and not is_kind(mode):
        raise _refused(node, f"is not a {name}", LoadErrorReason.PROJ_PATH_INVALID_KIND)


def _refused(node: ScalarNode, problem: str, reason: LoadErrorReason) -> LoadError:
    return LoadError(f"The path '{node.as_str()}' {problem}", reason=reason, where=str(node.get_provenance()))
