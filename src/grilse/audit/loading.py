"""Get the object that ``MODULE:CALLABLE`` names.

Knows nothing of audits.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from .names import describe


class CannotLoad(Exception):
    """The object cannot be had; the text says why."""


def load_target(target: str) -> object:
    """Import the module, with the working directory in reach, and call the callable (or take the object as it is).

    :raises CannotLoad: if the text is not of that form, or the import or the call fails.
    """
    module_name, _, dotted = target.partition(":")
    if not module_name or not dotted:
        raise CannotLoad(f"'{target}' is not of the form 'MODULE:CALLABLE'")
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for step in dotted.split("."):
            found = getattr(found, step)
    except (Exception, SystemExit) as error:
        raise CannotLoad(f"'{target}' cannot be loaded: {describe(error)}") from error
    if not callable(found):
        result: object = found
        return result
    try:
        return found()
    except (Exception, SystemExit) as error:
        raise CannotLoad(f"'{target}' cannot be called: {describe(error)}") from error
