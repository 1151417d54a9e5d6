"""Audit a live BuildStream session: runs in BuildStream's own interpreter, with the audit on its path.

``python -m tools.spawn_reports.session PROJECT TARGET OUTPUT [large]`` builds the target until the first build job has
been started, audits there and then what the scheduler's thread sees, writes JSON and ends.  With ``large`` it is the
first job of any sort, and only the stream, the project and the job are audited: for a project whose sources are not at
hand.
Knows BuildStream's classes by name; what is made of the audits is not its matter.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import MethodType
from typing import Any

import buildstream
from buildstream._frontend.app import App
from buildstream._scheduler.scheduler import Scheduler

from grilse.audit import audit

from .tasks import RELOADED, TASKS, task_of

# What the command line gives the application when no option is given; one job of each sort at a time.
_OPTIONS = {
    "config": None,
    "on_error": "quit",
    "fetchers": 1,
    "builders": 1,
    "pushers": 1,
    "max_jobs": 1,
    "network_retries": 0,
    "no_interactive": True,
    "verbose": False,
    "debug": False,
    "error_lines": None,
    "message_lines": None,
    "log_file": None,
    "colors": False,
    "strict": None,
    "option": (),
    "default_mirror": None,
    "cache_buildtrees": None,
    "pull_buildtrees": None,
}


def main(project: str, target: str, output: str, size: str = "") -> None:
    """Run the session."""
    app = App.create({**_OPTIONS, "directory": project})
    start_job = Scheduler._start_job
    found: dict[str, Any] = {}

    def watched(scheduler: Any, job: Any) -> None:
        # On the class, so that the audited instances hold nothing of this.
        start_job(scheduler, job)
        if size == "large" and app.stream.total_elements:
            roots = {"stream": app.stream, "project": app.project, "job": job}
            for name, obj in roots.items():
                found[name] = asdict(audit(obj, name=name))
            result = {"version": buildstream.__version__, "roots": found, "elements": len(app.stream.total_elements)}
            _write(output, result)
        if job.action_name == "Fetch" and "fetch_job" not in found:
            found["fetch_job"] = asdict(audit(job, name="fetch_job"))
        if job.action_name == "Build":
            for name, obj in _roots(app, job):
                found[name] = asdict(audit(obj, name=name))
            result = {"version": buildstream.__version__, "roots": found, "elements": len(app.stream.total_elements)}
            result["callbacks"] = [(holder, method) for holder, _, method in _callbacks(app)]
            result["calls"] = _calls()
            result["tasks"] = _tasks(app, found["stream"])
            _write(output, result)

    Scheduler._start_job = watched
    with app.initialized(session_name="Build"):
        app.stream.build([target])
    sys.exit("no build job was started")


def _write(output: str, result: dict[str, Any]) -> None:
    """Write what was found and end: the session has served its purpose."""
    Path(output).write_text(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)


def _roots(app: Any, job: Any) -> Iterator[tuple[str, Any]]:
    """The objects to audit, each with the name that its paths begin with."""
    stream, context, project = app.stream, app.context, app.project
    element = job._element
    source = next(source for element in stream.total_elements for source in element.sources())
    yield "stream", stream
    yield "scheduler", stream._scheduler
    yield "context", context
    yield "project", project
    yield "element", element
    yield "source", source
    yield "messenger", context.messenger
    yield "state", stream._state
    yield "cas_cache", context.get_cascache()
    yield "artifact_cache", context.artifactcache
    yield "source_cache", context.sourcecache
    yield "element_sources_cache", context.elementsourcescache
    yield "loader", project.loader
    yield "element_factory", project.element_factory
    yield "source_factory", project.source_factory
    yield "build_job", job


def _callbacks(app: Any) -> list[tuple[str, tuple[str, str], str]]:
    """The methods of the frontend that the core holds: holder, class and attribute, method; from the live objects."""
    found = []
    for name, obj in (
        ("stream", app.stream),
        ("scheduler", app.stream._scheduler),
        ("state", app.stream._state),
        ("messenger", app.context.messenger),
    ):
        for attribute, value in sorted(vars(obj).items()):
            for method in value if isinstance(value, list) else [value]:
                if isinstance(method, MethodType) and type(method.__self__).__module__.startswith(
                    "buildstream._frontend"
                ):
                    owner = f"{type(method.__self__).__name__}.{method.__name__}"
                    cls = f"{type(obj).__module__}.{type(obj).__qualname__}"
                    found.append((f"{name}.{attribute}", (cls, attribute), owner))
    return found


def _tasks(app: Any, report: dict[str, Any]) -> list[dict[str, Any]]:
    """The state of the session after each task, in the order to do them: what still blocks, and what would cross."""
    callbacks = [place for _, place, _ in _callbacks(app)]
    steps: dict[str, list[tuple[str, str]]] = {name: [] for name in TASKS}
    steps["callbacks"] += callbacks
    for proposal in report["proposals"]:
        for change in proposal["changes"]:
            place = (proposal["cls"], change["name"])
            if place not in callbacks:
                steps[task_of(*place, change["why"])].append(place)
    steps["reload"] += RELOADED
    found = []
    without: dict[str, list[str]] = {}
    for name, places in steps.items():
        for cls, attribute in places:
            without.setdefault(cls, []).append(attribute)
        after = audit(app.stream, name="stream", without=without)
        found.append(
            {
                "task": name,
                "attributes": sorted(f"{cls}.{attribute}" for cls, attribute in places),
                "blockers": len(after.blockers),
                "left": sorted({f"{blocker.pattern}: {blocker.cause}" for blocker in after.blockers})[:8],
                "bytes": after.bytes,
                "nodes": after.nodes,
                "dump_us": after.dump_us,
                "load_us": after.load_us,
            }
        )
    return found


def _calls() -> dict[str, list[str]]:
    """What the frontend's source asks of the core's objects: attributes by the class they are read of."""
    wanted = {"stream": "Stream", "_state": "State", "state": "State", "context": "Context", "messenger": "Messenger"}
    found: dict[str, set[str]] = {name: set() for name in wanted.values()}
    folder = Path(buildstream.__file__).parent / "_frontend"
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute):
                continue
            of = node.value
            name = of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else None
            if name in wanted and not node.attr.startswith("__"):
                found[wanted[name]].add(node.attr)
    return {name: sorted(attributes) for name, attributes in found.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
