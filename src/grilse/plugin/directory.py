"""`Directory`: files as plugins see them, wherever they are.

What it declares is implemented by ``storage/directory.py``; plugins use this name to ask what something is.  Names are
BuildStream's (``buildstream.storage.directory``).
"""

from __future__ import annotations

from abc import ABC

from ..storage.directory import CasDirectory
from ..storage.filetypes import DirectoryError, FileListResult, FileStat, FileType

__all__ = ["Directory", "DirectoryError", "FileListResult", "FileStat", "FileType"]


class Directory(ABC):  # noqa: B024 - it is there to be asked about, see CasDirectory for its methods
    """A directory of a tree; its methods are those of `storage.directory.CasDirectory`."""


Directory.register(CasDirectory)
