"""Finds out which plugin is to be blamed for an exception that is no error of ours.

Must not know what becomes of it.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Final

from .exceptions import PluginError
from .importing import CORE, ROOT

_PACKAGES: Final = (f"{ROOT}.", *(f"{package}." for package in CORE.values()))

REASON: Final = "plugin-bug"


@dataclass(frozen=True, slots=True)
class Culprit:
    """A plugin that an exception came out of.

    Attributes:
        kind: its kind, as its module is called.
        place: file and line where it happened, in its own code or in a module beside it.
        trace: the calls from the plugin's method on, one a line.
    """

    kind: str
    place: str
    trace: str

    def __str__(self) -> str:
        return f"the plugin '{self.kind}' ({self.place})"


def culprit(error: BaseException) -> Culprit | None:
    """The plugin that the exception came out of; None if no plugin was running."""
    kind = place = ""
    steps: list[str] = []
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_globals.get("__name__")
        code = step.tb_frame.f_code
        if isinstance(name, str) and name.startswith(_PACKAGES):
            # The plugin is what was called first, the place is where it ended, maybe in a module that it imports.
            kind = kind or _kind(name)
            place = f"{code.co_filename}, line {step.tb_lineno}"
        if kind:
            steps.append(f"{code.co_filename}, line {step.tb_lineno}, in {code.co_name}")
        step = step.tb_next
    if not kind:
        return None
    return Culprit(kind, place, "\n".join(_shortened(steps)))


def words(error: BaseException) -> str:
    """An exception in words, also one that has none to offer."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is a plugin's own, and may raise anything
        return f"{type(error).__name__}, which cannot be put into words"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def trace(error: BaseException) -> str:
    """The traceback of an exception, also of one that cannot be put into words."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - formatting calls what a plugin has made
        return "".join(traceback.format_tb(error.__traceback__))


def as_plugin_error(error: BaseException, where: str) -> PluginError | None:
    """An orderly error in place of an exception that came out of a plugin; None if it did not.

    Args:
        error: the exception.
        where: place of the declaration that the plugin worked on.
    """
    plugin = culprit(error)
    if plugin is None:
        return None
    raised = PluginError(f"The{str(plugin)[3:]} raised {words(error)}", detail=plugin.trace, reason=REASON)
    raised.where = where
    return raised


# Calls shown of those that led to an exception, at either end.
_SHOWN = 8


def _shortened(steps: list[str]) -> list[str]:
    left_out = len(steps) - 2 * _SHOWN
    if left_out <= 1:
        return steps
    return [*steps[:_SHOWN], f"… {left_out} more calls", *steps[-_SHOWN:]]


def _kind(module: str) -> str:
    """The kind in a module's name: behind the package of all plugins and that of the directory, or of core kinds."""
    parts = module.split(".")
    return parts[2] if parts[0] == ROOT else parts[3]
