"""The report on BuildStream 2.8.1: run its session, condense what was found, and write it down.

Knows where the session's program is and which tables the report has; what the audit finds it does not decide.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from . import facts, history
from .markdown import code, milliseconds, table
from .project import inputs, write_project
from .tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
SESSION_LIMIT_SECONDS = 1800
# The classes that history asked about, by the names of their roots.
CORE = (
    "stream",
    "scheduler",
    "context",
    "project",
    "element",
    "source",
    "messenger",
    "state",
    "cas_cache",
    "artifact_cache",
    "source_cache",
    "element_sources_cache",
    "loader",
    "element_factory",
    "source_factory",
    "fetch_job",
    "build_job",
)


class SessionFailed(Exception):
    """BuildStream's session did not get as far as its first build job; the message says what it said."""


def measure(python: Path, large: tuple[Path, Path, str] | None = None) -> dict[str, Any]:
    """Audit a live session in BuildStream's interpreter; ``large`` is (interpreter, project, target) of a real one.

    :raises SessionFailed: if a session does not get as far as a job.
    """
    with tempfile.TemporaryDirectory(prefix="spawn-report-") as folder:
        project = Path(folder) / "project"
        target = write_project(project)
        found = _session(python, project, target, Path(folder))
        data = _condensed(found)
        if large is not None:
            big = _session(large[0], large[1], large[2], Path(folder), "large")
            data["large"] = {
                "name": large[1].name,
                "target": large[2],
                "elements": big["elements"],
                "roots": {name: facts.root_facts(big["roots"][name]) for name in ("stream", "project", "job")},
                "proposals": len(big["roots"]["stream"]["proposals"]),
                "verified": sum(proposal["verified"] for proposal in big["roots"]["stream"]["proposals"]),
                "seconds": round(big["roots"]["stream"]["audit_seconds"], 1),
            }
    return data


def _session(python: Path, project: Path, target: str, folder: Path, size: str = "") -> dict[str, Any]:
    output = folder / f"session{size}.json"
    cache = folder / f"cache{size}"
    configuration = folder / f"config{size}"
    configuration.mkdir()
    (configuration / "buildstream.conf").write_text(f"cachedir: {cache}\nlogdir: {cache}/logs\n")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "XDG_CACHE_HOME": str(cache),
        "XDG_CONFIG_HOME": str(configuration),
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    command = [str(python), "-m", "tools.spawn_reports.session", str(project), target, str(output)]
    done = subprocess.run(
        [*command, size] if size else command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SESSION_LIMIT_SECONDS,
        check=False,
    )
    if done.returncode or not output.exists():
        raise SessionFailed(f"the session of '{project}' ended with status {done.returncode}:\n{done.stdout[-3000:]}")
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def _condensed(found: dict[str, Any]) -> dict[str, Any]:
    roots = found["roots"]
    stream = roots["stream"]
    return {
        "made_with": {"python": platform.python_version(), "machine": f"{os.cpu_count()} processors"},
        "inputs": inputs(),
        "buildstream": found["version"],
        "elements": found["elements"],
        "roots": {name: facts.root_facts(roots[name]) for name in CORE},
        "stream_blockers": facts.condensed_blockers(stream),
        "blockers": {name: facts.blocker_lines(roots[name]) for name in CORE},
        "proposals": facts.condensed_proposals([roots[name] for name in CORE]),
        "rows": facts.largest_rows(stream, 25, ".elements()["),
        "classes": facts.largest_classes(stream, 20),
        "job_rows": facts.largest_rows(roots["build_job"], 12, ".elements()["),
        "callbacks": sorted(found["callbacks"]),
        "calls": found["calls"],
        "tasks": [
            {**task, "attributes": sorted({facts.settled(name) for name in task["attributes"]})}
            | {"left": sorted({facts.settled(name) for name in task["left"]})}
            for task in found["tasks"]
        ],
    }


