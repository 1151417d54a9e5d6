"""``kind: local``: a file or directory of the project.

Must not know how its digest is found.  Configuration: ``path``, below the project's directory.
"""

import os
from typing import Any

from ...plugin.api import Directory, MappingNode, Source, SourceInfo, SourceInfoMedium, SourceVersionType


class LocalSource(Source):
    """Files of the project; they are their own version, so that there is no ref."""

    BST_MIN_VERSION = "2.0"
    BST_STAGE_VIRTUAL_DIRECTORY = True

    def configure(self, node: MappingNode) -> None:
        """Read the path."""
        node.validate_keys(["path", *Source.COMMON_CONFIG_KEYS])
        self.path = self.node_get_project_path(node.get_scalar("path"))
        self.fullpath = os.path.join(self.get_project_directory(), self.path)

    def preflight(self) -> None:
        """The path was checked when it was read."""

    def is_resolved(self) -> bool:
        """Always."""
        return True

    def is_cached(self) -> bool:
        """Always."""
        return True

    def get_unique_key(self) -> str:
        """The hash of the tree that the files are."""
        return self._tree_digest(self.fullpath).hash

    def load_ref(self, node: MappingNode) -> None:
        """There is no ref."""

    def get_ref(self) -> None:
        """There is no ref."""

    def set_ref(self, ref: Any, node: MappingNode) -> None:
        """There is no ref."""

    def fetch(self, **_: Any) -> None:
        """Everything is here."""

    def stage_directory(self, directory: Directory) -> None:
        """Take the files as they are now; the caller makes sure that these are those of the key."""
        directory.import_files(self._stage_tree(self.fullpath), collect_result=False)

    def init_workspace_directory(self, directory: Directory) -> None:
        """As `stage_directory`."""
        self.stage_directory(directory)

    def collect_source_info(self) -> list[SourceInfo]:
        """The path and the digest of the tree."""
        version = str(self._tree_digest(self.fullpath))
        return [self.create_source_info(self.path, SourceInfoMedium.LOCAL, SourceVersionType.CAS_DIGEST, version)]

    def _needs_room(self) -> bool:
        return True

    def _presence(self) -> bool:
        return True


def setup() -> type[Source]:
    """The plugin's class."""
    return LocalSource
