"""Changes which workspaces are open: the toplevel project's state file, and the file in each workspace.

Knows the two files as BuildStream writes them; nothing of what is staged into a workspace.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..platform.files import lock
from ..protocol.errors import LoadError, StreamError
from ..storage.userfiles import write_user_file
from .files import YamlFiles
from .workspaces import (
    FORMAT_VERSION,
    PROJECT_FILE,
    PROJECT_FORMAT_VERSION,
    STATE_DIRECTORY,
    STATE_FILE,
    Workspace,
    Workspaces,
    load_workspace_project,
    load_workspaces,
)
from .yaml_writer import write_yaml

# Held while the state file is read and written again; beside that file.
LOCK_FILE = "workspaces.lock"


class WorkspaceStore:
    """The open workspaces of a toplevel project, to be changed.

    Args:
        directory: the toplevel project's directory.
        workspaces: what was loaded.
    """

    def __init__(self, directory: str, workspaces: Workspaces) -> None:
        self._directory = directory
        self._entries: dict[str, Workspace] = {}
        for name in workspaces.names():
            entry = workspaces.get(name)
            if entry is not None:
                self._entries[name] = entry

    def names(self) -> list[str]:
        """Full names of elements with an open workspace, in order of opening."""
        return list(self._entries)

    def directory(self, name: str) -> str:
        """The absolute directory of an element's workspace."""
        return os.path.join(self._directory, self._entries[name].path)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def mark(self, name: str, directory: str) -> bool:
        """Write a workspace's own file into a directory that is, or will be, the workspace of an element.

        Returns:
            Whether there was such a file already, among the sources.

        Raises:
            StreamError: it cannot be written.
        """
        own = os.path.join(directory, PROJECT_FILE)
        existed = os.path.exists(own)
        content = {
            "projects": [{"project-path": self._directory, "element-name": name}],
            "format-version": str(PROJECT_FORMAT_VERSION),
        }
        _write(own, content)
        return existed

    def is_marked(self, name: str, directory: str) -> bool:
        """Whether a directory says of itself that it is the workspace of this element of this project."""
        try:
            found = load_workspace_project(directory, YamlFiles(None))
        except LoadError:
            return False
        return found.project_directory == self._directory and found.element == name

    def note(self, name: str, path: str) -> None:
        """Note that an element's workspace is at `path` now, and has not been built.

        Raises:
            StreamError: the state file cannot be read or written.
        """
        stored = os.path.relpath(path, self._directory) if path.startswith(self._directory) else path
        self._change(name, lambda entry: Workspace(stored))

    def close(self, name: str) -> None:
        """Forget a workspace and remove its own file; what else is in it stays.

        Raises:
            StreamError: the state file cannot be read or written.
        """
        self.unmark(self.directory(name))
        self._change(name, lambda entry: None)

    @staticmethod
    def unmark(directory: str) -> None:
        """Remove the own file of what was a workspace, if it is there."""
        try:
            os.unlink(os.path.join(directory, PROJECT_FILE))
        except OSError:
            # The workspace may have been removed by hand.
            pass

    def set_last_build(self, name: str, key: str | None) -> None:
        """Note the key of a workspace's last build, or forget it.

        Raises:
            StreamError: the state file cannot be read or written.
        """
        entry = self._entries.get(name)
        if entry is not None and entry.last_build != key:
            # It may have been closed since, or opened somewhere else.
            self._change(name, lambda now: Workspace(now.path, key) if now and now.path == entry.path else now)

    def _change(self, name: str, change: Callable[[Workspace | None], Workspace | None]) -> None:
        """Change one entry of the file as it is now: other sessions may have changed others since it was read."""
        directory = os.path.join(self._directory, STATE_DIRECTORY)
        try:
            os.makedirs(directory, exist_ok=True)
            descriptor = os.open(os.path.join(directory, LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StreamError(f"cannot write '{directory}': {error.strerror}") from error
        try:
            lock(descriptor)
            loaded = load_workspaces(self._directory, YamlFiles(None))
            entries = {one: entry for one in loaded.names() if (entry := loaded.get(one)) is not None}
            changed = change(entries.get(name))
            if changed is None:
                entries.pop(name, None)
            else:
                entries[name] = changed
            _write(os.path.join(directory, STATE_FILE), _plain(entries))
        except LoadError as error:
            raise StreamError(error.message, detail=error.detail) from error
        finally:
            os.close(descriptor)
        self._entries = entries


def _plain(entries: dict[str, Workspace]) -> dict[str, Any]:
    workspaces: dict[str, Any] = {}
    for name, entry in entries.items():
        workspaces[name] = {"path": entry.path}
        if entry.last_build is not None:
            workspaces[name]["last_build"] = entry.last_build
    return {"format-version": str(FORMAT_VERSION), "workspaces": workspaces}


def _write(path: str, data: dict[str, Any]) -> None:
    try:
        write_user_file(path, write_yaml(data).encode())
    except OSError as error:
        raise StreamError(f"cannot write '{path}': {error.strerror}") from error
