"""What runs in a started process while phases are measured: the steps one by one, with the time of each.

Imports next to nothing, since all that it imports is measured as well; knows nothing of who measures.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from .observe import ImportWatch, UseWatch, memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

_now = time.perf_counter_ns


def run_steps(connection: Connection, steps: tuple[tuple[str, str], ...], first: int, payload: Any, watch: str) -> None:
    """Run the steps and send what was seen.

    ``steps`` are a name and ``module:function`` each; every function is given what the one before returned, the first
    one the payload.  After the step at place ``first`` the first message is sent: time stamps (nanoseconds) so far.
    ``watch`` is "", "imports" or "uses".
    """
    marks: list[tuple[str, int]] = [("interpreter and bootstrap", _now())]
    imports = ImportWatch()
    uses = UseWatch()
    if watch == "imports":
        imports.install()
    elif watch == "uses":
        uses.install()
    value = payload
    seen: dict[str, Any] = {}
    for place, (name, call) in enumerate(steps):
        module_name, _, function_name = call.partition(":")
        if module_name not in sys.modules:
            __import__(module_name)
            marks.append((f"imports for {name}", _now()))
        function: Callable[[Any], Any] = _attribute(sys.modules[module_name], function_name)
        value = function(value)
        marks.append((name, _now()))
        if place == first:
            imports.remove()
            uses.remove()
            connection.send(("first", list(marks)))
            seen = {"memory": memory(), "imports": imports.entries, "used": sorted(uses.used)}
    connection.send(("done", list(marks), seen))
    connection.close()


def _attribute(found: Any, dotted: str) -> Any:
    for step in dotted.split("."):
        found = getattr(found, step)
    return found
