"""Audit this program's own split on a given project: what crosses to its backend, and how soon that speaks.

The program is run as a user would run it, once per repetition and start method, and watched by ``split_probe``.  It is
known here by name only and never imported.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from .spawned import spawned_main
from .starts import import_costs
from .timeline import ImportCost, MessageSize, MethodRun, PhaseTime, StartReport

# How often each method is started, the first one not counted.
REPETITIONS = 5
# Seconds that one run of the command may take.
TIME_LIMIT = 600.0
# The program, by name: what is run, what starts its other half, and that half itself, for the comparison with fork.
_PROGRAM = {
    "program": "grilse",
    "main": "grilse.__main__:main",
    "spawn": "grilse.platform:spawn",
    "process": "grilse.platform:Process",
    "forked": "grilse.backend.__main__:main",
    "connection": "grilse.platform.connection:connection_class",
}
# Of the messages that the backend sends, two say hello, and the next is its first event.
_FIRST_EVENT = 3
_HELLOS = _FIRST_EVENT - 1
# Spans of the event log shorter than this are not phases worth a line, in microseconds.
_LEAST_SPAN_US = 100.0


class StartFailed(Exception):
    """The command to audit did not end well; the text says how."""


def audit_start(
    command: Sequence[str],
    *,
    methods: Sequence[str] = ("spawn", "fork"),
    repetitions: int = REPETITIONS,
    watch_imports: bool = True,
) -> StartReport:
    """Run ``grilse COMMAND`` under each method, and say what crossed and when.

    :raises StartFailed: if the command fails, or sends nothing.
    """
    runs = []
    messages: tuple[MessageSize, ...] = ()
    for method in methods:
        if method == "fork" and not hasattr(os, "fork"):
            continue
        replies = [_run(command, method) for _ in range(repetitions + 1)]
        runs.append(_method_run(method, replies))
        if method == "spawn":
            messages = tuple(
                MessageSize("to the backend" if direction == "to" else "from the backend", place, size, at / 1000)
                for place, (direction, size, at) in enumerate(replies[-1]["messages"])
            )
    imports = _imports(command) if watch_imports and "spawn" in methods else ()
    name = " ".join([_PROGRAM["program"], *command])
    return StartReport(name, platform.python_version(), tuple(runs), imports, messages)


def _run(command: Sequence[str], method: str, watch: str = "", watched: str = "") -> dict[str, Any]:
    """Run the command once; what the probe saw, and the phases that the event log tells of."""
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        request_path, reply_path = os.path.join(folder, "request.json"), os.path.join(folder, "reply.json")
        events_path = os.path.join(folder, "events.jsonl")
        code = spawned_main("split_probe")
        argv = [sys.executable, "-c", code, request_path, reply_path, "--events", events_path, *command]
        request: dict[str, Any] = {**_PROGRAM, "method": method, "watch": bool(watch)}
        if watch:
            request["watcher"] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "import_probe.py")
            request["environment"] = {
                "GRILSE_AUDIT_HOME": os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                "GRILSE_AUDIT_WATCH": watch,
                "GRILSE_AUDIT_FIRST": str(_FIRST_EVENT),
                "GRILSE_AUDIT_CONNECTION": _PROGRAM["connection"],
                "GRILSE_AUDIT_REPLY": watched,
            }
        begun = time.perf_counter_ns()
        begun_time = time.time()
        with open(request_path, "w", encoding="utf-8") as file:
            json.dump({**request, "begun": begun}, file)
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIME_LIMIT
            )
        except subprocess.TimeoutExpired as error:
            raise StartFailed(f"the command was ended after {TIME_LIMIT:g} seconds") from error
        words = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        try:
            with open(reply_path, encoding="utf-8") as file:
                reply: dict[str, Any] = json.load(file)
        except (OSError, ValueError) as error:
            raise StartFailed(words or f"it ended with status {done.returncode}") from error
        if reply["status"]:
            raise StartFailed(f"the command ended with status {reply['status']}: {words}")
        reply["events"] = _events(events_path, begun_time)
    if not reply["events"]:
        raise StartFailed("the backend sent no event")
    return reply


def _events(path: str, begun: float) -> list[tuple[str, float, float]]:
    """The first event and the session's spans from the event log: name, begin and duration in microseconds."""
    found: list[tuple[str, float, float]] = []
    names: dict[int, tuple[str, float]] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                event = json.loads(line)
                at = (event.get("time", begun) - begun) * 1e6
                if not found:
                    found.append(("first event", at, 0.0))
                if event.get("event") == "span-started" and event.get("job") is None:
                    names[event["span"]] = (event["name"], at)
                elif event.get("event") == "span-ended" and event["span"] in names:
                    name, start = names.pop(event["span"])
                    found.append((name, start, event["seconds"] * 1e6))
    except (OSError, ValueError):
        return found
    return found


def _method_run(method: str, replies: list[dict[str, Any]]) -> MethodRun:
    later = replies[1:] or replies
    durations: dict[str, list[float]] = {}
    firsts = []
    for reply in later:
        before = 0.0
        first = reply["events"][0][1]
        firsts.append(first)
        marks = [(name, at / 1000) for name, at in reply["marks"] if name != "end"]
        received = [at / 1000 for direction, _, at in reply["messages"] if direction == "from"]
        if received:
            marks.append(("hello received", received[0]))
        for name, at in sorted(marks, key=lambda mark: mark[1]):
            durations.setdefault(name, []).append(at - before)
            before = at
        durations.setdefault("first event (since exec)", []).append(first)
        for name, _, taken in reply["events"][1:]:
            durations.setdefault(name, []).append(taken)
        durations.setdefault("end (since exec)", []).append(reply["marks"][-1][1] / 1000)
    memory = later[-1]["memory"]
    start = [
        dict(reply["marks"]).get("backend process started", 0) - dict(reply["marks"]).get(_READY, 0) for reply in later
    ]
    return MethodRun(
        method=method,
        problem=None,
        repetitions=len(later),
        start_us=median(start) / 1000,
        cold_us=replies[0]["events"][0][1],
        first_message_us=median(firsts),
        bytes_sent=sum(size for direction, size, _ in later[-1]["messages"] if direction == "to"),
        phases=tuple(
            PhaseTime(name, median(values)) for name, values in durations.items() if median(values) >= _LEAST_SPAN_US
        ),
        shared_bytes=memory[0] if memory else None,
        private_bytes=memory[1] if memory else None,
    )


_READY = "frontend ready to start the backend"


def _imports(command: Sequence[str]) -> tuple[ImportCost, ...]:
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        path = os.path.join(folder, "imports.json")
        seen = []
        for watch in ("imports", "uses"):
            _run(command, "spawn", watch, path)
            with open(path, encoding="utf-8") as file:
                seen.append(json.load(file))
    return import_costs(seen[0]["imports"], set(seen[1]["used"]))
