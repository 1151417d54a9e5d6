"""The errors that plugins raise, and those that calls of the plugin API raise.

Must not know what becomes of an error.  Names and keyword arguments are BuildStream's.
"""

from __future__ import annotations

from ..protocol.errors import ErrorDomain, GrilseError, LoadError, LoadErrorReason, PluginLoadError, SandboxError

__all__ = [
    "BstError",
    "ElementError",
    "ErrorDomain",
    "ImplError",
    "LoadError",
    "LoadErrorReason",
    "PluginError",
    "PluginLoadError",
    "ProgramNotFoundError",
    "SandboxCommandError",
    "SandboxError",
    "SourceError",
    "SourceMirrorError",
    "UtilError",
]

BstError = GrilseError


class PluginError(PluginLoadError):
    """A plugin's call failed, a plugin misbehaved, or a warning is fatal."""

    def __init__(
        self, message: str, *, detail: str | None = None, reason: str | None = None, temporary: bool = False
    ) -> None:
        super().__init__(message, detail=detail, reason=reason, temporary=temporary)


class ImplError(GrilseError):
    """A plugin does not implement a method that it must implement."""

    default_domain = ErrorDomain.IMPL


class UtilError(GrilseError):
    """A function of `utils` could not do its work."""

    default_domain = ErrorDomain.UTIL

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)


class ProgramNotFoundError(GrilseError):
    """A program that is needed on the host is not installed."""

    default_domain = ErrorDomain.PROG_NOT_FOUND

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)


class ElementError(GrilseError):
    """An element has a problem to report.

    Args:
        message: what is wrong.
        detail: more text, of any length.
        reason: a name that machines can compare.
        collect: directory of the sandbox whose content is worth keeping in the failed artifact.
        temporary: whether trying again may help.
    """

    default_domain = ErrorDomain.ELEMENT

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        reason: str | None = None,
        collect: str | None = None,
        temporary: bool = False,
    ) -> None:
        super().__init__(message, detail=detail, reason=reason, temporary=temporary)
        self.collect = collect


class SourceError(GrilseError):
    """A source has a problem to report; arguments as of `ElementError`."""

    default_domain = ErrorDomain.SOURCE

    def __init__(
        self, message: str, *, detail: str | None = None, reason: str | None = None, temporary: bool = False
    ) -> None:
        super().__init__(message, detail=detail, reason=reason, temporary=temporary)


class SourceMirrorError(GrilseError):
    """A source mirror has a problem to report; arguments as of `ElementError`."""

    default_domain = ErrorDomain.SOURCE

    def __init__(
        self, message: str, *, detail: str | None = None, reason: str | None = None, temporary: bool = False
    ) -> None:
        super().__init__(message, detail=detail, reason=reason, temporary=temporary)


class SandboxCommandError(SandboxError):
    """A command in a sandbox failed.

    Args:
        message: what happened.
        detail: the command, or more.
        collect: directory of the sandbox whose content is worth keeping in the failed artifact.
        reason: a name that machines can compare.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        collect: str | None = None,
        reason: str | None = "command-failed",
    ) -> None:
        super().__init__(message, detail=detail, reason=reason)
        self.collect = collect
