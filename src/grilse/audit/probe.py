"""What runs in the spawned interpreter of an audit: find names, load what was dumped, and say what came of it.

Started by ``spawned.py`` in an interpreter of its own; reads one request file and writes one reply file, both JSON.
Knows nothing of the audited program but what the request says.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any

# How often a load is repeated to time it without the imports: once, and more for as long as this, in seconds.
_REPEATS = 5
_REPEAT_SECONDS = 0.02


def main(request_path: str, reply_path: str) -> None:
    """Do what the request says and write the reply."""
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    loaded_before = len(sys.modules)
    reply: dict[str, Any] = {"names": [], "loads": []}
    start = time.perf_counter()
    for module, qualname in request["names"]:
        reply["names"].append(_find(module, qualname))
    reply["names_us"] = (time.perf_counter() - start) * 1e6
    for load in request["loads"]:
        for change in load["changes"]:
            _change(change)
    for load in request["loads"]:
        reply["loads"].append(_load(load))
    reply["modules_loaded"] = len(sys.modules) - loaded_before
    with open(reply_path, "w", encoding="utf-8") as file:
        json.dump(reply, file)


def _find(module: str, qualname: str) -> str | None:
    """Why a name cannot be found; None if it can."""
    try:
        __import__(module)
        found: Any = sys.modules[module]
        for step in qualname.split("."):
            found = getattr(found, step)
    except BaseException as error:  # noqa: BLE001 - importing runs code of the audited program
        return f"{type(error).__name__}: {error}"
    return None


def _change(change: dict[str, Any]) -> None:
    """Give a class the proposed ``__setstate__``, here only."""
    try:
        __import__(change["module"])
        cls: Any = sys.modules[change["module"]]
        for step in change["qualname"].split("."):
            cls = getattr(cls, step)
        cls.__setstate__ = compile_method(change["setstate"], "__setstate__")
    except BaseException:  # noqa: BLE001 - then loading says what is wrong
        return


def compile_method(source: str, name: str) -> Any:
    """The function that a sketch's source defines under ``name``."""
    space: dict[str, Any] = {}
    exec(compile(source, "<proposed state>", "exec"), space)
    return space[name]


def _load(load: dict[str, Any]) -> dict[str, Any]:
    from pickle import loads

    with open(load["path"], "rb") as file:
        data = file.read()
    try:
        start = time.perf_counter()
        value = loads(data)
        first = time.perf_counter() - start
        print_of = None
        lines: list[str] = []
        if load["fingerprint"] is not None:
            from .fingerprint import fingerprint, trail

            print_of = fingerprint(value, load["dropped"], load["fingerprint"])
            if load["trail"]:
                lines = [line for line, _ in trail(value, load["dropped"], load["trail"])]
        best = first
        until = time.perf_counter() + _REPEAT_SECONDS
        # Two of them at once would need twice the memory.
        del value
        for _ in range(_REPEATS):
            start = time.perf_counter()
            loads(data)
            best = min(best, time.perf_counter() - start)
            if time.perf_counter() > until:
                break
    except BaseException as error:  # noqa: BLE001 - loading runs code of the audited program
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc(limit=-8)}
    return {"error": None, "first_us": first * 1e6, "us": best * 1e6, "fingerprint": print_of, "trail": lines}
