"""Where a value came from: file, line and column, as users see it.

Must not know what values are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .node import FileInfo, MappingNode

# Columns that no file has.  SYNTHETIC: made by the program, near the given line.  LABELLED: the file's display name
# says the whole place already.
SYNTHETIC: Final = -1
LABELLED: Final = -2


class ProvenanceInformation:
    """Where a node came from; as a string, ``file.bst [line 4 column 2]``."""

    __slots__ = ("_file", "column", "line")

    def __init__(self, file: FileInfo, line: int, column: int) -> None:
        self._file = file
        self.line = line + 1
        self.column = column

    @property
    def filename(self) -> str:
        """Path of the file that can be opened, or ""."""
        return self._file.filename

    @property
    def shortname(self) -> str:
        """Path of the file below its project's directory."""
        return self._file.shortname

    @property
    def displayname(self) -> str:
        """The file as users see it."""
        return self._file.displayname

    @property
    def project(self) -> Any:
        """The project that the file belongs to, or None."""
        return self._file.project

    @property
    def toplevel(self) -> MappingNode | None:
        """The root mapping of the file as it was read, or None."""
        return self._file.toplevel

    @property
    def is_synthetic(self) -> bool:
        """Whether the program made the node, so that no place in a file can be shown."""
        return self.column < 0 or not self._file.filename

    def __str__(self) -> str:
        if self.column == LABELLED:
            return self._file.displayname
        if self.is_synthetic:
            return f"{self._file.displayname} [synthetic node]"
        return f"{self._file.displayname} [line {self.line} column {self.column}]"

    __repr__ = __str__
