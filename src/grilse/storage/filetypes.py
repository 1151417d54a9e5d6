"""What the plugin-visible ``Directory`` API speaks of: kinds and status of files, lists of files, its error.

Knows no implementation.  ``plugin/directory.py`` gives these their public names.
"""

from __future__ import annotations

from enum import Enum

from grilse.protocol.errors import ErrorDomain, GrilseError

# 2011-11-11 11:11:11 UTC: the modification time that every file gets whose own is not kept.
ARBITRARY_TIMESTAMP = 1321009871


class DirectoryError(GrilseError):
    """A ``Directory`` cannot do what was asked of it.

    Args:
        message: what is wrong.
        reason: a name that machines can compare, or None.
    """

    default_domain = ErrorDomain.VIRTUAL_FS

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)


class FileType(Enum):
    """The kind of a file."""

    DIRECTORY = 1
    """A directory"""

    REGULAR_FILE = 2
    """A regular file"""

    SYMLINK = 3
    """A symbolic link"""

    @classmethod
    def values(cls) -> list[int]:
        """The values of all members, in order."""
        return [member.value for member in cls]

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class FileStat:
    """Status of a file; equal to another with the same values.

    Attributes:
        file_type: the `FileType`.
        executable: whether it may be executed; directories may.
        size: bytes of a file's content, of a symbolic link's target, 0 for a directory.
        mtime: modification time in seconds since the epoch.
    """

    __slots__ = ("executable", "file_type", "mtime", "size")

    def __init__(
        self, file_type: FileType, *, executable: bool = False, size: int = 0, mtime: float = ARBITRARY_TIMESTAMP
    ) -> None:
        self.file_type = file_type
        self.executable = executable
        self.size = size
        self.mtime = mtime

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileStat):
            return NotImplemented
        return (self.file_type, self.executable, self.size, self.mtime) == (
            other.file_type,
            other.executable,
            other.size,
            other.mtime,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FileStat({self.file_type}, executable={self.executable}, size={self.size}, mtime={self.mtime})"


class FileListResult:
    """What an import did, as lists of relative paths in the order of the import.

    Attributes:
        overwritten: files that replaced another file, or an empty directory.
        ignored: files that were left out because a directory with entries stands at their place.
        failed_attributes: files whose attributes could not be copied; always empty here.
        files_written: files and symbolic links that were written, those in `overwritten` included.
    """

    __slots__ = ("failed_attributes", "files_written", "ignored", "overwritten")

    def __init__(self) -> None:
        self.overwritten: list[str] = []
        self.ignored: list[str] = []
        self.failed_attributes: list[str] = []
        self.files_written: list[str] = []
