"""Start a really spawned interpreter and have it find names and load dumps: nothing is inherited but the search path.

Knows nothing of what the dumps mean.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

# Seconds that the spawned interpreter may take before it is ended.
TIME_LIMIT = 120.0
# Characters of its standard error that are kept.
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """A proposed ``__setstate__`` of a class, as source text, to be given to the class there."""

    module: str
    qualname: str
    setstate: str


@dataclass(frozen=True, slots=True)
class Load:
    """Bytes to load there; ``fingerprint`` is the most objects to look at to compare, or None not to compare.

    ``dropped`` are the attributes, by class name, that are left out of the comparison.  ``trail`` is of how many
    objects to say what was compared.
    """

    data: bytes
    changes: tuple[Change, ...] = ()
    fingerprint: int | None = None
    dropped: dict[str, list[str]] | None = None
    trail: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one load: microseconds of the first (imports included) and of the best, or the error."""

    error: str | None
    traceback: str | None = None
    first_us: float | None = None
    us: float | None = None
    fingerprint: str | None = None
    trail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the spawned interpreter said; ``problem`` if it could not be asked at all."""

    problem: str | None
    names: tuple[str | None, ...] = ()
    loads: tuple[Loaded, ...] = ()


def ask(names: list[tuple[str, str]], loads: list[Load], time_limit: float = TIME_LIMIT) -> Answer:
    """Have one spawned interpreter find the names (module and dotted name) and then do the loads, in order."""
    if not sys.executable:
        return Answer("this interpreter does not know its own executable")
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        request: dict[str, Any] = {"names": names, "loads": []}
        for place, load in enumerate(loads):
            path = os.path.join(folder, f"{place}.pickle")
            with open(path, "wb") as file:
                file.write(load.data)
            request["loads"].append(
                {
                    "path": path,
                    "changes": [
                        {"module": change.module, "qualname": change.qualname, "setstate": change.setstate}
                        for change in load.changes
                    ],
                    "fingerprint": load.fingerprint,
                    "dropped": load.dropped or {},
                    "trail": load.trail,
                }
            )
        request_path, reply_path = os.path.join(folder, "request.json"), os.path.join(folder, "reply.json")
        with open(request_path, "w", encoding="utf-8") as file:
            json.dump(request, file)
        problem = _run([request_path, reply_path], time_limit)
        if problem is not None:
            return Answer(problem)
        try:
            with open(reply_path, encoding="utf-8") as file:
                reply = json.load(file)
        except (OSError, ValueError) as error:
            return Answer(f"the spawned interpreter left no reply: {error}")
    return Answer(None, tuple(reply["names"]), tuple(_loaded(load) for load in reply["loads"]))


def _loaded(reply: dict[str, Any]) -> Loaded:
    return Loaded(
        reply["error"],
        reply.get("traceback"),
        reply.get("first_us"),
        reply.get("us"),
        reply.get("fingerprint"),
        tuple(reply.get("trail", ())),
    )


def search_path() -> list[str]:
    """The search path for a spawned interpreter: this process's, with this package in reach.

    The working directory and the environment are inherited as always.
    """
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = [entry if entry else os.getcwd() for entry in sys.path]
    return path if home in path else [*path, home]


def spawned_main(module: str) -> str:
    """The code, for ``python -c``, that calls ``main`` of a module of this package with the further arguments."""
    path = f"import sys; sys.path[:] = {search_path()!r}"
    return f"{path}; from {__package__}.{module} import main; main(*sys.argv[1:])"


def _run(arguments: list[str], time_limit: float) -> str | None:
    """Why the spawned interpreter did not do its work; None if it did."""
    command = [sys.executable, "-c", spawned_main("probe"), *arguments]
    try:
        process = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=time_limit
        )
    except subprocess.TimeoutExpired:
        return f"the spawned interpreter was ended after {time_limit:g} seconds"
    except OSError as error:
        return f"an interpreter cannot be spawned: {error}"
    if process.returncode:
        words = process.stderr.decode("utf-8", "replace").strip()[-_LAST_WORDS:]
        return f"the spawned interpreter ended with status {process.returncode}: {words}"
    return None
