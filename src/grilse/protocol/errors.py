"""The errors of grilse: one exception class, named by domain and reason, and what of it crosses processes.

Knows nothing of how errors are shown.  Domains and load reasons carry the names that BuildStream's public
``buildstream.exceptions`` module gives them, since scripts and tests compare these.
"""

from __future__ import annotations

from enum import Enum


class ErrorDomain(Enum):
    """Which part of the program an error comes from (names as in ``buildstream.exceptions.ErrorDomain``)."""

    PLUGIN = 1
    LOAD = 2
    IMPL = 3
    PLATFORM = 4
    SANDBOX = 5
    ARTIFACT = 6
    PIPELINE = 7
    UTIL = 8
    SOURCE = 9
    ELEMENT = 10
    APP = 11
    STREAM = 12
    VIRTUAL_FS = 13
    CAS = 14
    PROG_NOT_FOUND = 15
    REMOTE = 16
    PROFILE = 17


class LoadErrorReason(Enum):
    """Why a project cannot be loaded (names as in ``buildstream.exceptions.LoadErrorReason``)."""

    MISSING_FILE = 1
    INVALID_YAML = 2
    INVALID_DATA = 3
    ILLEGAL_COMPOSITE = 4
    CIRCULAR_DEPENDENCY = 5
    UNRESOLVED_VARIABLE = 6
    UNSUPPORTED_PROJECT = 7
    UNSUPPORTED_PLUGIN = 8
    EXPRESSION_FAILED = 9
    USER_ASSERTION = 10
    TRAILING_LIST_DIRECTIVE = 11
    CONFLICTING_JUNCTION = 12
    INVALID_JUNCTION = 13
    SUBPROJECT_INCONSISTENT = 15
    INVALID_SYMBOL_NAME = 16
    MISSING_PROJECT_CONF = 17
    LOADING_DIRECTORY = 18
    PROJ_PATH_INVALID = 19
    PROJ_PATH_INVALID_KIND = 20
    RECURSIVE_INCLUDE = 21
    CIRCULAR_REFERENCE_VARIABLE = 22
    PROTECTED_VARIABLE_REDEFINED = 23
    INVALID_DEPENDENCY_CONFIG = 24
    LINK_FORBIDDEN_DEPENDENCIES = 25
    CIRCULAR_REFERENCE = 26
    BAD_ELEMENT_SUFFIX = 27
    BAD_CHARACTERS_IN_NAME = 28
    UNDEFINED_SOURCE_PROVENANCE_ATTRIBUTE = 29


class GrilseError(Exception):
    """An orderly error: something the user can understand and act on.

    Args:
        message: what is wrong, where, why and what to try; one sentence or a few.
        domain: which part of the program it comes from.
        reason: a stable name that machines can compare, or None.
        detail: further text of any length, shown below the message.
        where: ``file [line L column C]``, or "" when no file is to blame.
        temporary: whether trying again may help (network trouble, say).
    """

    default_domain = ErrorDomain.APP

    def __init__(
        self,
        message: str,
        *,
        domain: ErrorDomain | None = None,
        reason: str | LoadErrorReason | None = None,
        detail: str | None = None,
        where: str = "",
        temporary: bool = False,
    ) -> None:
        super().__init__(message)
        # Plugins give what they caught as the message, too.
        self.message = str(message)
        self.domain = domain or self.default_domain
        self.reason = reason.name if isinstance(reason, LoadErrorReason) else reason
        self.detail = detail
        self.where = where
        self.temporary = temporary

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("errors cross processes as Failure messages, never as exception objects")


class LoadError(GrilseError):
    """A project, element or configuration file is wrong."""

    default_domain = ErrorDomain.LOAD


class PluginLoadError(GrilseError):
    """A plugin cannot be found, imported or made."""

    default_domain = ErrorDomain.PLUGIN


class StreamError(GrilseError):
    """A command cannot do what was asked of it."""

    default_domain = ErrorDomain.STREAM


class SandboxError(GrilseError):
    """A sandbox cannot be made, or a command in it failed."""

    default_domain = ErrorDomain.SANDBOX


class CasError(GrilseError):
    """The content-addressed store cannot do what was asked of it."""

    default_domain = ErrorDomain.CAS


class ArtifactError(GrilseError):
    """An artifact is missing or cannot be used."""

    default_domain = ErrorDomain.ARTIFACT


class RemoteError(GrilseError):
    """A remote service failed or cannot be reached."""

    default_domain = ErrorDomain.REMOTE
