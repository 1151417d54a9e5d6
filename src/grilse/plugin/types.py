"""Small types of the public plugin API: enumerations, names of core warnings, what a source's ref may be.

Must not know plugins, nodes or errors.  Names and values are BuildStream's (``buildstream.types``).
"""

from __future__ import annotations

from enum import Enum
from typing import Any


class FastEnum(Enum):
    """Base of enumerations that plugins declare; a member prints as its value.

    Equal values of different enumerations differ.  (BuildStream has a class of its own for speed; today's `enum` is
    as fast.)
    """

    @classmethod
    def values(cls) -> list[Any]:
        """The values of all members, in order."""
        return [member.value for member in cls]

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value}>"


class CoreWarnings:
    """Names of the warnings that are not a plugin's own; a project may declare each of them fatal."""

    OVERLAPS = "overlaps"
    """Files of one element replaced files of another, which is not on the overlap whitelist."""

    UNSTAGED_FILES = "unstaged-files"
    """A file could not be staged because a directory with entries stands in its place."""

    REF_NOT_IN_TRACK = "ref-not-in-track"
    """The ref of a source is not on the branch or tag that it tracks."""

    UNALIASED_URL = "unaliased-url"
    """A URL to download from is written without an alias."""

    UNAVAILABLE_SOURCE_INFO = "unavailable-source-info"
    """A source cannot say where its content comes from."""


CORE_WARNINGS = frozenset(
    (
        CoreWarnings.OVERLAPS,
        CoreWarnings.UNSTAGED_FILES,
        CoreWarnings.REF_NOT_IN_TRACK,
        CoreWarnings.UNALIASED_URL,
        CoreWarnings.UNAVAILABLE_SOURCE_INFO,
    )
)


class OverlapAction(FastEnum):
    """What to do when files staged by one call replace files that an earlier call staged."""

    ERROR = "error"
    """Fail."""

    WARNING = "warning"
    """Warn; the project may declare this fatal, see `CoreWarnings.OVERLAPS`."""

    IGNORE = "ignore"
    """Nothing."""


SourceRef = None | int | str | list[Any] | dict[str, Any]
"""The exact version of a source: None if there is none yet, else plain data; the order of lists counts."""


def is_plain(data: object) -> bool:
    """Whether something is plain data, as a ref must be: text, numbers, None, and lists and mappings of them."""
    if isinstance(data, dict):
        return all(isinstance(key, str) and is_plain(value) for key, value in data.items())
    if isinstance(data, list | tuple):
        return all(map(is_plain, data))
    return data is None or isinstance(data, str | int | float)
