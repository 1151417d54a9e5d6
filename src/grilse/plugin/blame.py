"""Finds out which plugin is to be blamed for an exception that is no error of ours.

Must not know what becomes of it.
"""

from __future__ import annotations

import traceback
from typing import Final

from .exceptions import PluginError
from .importing import CORE, ROOT

_PACKAGES: Final = (f"{ROOT}.", *(f"{package}." for package in CORE.values()))

REASON: Final = "plugin-bug"


def culprit(error: BaseException) -> str | None:
    """The plugin that the exception came out of, with the line, in words; None if no plugin was running."""
    found = None
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_globals.get("__name__")
        if isinstance(name, str) and name.startswith(_PACKAGES):
            kind = name.rpartition(".")[2]
            found = f"the plugin '{kind}' ({step.tb_frame.f_code.co_filename}, line {step.tb_lineno})"
        step = step.tb_next
    return found


def as_plugin_error(error: BaseException, where: str) -> PluginError | None:
    """An orderly error in place of an exception that came out of a plugin; None if it did not.

    Args:
        error: the exception.
        where: place of the declaration that the plugin worked on.
    """
    plugin = culprit(error)
    if plugin is None:
        return None
    raised = PluginError(
        f"{plugin[0].upper()}{plugin[1:]} raised {type(error).__name__}: {error}",
        detail="".join(traceback.format_exception(error)),
        reason=REASON,
    )
    raised.where = where
    return raised
