"""``kind: workspace``: stands for the sources of an element with an open workspace; never declared.

Must not know how workspaces are opened or closed.  Configuration: ``path``, the workspace's directory, absolute, and
``last_build``, the key of its last build or "".
"""

import os
from typing import Any

from ...plugin.api import Directory, MappingNode, Source, SourceInfo, SourceInfoMedium, SourceVersionType


class WorkspaceSource(Source):
    """The files of a workspace with their times, so that incremental builds see what changed."""

    BST_MIN_VERSION = "2.0"
    BST_STAGE_VIRTUAL_DIRECTORY = True

    def configure(self, node: MappingNode) -> None:
        """Read the path."""
        node.validate_keys(["path", "last_build", "kind"])
        self.path = node.get_str("path")
        self.last_build = node.get_str("last_build")

    def preflight(self) -> None:
        """Nothing to check."""

    def is_resolved(self) -> bool:
        """Whether the directory is there."""
        return os.path.exists(self.path)

    def is_cached(self) -> bool:
        """Always."""
        return True

    def get_unique_key(self) -> str:
        """The hash of the tree that the files are."""
        return self._tree_digest(self.path, mtimes=True).hash

    def load_ref(self, node: MappingNode) -> None:
        """There is no ref."""

    def get_ref(self) -> None:
        """There is no ref."""

    def set_ref(self, ref: Any, node: MappingNode) -> None:
        """There is no ref."""

    def fetch(self, **_: Any) -> None:
        """Everything is here."""

    def init_workspace_directory(self, directory: Directory) -> None:
        """A workspace is not made of another."""
        raise AssertionError(f"{self}: the workspace is open already")

    def stage_directory(self, directory: Directory) -> None:
        """Take the files as they are now; the caller makes sure that these are those of the key."""
        directory.import_files(self._stage_tree(self.path, mtimes=True), collect_result=False)

    def collect_source_info(self) -> list[SourceInfo]:
        """The path and the digest of the tree."""
        version = str(self._tree_digest(self.path, mtimes=True))
        return [self.create_source_info(self.path, SourceInfoMedium.WORKSPACE, SourceVersionType.CAS_DIGEST, version)]


def setup() -> type[Source]:
    """The plugin's class."""
    return WorkspaceSource