def render(data: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = [
        "# What would have to cross if BuildStream 2.8.1's scheduler were spawned",
        _intro(data),
        "## In short",
        _short(data),
        "## The core classes",
        _core(data),
        "## What cannot cross",
        _blockers(data),
        "## What it would cost",
        _costs(data),
        "## Which state each class would send",
        _states(data),
        "## Its jobs",
        _jobs(data),
        "## Which messages its frontend and backend need",
        _messages(data),
        "## What its old job pickler special-cased, and what each became",
        _history(data),
        "## What to do, in this order",
        _tasks(data),
        "## A large project",
        _large(data),
        "## The proposed states as source",
        _sketches(data),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro(data: dict[str, Any]) -> str:
    return (
        "Made by the spawn audit (`grilse audit`) from a live session of the released BuildStream "
        f"{data['buildstream']} under Python {data['made_with']['python']}: a project of {data['elements']} "
        "elements with options, includes, a local plugin and a junction whose subproject has a plugin of its own "
        "is being built; the audit looks on from the scheduler's thread in the moment when the first build job has "
        "been started. Nothing of BuildStream is changed.\n\n"
        "Made anew with `python -m tools.spawn_reports buildstream`; `python -m tools.spawn_reports buildstream "
        "--check` measures again and says what of this page is no longer so. Every path of every class is in "
        "[buildstream-2.8.1.json](buildstream-2.8.1.json). Times are those of one machine with two processors."
    )


def _short(data: dict[str, Any]) -> str:
    roots, proposals = data["roots"], data["proposals"]
    refused = [name for name in CORE if roots[name]["picklable"] is False]
    verified = [proposal for proposal in proposals if proposal["verified"]]
    plugin = [proposal for proposal in proposals if "_internalspace" in proposal["cls"]]
    others = len(proposals) - len(verified) - len(plugin)
    stream, last = roots["stream"], data["tasks"][-1]
    crossing = next(task for task in data["tasks"] if not task["blockers"])
    lines = [
        f"- None of the {len(CORE)} objects below can be pickled: {len(refused)} are refused. From almost every one "
        f"of them everything can be reached: {stream['blockers']} objects that cannot cross, in "
        f"{stream['patterns']} patterns, among {stream['nodes']:,} objects, numbers and strings "
        f"({stream['bytes']:,} bytes, if they could be sent).",
        f"- {len(verified)} classes have a proposed state that a spawned interpreter has loaded and that is equal "
        f"there. {len(plugin)} cannot have one, since they are plugins: their classes live in modules that are made "
        f"up at run time and exist in no other process{f'; {others} failed otherwise' if others else ''}.",
        f"- With the tasks up to '{TASKS[crossing['task']][0].lower()}' done, the stream crosses, in "
        f"{crossing['bytes']:,} bytes: still far more than what it was asked to do. With the last one, "
        f"{last['bytes']:,} bytes do.",
    ]
    return "\n".join(lines)


def _core(data: dict[str, Any]) -> str:
    rows = []
    for name in CORE:
        root = data["roots"][name]
        rows.append(
            (
                name.replace("_", " "),
                code(root["type"]),
                root["picklable"],
                root["blockers"],
                root["patterns"],
                root["nodes"],
                root["bytes"],
            )
        )
    columns = ("object", "class", "can be pickled", "blockers", "patterns", "objects below", "bytes below")
    return table(columns, rows, right=range(3, 7))


def _blockers(data: dict[str, Any]) -> str:
    rows = []
    for blocker in facts.grouped(data["stream_blockers"]):
        held = f"{blocker['holders']} more" if blocker["holders"] else ""
        if blocker["through"]:
            held = f"only by the method {code(blocker['through'])}"
        rows.append(
            (
                code(blocker["pattern"]),
                blocker["count"],
                blocker["cause"],
                code(blocker["type"]),
                held,
                f"{blocker['remedy']}: {blocker['advice']}",
            )
        )
    explained = (
        "From `stream`, the root of the command line's session; `[*]` stands for any index or key, `elements()` "
        "for the elements of a set, and `_casd.*.*` for the stubs of every service and method of the cache daemon. "
        "From the other classes the same is reached by other paths."
    )
    columns = ("path", "how many", "cause", "type", "held again by", "what to do")
    return explained + "\n\n" + table(columns, rows, right=(1,))


def _costs(data: dict[str, Any]) -> str:
    rows = [
        (code(row["path"]), code(row["type"]), row["bytes"], row["alone"], row["nodes"], row["remedy"])
        for row in data["rows"]
    ]
    columns = ("path", "type", "bytes", "alone", "objects", "what to do")
    classes = [
        (code(cost["name"]), cost["instances"], cost["bytes"], "" if cost["found"] is None else cost["found"])
        for cost in data["classes"]
    ]
    return (
        "Shared parts count once, where the shortest path leads to them; *alone* is what would not cross if this "
        "path were cut.\n\n"
        + table(columns, rows, right=(2, 3, 4))
        + "\n\nBy class:\n\n"
        + table(("class", "instances", "own bytes", "found after the spawn"), classes, right=(1, 2))
    )


def _states(data: dict[str, Any]) -> str:
    rows = []
    for proposal in data["proposals"]:
        changes = "; ".join(f"{code(name)} ({why})" for name, _, why in proposal["changes"])
        kept = ", ".join(code(name) for name in proposal["kept"][:12])
        more = len(proposal["kept"]) - 12
        rows.append(
            (
                code(proposal["cls"]),
                "yes" if proposal["verified"] else f"no: {proposal['detail']}",
                proposal["bytes"],
                milliseconds(proposal["dump_us"]),
                milliseconds(proposal["load_us"]),
                changes,
                kept + (f" and {more} more" if more > 0 else ""),
            )
        )
    columns = ("class", "verified", "bytes", "dump", "load", "left out", "sent")
    return (
        "What has to be held back for instances of a class to cross, with everything below them in its proposed "
        "state too. *Verified*: dumped, loaded in a spawned interpreter, and found equal there but for what is "
        "left out.\n\n" + table(columns, rows, right=(2, 3, 4))
    )


def _jobs(data: dict[str, Any]) -> str:
    build, fetch = data["roots"]["build_job"], data["roots"]["fetch_job"]
    job = next(proposal for proposal in data["proposals"] if proposal["cls"].endswith(".ElementJob"))
    rows = [(code(row["path"]), code(row["type"]), row["bytes"], row["nodes"]) for row in data["job_rows"]]
    return (
        "A job is a thread today. As an object it holds its scheduler and its element, and by them the session: a "
        f"build job drags {build['nodes']:,} objects ({build['bytes']:,} bytes) along, {build['blockers']} of which "
        f"cannot cross; the first fetch job, of the junction while the project was being loaded, {fetch['nodes']:,} "
        f"({fetch['bytes']:,} bytes).\n\n"
        + table(("path", "type", "bytes", "objects"), rows, right=(2, 3))
        + "\n\nWhat it is about is in "
        + ", ".join(code(name) for name in job["kept"])
        + ". What the other process needs is none of these objects but the action, the element's origin, kind, "
        "resolved configuration and keys, the digests of its sources and dependencies, and where to write the log: "
        "`docs/protocol.md` lists the message that stands for it."
    )


def _messages(data: dict[str, Any]) -> str:
    rows = []
    for holder, method in data["callbacks"]:
        rows.append(
            (code(holder), code(method), history.EVENT_FOR.get(method.rpartition(".")[2], "an event of its own"))
        )
    calls = []
    for cls, attributes in data["calls"].items():
        known = [name for name in attributes if name in history.COMMAND_FOR]
        for name in known:
            calls.append((code(f"{cls}.{name}"), history.COMMAND_FOR[name]))
        rest = [code(name) for name in attributes if name not in history.COMMAND_FOR]
        if rest:
            calls.append((", ".join(rest), history.REST_FOR[cls]))
    return (
        "The core calls these methods of the application (found on the live objects); each becomes an event that "
        "the backend sends:\n\n"
        + table(("held at", "method", "becomes"), rows)
        + "\n\nThe frontend's source asks these of the core (found in its syntax trees); each becomes a request, a "
        "command, "
        "or a field of an event:\n\n" + table(("asked of the core", "becomes"), calls)
    )


def _history(data: dict[str, Any]) -> str:
    rows = []
    stream = data["stream_blockers"]
    for case in history.OLD_PICKLER:
        count = sum(blocker["count"] for blocker in stream if case.matches(blocker["pattern"], blocker["type"]))
        rows.append((case.thing, case.then, f"{count} blockers" if count else case.now_none, case.becomes))
    return (
        "From 2019 to 2020 BuildStream could run its jobs in spawned processes, with a pickler of its own "
        "(`jobpickler.py`, added in d3e7857a1, removed in 5daa22ae6). What that had to treat specially, and what "
        "the audit finds of it in "
        f"{data['buildstream']}:\n\n" + table(("what", "how it was done then", "found now", "becomes"), rows)
    )


def _tasks(data: dict[str, Any]) -> str:
    rows = []
    before_blockers = data["roots"]["stream"]["blockers"]
    before_bytes = data["roots"]["stream"]["bytes"]
    crossing = next(task for task in data["tasks"] if task["dump_us"] is not None)
    parts = []
    for number, task in enumerate(data["tasks"], 1):
        title, text = TASKS[task["task"]]
        rows.append(
            (
                f"{number}. {title}",
                len(task["attributes"]),
                before_blockers - task["blockers"],
                task["blockers"],
                before_bytes - task["bytes"],
                task["bytes"],
                _taken(task, crossing, "dump_us"),
                _taken(task, crossing, "load_us"),
            )
        )
        before_blockers, before_bytes = task["blockers"], task["bytes"]
        names = ", ".join(code(_short_name(name)) for name in task["attributes"])
        parts.append(f"{number}. **{title}.** {text}" + (f" Concerns {names}." if names else ""))
    columns = ("task", "attributes", "blockers gone", "left", "bytes saved", "left", "to dump", "to load")
    return (
        "What is left after each task was measured by auditing the same live session again without the attributes "
        "that the tasks so far deal with. Times with ~ are reckoned from the bytes, as long as it does not "
        "cross.\n\n" + table(columns, rows, right=range(1, 8)) + "\n\n" + "\n".join(parts)
    )


def _taken(task: dict[str, Any], crossing: dict[str, Any], what: str) -> str:
    """The time to dump or load the stream after a task: measured, or reckoned from one that crosses."""
    if task[what] is not None:
        return milliseconds(task[what])
    known = crossing[what] or 0.0
    return "~" + milliseconds(known * task["bytes"] / max(1, crossing["bytes"]))


def _short_name(dotted: str) -> str:
    return ".".join(dotted.split(".")[-2:])


def _large(data: dict[str, Any]) -> str:
    large = data.get("large")
    if large is None:
        return ""
    rows = [
        (code(root["type"]), root["blockers"], root["patterns"], root["nodes"], root["bytes"])
        for root in large["roots"].values()
    ]
    return (
        f"The same on {large['name']} (`{large['target']}`, {large['elements']} elements), in the moment of its "
        f"first job; the audit of the stream takes {large['seconds']} s there, and {large['verified']} of "
        f"{large['proposals']} proposed states are verified (the others are plugins' classes). Not made anew by the "
        "command above unless it is given the project (`--large`).\n\n"
        + table(("class", "blockers", "patterns", "objects below", "bytes below"), rows, right=range(1, 5))
    )


def _sketches(data: dict[str, Any]) -> str:
    parts = []
    for proposal in data["proposals"]:
        verdict = "verified" if proposal["verified"] else "not verified"
        parts.append(
            f"<details><summary><code>{proposal['cls']}</code>: {verdict}</summary>\n\n"
            f"```python\n{proposal['sketch'].rstrip()}\n```\n\n</details>"
        )
    return "\n\n".join(parts)
