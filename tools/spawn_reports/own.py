"""The report on grilse itself: what crosses between its processes, what that costs, and how soon they speak.

Knows which sessions are run and which tables the report has; how they are recorded is ``crossing``'s matter.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from . import crossing
from .markdown import code, milliseconds, table
from .project import inputs, write_project

START_LIMIT_SECONDS = 600
# What the project promises of its own split, in bytes and microseconds.
MOST_TO_START = 4096
MOST_PER_JOB = 2048
MOST_PER_JOB_P99 = 8192
MOST_TO_FIRST_EVENT_US = 150_000
MOST_BEYOND_FORK_US = 60_000
# Rows of the table of imports.
_IMPORTS = 12

# What cannot be named the same in every run: folders made up, dates, times.
_STAMP = re.compile(r"\d{8}-\d{6}(-[0-9a-f]{6})?")


class StartFailed(Exception):
    """The start of a session could not be audited; the message is what the audit said."""


def measure(real: tuple[Path, tuple[str, ...]] | None = None) -> dict[str, Any]:
    """Run the sessions and put together what the report says; ``real`` is (project, targets) of a real one.

    :raises crossing.SessionFailed: if a session does not come as far as a job.
    :raises StartFailed: if the start cannot be measured.
    """
    with tempfile.TemporaryDirectory(prefix="spawn-report-") as name:
        folder = Path(name)
        project = folder / "project"
        target = write_project(project)
        session = crossing.run_session(project, ["build", target], folder / "home", "build")
        messages = crossing.costs_of(session)
        data: dict[str, Any] = {
            "made_with": {"python": platform.python_version(), "machine": f"{os.cpu_count()} processors"},
            "inputs": inputs(),
            "elements": _elements(session),
            "to_start": _to_start(session),
            "jobs": _jobs(session, messages),
            "messages": messages,
            "objects": [_object(entry) for entry in session.facts["objects"]],
            "examples": {
                "request": _settled(crossing.request_of(session), folder),
                "job": _settled(crossing.first_job(session, "build"), folder),
            },
            "start": _start(project, folder / "home", ["build", target]),
            "workers": {
                "worker_start_us": crossing.worker_start_us(),
                "one_way_us": crossing.one_way_us(512, folder),
                "fork_us": session.facts["forks"]["first_word_us"],
                "fork_shared": session.facts["forks"].get("shared"),
                "fork_private": session.facts["forks"].get("private"),
            },
        }
        if real is not None:
            data["large"] = _large(real[0].resolve(), real[1], folder / "large")
    return data


def _large(project: Path, targets: tuple[str, ...], home: Path) -> dict[str, Any]:
    """A session of a real project, whose sources may not be at hand: what fails is a job all the same."""
    options = ("--on-error", "continue", "--network-retries", "0")
    session = crossing.run_session(
        project, ["build", *targets], home, "build", classes=("Session",), may_fail=True, options=options
    )
    messages = crossing.costs_of(session)
    pipeline = next(entry for entry in messages if entry["message"].endswith(": pipeline"))
    forks = session.facts["forks"]
    return {
        "name": project.name,
        "targets": list(targets),
        "elements": _elements(session),
        "to_start": _to_start(session),
        "jobs": _jobs(session, messages),
        "pipeline": pipeline,
        "session": _object(next(entry for entry in session.facts["objects"] if entry["cls"].endswith(".Session"))),
        "fork_us": forks["first_word_us"],
        "fork_private": forks.get("private"),
        "fork_shared": forks.get("shared"),
    }


def _object(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("cls", "picklable", "nodes", "bytes")} | {"blocked": entry["blockers"]}


def _elements(session: crossing.Session) -> int:
    for _, tag, data in session.messages:
        if tag == "pipeline":
            return len(msgspec.json.decode(data)["elements"])
    raise crossing.SessionFailed("the backend has told of no pipeline")


def _to_start(session: crossing.Session) -> dict[str, int]:
    """What the backend has been sent until it had its first job sent: messages, and bytes."""
    sent = []
    for direction, tag, data in session.messages:
        if tag == "job-spec":
            break
        if direction == "frontend → backend":
            sent.append(len(data))
    return {"count": len(sent), "bytes": sum(sent)}


def _jobs(session: crossing.Session, messages: list[dict[str, Any]]) -> dict[str, Any]:
    entry = next(entry for entry in messages if entry["message"].endswith(": job-spec"))
    result = next(entry for entry in messages if entry["message"].endswith(": job-result"))
    tasks: dict[str, int] = {}
    for _, tag, data in session.messages:
        if tag == "job-spec":
            spec = msgspec.msgpack.decode(data)
            tasks[spec["task"]] = tasks.get(spec["task"], 0) + 1
    return {
        "tasks": dict(sorted(tasks.items())),
        "spec": entry["bytes"],
        "encode_us": entry["encode_us"],
        "decode_us": entry["decode_us"],
        "result": result["bytes"],
        "plan_bytes": session.facts["plan_bytes"],
    }


def _settled(value: Any, folder: Path) -> Any:
    """Plain data without what differs in every run."""
    if isinstance(value, str):
        return _STAMP.sub("…", value.replace(str(folder), ""))
    if isinstance(value, dict):
        return {key: _settled(part, folder) for key, part in value.items()}
    if isinstance(value, list):
        return [_settled(part, folder) for part in value]
    return value


def _start(project: Path, home: Path, words: list[str]) -> dict[str, Any]:
    """The audit of a start, by its own command: under spawn and, where there is one, fork."""
    output = home / "start.json"
    command = [sys.executable, "-m", "grilse", "audit", "start", "--format", "json", "--output", str(output)]
    done = subprocess.run(
        [*command, "--", "--config", str(home / "user.conf"), *words],
        cwd=project,
        env=crossing.environment_of(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_LIMIT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise StartFailed(done.stdout[-3000:])
    report = json.loads(output.read_text())
    runs = {
        run["method"]: {
            "first_message_us": run["first_message_us"],
            "start_us": run["start_us"],
            "sent": {"bytes": run["bytes_sent"]},
            "shared_memory": run["shared_bytes"],
            "private_memory": run["private_bytes"],
            "phases": [[phase["name"], phase["us"]] for phase in run["phases"]],
        }
        for run in report["runs"]
    }
    later = [entry for entry in report["imports"] if not entry["needed"]]
    return {
        "runs": runs,
        "imports": report["imports"][:_IMPORTS],
        "imported_us": sum(entry["own_us"] for entry in report["imports"]),
        "later_us": sum(entry["own_us"] for entry in later),
    }


def broken(data: Mapping[str, Any], *, times: bool = True) -> list[str]:
    """What the report promises and its data do not keep, a line each; without ``times``, what depends on a machine."""
    found = []
    large = data.get("large")
    for name, part in (("", data), ("large: ", large)):
        if part is None:
            continue
        if part["to_start"]["bytes"] > MOST_TO_START:
            found.append(f"{name}{part['to_start']['bytes']:,} bytes cross to start a build, not {MOST_TO_START:,}")
        spec = part["jobs"]["spec"]
        if spec["p50"] > MOST_PER_JOB or spec["p99"] > MOST_PER_JOB_P99:
            found.append(f"{name}a job takes {spec['p50']:,} bytes, one of a hundred {spec['p99']:,}")
    if times:
        spawn = data["start"]["runs"]["spawn"]["first_message_us"]
        fork = data["start"]["runs"].get("fork", {}).get("first_message_us", spawn)
        if spawn > MOST_TO_FIRST_EVENT_US:
            found.append(f"the first event takes {spawn / 1000:.0f} ms, not {MOST_TO_FIRST_EVENT_US / 1000:.0f}")
        if spawn - fork > MOST_BEYOND_FORK_US:
            found.append(f"the first event takes {(spawn - fork) / 1000:.0f} ms more than forked")
    return found


def render(data: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = [
        "# What crosses between grilse's processes",
        _intro(data),
        "## In short",
        _short(data),
        "## To start a build",
        _starting(data),
        "## Each message",
        _messages(data),
        "## A job",
        _a_job(data),
        _large_text(data),
        "## What does not cross",
        _objects(data),
        "## Imports before the first event",
        _imports(data),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro(data: dict[str, Any]) -> str:
    return (
        "Made by the spawn audit from live sessions of grilse under Python "
        f"{data['made_with']['python']}: the project of {data['elements']} elements that "
        "[the report on BuildStream](buildstream-2.8.1.md) is about is built from nothing. Every frame that the "
        "backend sends or receives is recorded as it crosses; for the start the same build is run again, "
        "once with the backend "
        "spawned, as grilse does, and once forked, as it never does: the audit forks the frontend where it would have "
        "started the backend, with what that has imported by then.\n\n"
        "Made anew with `python -m tools.spawn_reports grilse`, both reports with `python -m tools.spawn_reports`; "
        "with `--check` it measures again and says what of the page is no longer so. Sizes are compared, "
        "times are those of one machine with two processors. All figures are in [grilse.json](grilse.json)."
    )


def _short(data: dict[str, Any]) -> str:
    spawn = data["start"]["runs"]["spawn"]
    fork = data["start"]["runs"].get("fork")
    jobs, workers, large = data["jobs"], data["workers"], data.get("large")
    real = "" if large is None else f"; {large['to_start']['bytes']:,} for a build of {large['name']}"
    lines = [
        f"- To start a build, {data['to_start']['bytes']:,} bytes cross in {data['to_start']['count']} message{real}. "
        f"The bar is {MOST_TO_START:,}.",
        f"- A job is {jobs['spec']['p50']:,} bytes (median; {jobs['spec']['p99']:,} at the 99th percentile), since it "
        f"names its element's record in the session's plan file by offset and length instead of carrying "
        f"it. The bars are "
        f"{MOST_PER_JOB:,} and {MOST_PER_JOB_P99:,}.",
        f"- From exec to the backend's first event take {milliseconds(spawn['first_message_us'])}"
        + (
            f", forked {milliseconds(fork['first_message_us'])}: {_beyond(spawn, fork)}. The bars are "
            f"{milliseconds(MOST_TO_FIRST_EVENT_US)} and {milliseconds(MOST_BEYOND_FORK_US)} more than forked."
            if fork is not None
            else f"; there is no fork here. The bar is {milliseconds(MOST_TO_FIRST_EVENT_US)}."
        ),
        f"- A worker is spawned once, in {milliseconds(workers['worker_start_us'])}, and reused: a job then costs "
        f"{_job_us(data):.0f} µs to encode, send and decode. To fork the backend for each job, as BuildStream forks "
        f"its process, would cost {milliseconds(workers['fork_us'])} until the child's first word, each time.",
    ]
    return "\n".join(lines)


def _beyond(spawn: dict[str, Any], fork: dict[str, Any]) -> str:
    difference = spawn["first_message_us"] - fork["first_message_us"]
    return f"{milliseconds(abs(difference))} {'more' if difference > 0 else 'less'}"


def _job_us(data: dict[str, Any]) -> float:
    jobs = data["jobs"]
    return float(jobs["encode_us"] + jobs["decode_us"] + data["workers"]["one_way_us"])


def _starting(data: dict[str, Any]) -> str:
    runs = data["start"]["runs"]
    rows = [
        (
            method,
            milliseconds(run["first_message_us"]),
            milliseconds(run["start_us"]),
            run["sent"]["bytes"],
            _megabytes(run["shared_memory"]),
            _megabytes(run["private_memory"]),
        )
        for method, run in runs.items()
    ]
    columns = ("method", "exec to first event", "the frontend waits", "bytes sent", "memory shared", "memory private")
    names: dict[str, None] = {}
    for run in runs.values():
        names.update((name, None) for name, _ in run["phases"])
    phases = [
        (name, *(milliseconds(dict(map(tuple, run["phases"])).get(name)) for run in runs.values())) for name in names
    ]
    return (
        "What crosses is this request, and nothing else until the user types or stops something:\n\n"
        + _json(data["examples"]["request"])
        + "\n\n"
        + table(columns, rows, right=range(1, 6))
        + "\n\nMemory is that of the backend at its first event. Where the time goes, phase by phase; spans of the "
        "session are those of its event log:\n\n" + table(("phase", *runs), phases, right=range(1, 1 + len(runs)))
    )


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f} MB"


def _messages(data: dict[str, Any]) -> str:
    rows = [
        (
            entry["message"].partition(": ")[0],
            code(entry["message"].partition(": ")[2]),
            entry["count"],
            entry["bytes"]["p50"],
            entry["bytes"]["p99"],
            entry["bytes"]["most"],
            f"{entry['encode_us']:.1f}",
            f"{entry['decode_us']:.1f}",
        )
        for entry in data["messages"]
    ]
    columns = ("direction", "message", "how many", "bytes", "99th percentile", "most", "µs to encode", "µs to decode")
    return (
        "Bytes are medians. What each message is for stands in [protocol.md](../protocol.md). To cross a pipe takes "
        f"{data['workers']['one_way_us']:.0f} µs more, spawned or forked: a forked process needs every one of these "
        "messages as well, but the request, the plan file and the jobs. Events cross as the lines that the log gets, "
        "many at a time; here each is counted by itself.\n\n" + table(columns, rows, right=range(2, 8))
    )


def _a_job(data: dict[str, Any]) -> str:
    jobs, workers = data["jobs"], data["workers"]
    rows: list[tuple[object, ...]] = [
        ("spawned worker, once", milliseconds(workers["worker_start_us"]), "", "", ""),
        (
            "job sent to it",
            f"{_job_us(data):.0f} µs",
            jobs["spec"]["p50"],
            "",
            "",
        ),
        (
            "fork of the backend, each job",
            milliseconds(workers["fork_us"]),
            0,
            _megabytes(workers["fork_shared"]),
            _megabytes(workers["fork_private"]),
        ),
    ]
    columns = ("", "until it runs", "bytes", "memory shared", "memory private")
    counts = ", ".join(f"{count} to {task}" for task, count in jobs["tasks"].items())
    return (
        f"The session has {counts}. The closure of an element does not cross: the job says where its record stands "
        f"in the plan file ({jobs['plan_bytes']:,} bytes at the end, {jobs['plan_bytes'] // data['elements']:,} for "
        "each element, written once and read where it is needed), and a record names those of its "
        "dependencies the same "
        "way; sources, artifacts and trees are named by digest.\n\n"
        + _json(data["examples"]["job"])
        + "\n\n"
        + table(columns, rows, right=range(1, 5))
        + "\n\nThe fork's memory is measured once it has looked at the objects that the garbage collector sees, as "
        "Python code does with whatever it uses."
    )


def _large_text(data: dict[str, Any]) -> str:
    large = data.get("large")
    if large is None:
        return ""
    jobs = large["jobs"]
    counts = ", ".join(f"{count} to {task}" for task, count in jobs["tasks"].items())
    pipeline = large["pipeline"]
    return (
        "## A large project\n\n"
        f"`{' '.join(('grilse build', *large['targets']))}` of {large['name']}, {large['elements']:,} elements, "
        f"without a network, so that most jobs to fetch fail once they have been sent: {counts}.\n\n"
        f"- {large['to_start']['bytes']:,} bytes cross to start it, in {large['to_start']['count']} message.\n"
        f"- A job is {jobs['spec']['p50']:,} bytes, {jobs['spec']['p99']:,} at the 99th percentile, "
        f"{jobs['spec']['most']:,} at most; the plan file is {jobs['plan_bytes']:,} bytes.\n"
        f"- The largest message is the one that tells the frontend of the whole pipeline: "
        f"{pipeline['bytes']['most']:,} bytes, {milliseconds(pipeline['encode_us'])} to encode, "
        f"{milliseconds(pipeline['decode_us'])} to decode.\n"
        f"- Were the session an object to be sent, that would be {large['session']['bytes']:,} bytes in "
        f"{large['session']['nodes']:,} objects, if {large['session']['blocked']:,} of them could cross.\n"
        f"- To fork the backend at its first job to build takes {milliseconds(large['fork_us'])} until the child's "
        f"first word; {_megabytes(large['fork_private'])} of its memory are then its own, "
        f"{_megabytes(large['fork_shared'])} "
        "shared.\n\n"
        "Made anew with `--real PROJECT [TARGET...]`; it is kept where that is not given."
    )


def _objects(data: dict[str, Any]) -> str:
    rows = [
        (code(entry["cls"]), entry["picklable"], entry["blocked"], entry["nodes"], entry["bytes"])
        for entry in data["objects"]
    ]
    columns = ("class", "can be pickled", "blockers below", "objects below", "bytes below")
    return (
        "The objects of the backend, audited when its first job to build has been sent. None of them needs to cross: "
        "the frontend is told in messages, and a worker makes what it needs anew from its job's record.\n\n"
        + table(columns, rows, right=range(2, 5))
    )


def _imports(data: dict[str, Any]) -> str:
    start = data["start"]
    rows = [
        (
            milliseconds(entry["total_us"]),
            milliseconds(entry["own_us"]),
            "" if entry["needed"] else "later",
            code(entry["module"]),
            code(entry["imported_by"]) if entry["imported_by"] else "",
        )
        for entry in start["imports"]
    ]
    return (
        f"The backend imports for {milliseconds(start['imported_us'])} before its first event; of modules that take "
        f"{milliseconds(start['later_us'])} of that no function has run by then. The costliest:\n\n"
        + table(("with its own imports", "own", "needed", "module", "imported by"), rows, right=(0, 1))
    )


def _json(value: Any) -> str:
    return "```json\n" + json.dumps(_said(value), indent=1, ensure_ascii=False) + "\n```"


def _said(value: dict[str, Any]) -> dict[str, Any]:
    """A message without the fields that say nothing."""
    kept = {key: _said(part) if isinstance(part, dict) else part for key, part in value.items()}
    return {key: part for key, part in kept.items() if part not in (None, [], {}, False)}
