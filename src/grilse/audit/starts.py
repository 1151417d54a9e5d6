"""Time the phases of a start under each start method there is, in processes of their own.

Each method is measured from a fresh interpreter, ``start_driver.py``, so that the program that asks is not disturbed.
Knows nothing of any particular program.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from .spawned import spawned_main
from .timeline import ImportCost, MethodRun, PhaseTime, StartReport

METHODS = ("spawn", "forkserver", "fork")
# How often each method is started, the first one not counted.
REPETITIONS = 5
# Seconds that one method's measurements may take.
TIME_LIMIT = 300.0
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Phase:
    """A named step of a start: ``call`` is ``module:function`` of one argument, what the step before returned."""

    name: str
    call: str


def phases(
    steps: Sequence[Phase],
    *,
    name: str = "start",
    payload: object = None,
    first: int | None = None,
    methods: Sequence[str] = METHODS,
    preload: Sequence[str] = (),
    repetitions: int = REPETITIONS,
    watch_imports: bool = True,
) -> StartReport:
    """Time the steps in a process started by each of the methods; those that do not exist here are left out.

    The first step is given the payload, which crosses as the method has it cross.  The first message is sent after
    the step at place ``first``, by default the last one.  ``preload`` are modules that the starting process has
    imported already, where the method lets them be inherited (fork) or preloaded (forkserver).

    :raises ValueError: if there are no steps, or a call is not of the form ``module:function``.
    """
    if not steps:
        raise ValueError("There are no phases to time")
    for step in steps:
        if not all(step.call.partition(":")[::2]):
            raise ValueError(f"'{step.call}' is not of the form 'module:function'")
    request: dict[str, Any] = {
        "steps": [(step.name, step.call) for step in steps],
        "first": len(steps) - 1 if first is None else first,
        "preload": list(preload),
        "repetitions": repetitions,
        "watch": False,
    }
    problem, dumped = _dumped(payload)
    here = _methods_here()
    runs = []
    imports: tuple[ImportCost, ...] = ()
    for method in methods:
        if method not in here:
            continue
        if problem is not None and method != "fork":
            runs.append(MethodRun(method, problem))
            continue
        reply = _drive({**request, "method": method, "watch": watch_imports and method == "spawn"}, dumped)
        if isinstance(reply, str):
            runs.append(MethodRun(method, reply))
            continue
        runs.append(_run_of(method, reply))
        if method == "spawn" and watch_imports:
            imports = import_costs(reply["imports"], set(reply["used"]))
    notes = () if problem is None else (f"the payload was left out of fork's run: {problem}",)
    return StartReport(name, platform.python_version(), tuple(runs), imports, (), notes)


def _methods_here() -> list[str]:
    from multiprocessing import get_all_start_methods

    return get_all_start_methods()


def _dumped(payload: object) -> tuple[str | None, bytes]:
    try:
        return None, pickle.dumps(payload)
    except Exception as error:  # noqa: BLE001 - the audited program's own objects
        return f"the payload cannot be pickled: {type(error).__name__}: {error}", pickle.dumps(None)


def _drive(request: Mapping[str, Any], payload: bytes) -> dict[str, Any] | str:
    """What the driver measured for one method, or why it could not."""
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        paths = [os.path.join(folder, name) for name in ("request.json", "payload.pickle", "reply.json")]
        with open(paths[0], "w", encoding="utf-8") as file:
            json.dump(request, file)
        with open(paths[1], "wb") as payload_file:
            payload_file.write(payload)
        code = spawned_main("start_driver")
        try:
            done = subprocess.run(
                [sys.executable, "-c", code, *paths],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIME_LIMIT,
            )
        except subprocess.TimeoutExpired:
            return f"it was ended after {TIME_LIMIT:g} seconds"
        except OSError as error:
            return f"an interpreter cannot be spawned: {error}"
        if done.returncode:
            return done.stderr.decode("utf-8", "replace").strip()[-_LAST_WORDS:] or f"status {done.returncode}"
        with open(paths[2], encoding="utf-8") as file:
            reply: dict[str, Any] = json.load(file)
    return reply


def _run_of(method: str, reply: dict[str, Any]) -> MethodRun:
    starts = reply["starts"]
    later = starts[1:] or starts
    memory = starts[-1]["memory"]
    names = [name for name, _ in later[0]["marks"]]
    durations: dict[str, list[float]] = {name: [] for name in names}
    for start in later:
        before = 0
        for name, at in start["marks"]:
            durations.setdefault(name, []).append((at - before) / 1000)
            before = at
    return MethodRun(
        method=method,
        problem=None,
        repetitions=len(later),
        start_us=median(start["start"] / 1000 for start in later),
        cold_us=starts[0]["first"] / 1000,
        first_message_us=median(start["first"] / 1000 for start in later),
        bytes_sent=reply["bytes_sent"],
        phases=tuple(PhaseTime(name, median(values)) for name, values in durations.items()),
        shared_bytes=memory[0] if memory else None,
        private_bytes=memory[1] if memory else None,
    )


def import_costs(entries: Sequence[Sequence[Any]], used: set[str]) -> tuple[ImportCost, ...]:
    """The imports by cost, each with whether it is needed: used itself, or importing something that is used.

    ``entries`` are module, own and total nanoseconds, and who imported it; ``used`` the modules whose functions ran.
    """
    children: dict[str, list[str]] = {}
    for name, _, _, by in entries:
        children.setdefault(by, []).append(name)
    needed: dict[str, bool] = {}

    def is_needed(name: str) -> bool:
        if name not in needed:
            needed[name] = name in used
            for child in children.get(name, ()):
                needed[name] |= is_needed(child)
            # A package is needed for what lies in it.
            needed[name] |= any(other.startswith(name + ".") for other in used)
        return needed[name]

    costs = [ImportCost(name, own / 1000, total / 1000, by, is_needed(name)) for name, own, total, by in entries]
    return tuple(sorted(costs, key=lambda cost: (-cost.total_us, cost.module)))
