"""Changes which workspaces are open: the toplevel project's state file, and the file in each workspace.

Knows the two files as BuildStream writes them; nothing of what is staged into a workspace.
"""

from __future__ import annotations

import os
from typing import Any

from ..protocol.errors import StreamError
from .workspaces import (
    FORMAT_VERSION,
    PROJECT_FILE,
    PROJECT_FORMAT_VERSION,
    STATE_DIRECTORY,
    STATE_FILE,
    Workspace,
    Workspaces,
)
from .yaml_writer import write_yaml


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

    def open(self, name: str, path: str) -> bool:
        """Note a workspace that is staged; whether its own file was there already.

        Raises:
            StreamError: a file cannot be written.
        """
        stored = os.path.relpath(path, self._directory) if path.startswith(self._directory) else path
        own = os.path.join(path, PROJECT_FILE)
        existed = os.path.exists(own)
        content = {
            "projects": [{"project-path": self._directory, "element-name": name}],
            "format-version": str(PROJECT_FORMAT_VERSION),
        }
        _write(own, content)
        self._entries[name] = Workspace(stored)
        self._save()
        return existed

    def close(self, name: str) -> None:
        """Forget a workspace and remove its own file; what else is in it stays.

        Raises:
            StreamError: a file cannot be written.
        """
        own = os.path.join(self.directory(name), PROJECT_FILE)
        del self._entries[name]
        try:
            os.unlink(own)
        except OSError:
            # The workspace may have been removed by hand.
            pass
        self._save()

    def set_last_build(self, name: str, key: str | None) -> None:
        """Note the key of a workspace's last build, or forget it.

        Raises:
            StreamError: the state file cannot be written.
        """
        entry = self._entries.get(name)
        if entry is not None and entry.last_build != key:
            self._entries[name] = Workspace(entry.path, key)
            self._save()

    def _save(self) -> None:
        workspaces: dict[str, Any] = {}
        for name, entry in self._entries.items():
            workspaces[name] = {"path": entry.path}
            if entry.last_build is not None:
                workspaces[name]["last_build"] = entry.last_build
        directory = os.path.join(self._directory, STATE_DIRECTORY)
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise StreamError(f"cannot write '{directory}': {error.strerror}") from error
        _write(os.path.join(directory, STATE_FILE), {"format-version": str(FORMAT_VERSION), "workspaces": workspaces})


def _write(path: str, data: dict[str, Any]) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(write_yaml(data))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StreamError(f"cannot write '{path}': {error.strerror}") from error
