"""``kind: remote``: a file from a URL, as it is.

Must not know how it is downloaded.  Configuration besides that of `DownloadableFileSource`: ``filename``, by default
the last part of the URL, and ``executable``.
"""

from __future__ import annotations

import os
from typing import Any

from ...plugin import utils
from ...plugin.api import DownloadableFileSource, MappingNode, Source, SourceError


class RemoteSource(DownloadableFileSource):
    """One file."""

    BST_MIN_VERSION = "2.0"

    def configure(self, node: MappingNode) -> None:
        """Read how to call the file."""
        super().configure(node)
        self.filename = node.get_str("filename", os.path.basename(self.url))
        self.executable = node.get_bool("executable", False)
        if "/" in self.filename:
            raise SourceError(
                f"{self}: 'filename' is '{self.filename}', but cannot have directories",
                reason="filename-contains-directory",
            )
        node.validate_keys([*DownloadableFileSource.COMMON_CONFIG_KEYS, "filename", "executable"])

    def get_unique_key(self) -> list[Any]:
        """The file, and how it is staged."""
        return [*super().get_unique_key(), self.filename, self.executable]

    def stage(self, directory: str) -> None:
        """Copy the file."""
        target = os.path.join(directory, self.filename)
        with self.timed_activity(f"Staging remote file to {target}"):
            utils.safe_copy(self._get_mirror_file(), target)
            # What the user's mask says must not matter.
            os.chmod(target, 0o755 if self.executable else 0o644)


def setup() -> type[Source]:
    """The plugin's class."""
    return RemoteSource
