"""``doctor``: what works on this machine and what does not, with what to do about it.

Knows what to look at; the rooms themselves say how it is.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ...protocol.errors import CasError, GrilseError
from ...protocol.requests import Doctor
from ...sandbox.workshop import Workshop
from ...storage.store import Store
from ..pipeline import Pipeline
from ..remotes import open_remotes
from ..session import Session
from ..single import run_task
from ..upkeep import limits_of

# A clock that is before this is wrong (2024-01-01); keys do not care, certificates do.
EARLIEST = 1704067200
# Free bytes of the cache's file system below which builds are likely to fail.
LITTLE = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: "ok", "warning" or "problem", what was found, and what to do about it."""

    subject: str
    state: str
    text: str
    remedy: str = ""


def doctor(session: Session, action: Doctor) -> int:
    """Look at everything; status 1 if something does not work.

    Raises:
        LoadError: the configuration is wrong.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        project = pipeline.try_open_project()
        findings = [
            *_cache(pipeline),
            *_sandbox(pipeline),
            *_clock(),
            *_programs(),
            *(_remotes(pipeline) if project is not None else ()),
        ]
    if session.request.output_json:
        session.reporter.values([asdict(finding) for finding in findings])
    else:
        session.reporter.output("".join(map(_line, findings)))
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def _line(finding: Finding) -> str:
    remedy = f"\n{'':10}{finding.remedy}" if finding.remedy else ""
    return f"{finding.state:<9} {finding.subject}: {finding.text}{remedy}\n"


def _cache(pipeline: Pipeline) -> Iterator[Finding]:
    directory = pipeline.config.cachedir
    try:
        store = Store(directory)
        store.read(store.add_bytes(b"grilse doctor\n"), verify=True)
    except CasError as error:
        yield Finding("cache", "problem", error.message, f"Make '{directory}' writable, or set 'cachedir'.")
        return
    free = shutil.disk_usage(directory).free
    text = f"{directory}, {free / 1024**3:.1f} GiB free"
    if free < max(LITTLE, limits_of(pipeline.config).reserved):
        yield Finding("disk", "warning", text, "Free some space, or run 'grilse cache prune'.")
    else:
        yield Finding("cache", "ok", text)


def _sandbox(pipeline: Pipeline) -> Iterator[Finding]:
    store = Store(pipeline.config.cachedir)
    means = Workshop(store, os.path.join(store.cachedir, "grilse")).means()
    if means.bwrap is None:
        yield Finding(
            "sandbox",
            "problem",
            means.problem or "bubblewrap does not work",
            "Install bubblewrap and allow unprivileged user namespaces, or use remote execution.",
        )
        return
    yield Finding("sandbox", "ok", means.bwrap)
    if means.overlay:
        yield Finding("overlay", "ok", "sandboxes are overlays of unpacked artifacts")
    else:
        yield Finding(
            "overlay",
            "warning",
            "overlay file systems cannot be mounted here: sandboxes are copies, which is slower",
            "Put the cache on a local file system, with Linux 5.11 or newer.",
        )


def _clock() -> Iterator[Finding]:
    now = time.time()
    if now < EARLIEST:
        yield Finding("clock", "problem", time.ctime(now), "Set the clock: certificates will be refused.")
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %z"))


def _programs() -> Iterator[Finding]:
    for name, use in (("git", "git sources"), ("patch", "patch sources"), ("lzip", "tar sources in .lz")):
        path = shutil.which(name)
        if path is None:
            yield Finding(name, "warning", f"not installed; needed for {use}", f"Install {name} if you use these.")
        else:
            yield Finding(name, "ok", path)


def _remotes(pipeline: Pipeline) -> Iterator[Finding]:
    try:
        remotes = open_remotes(pipeline)
        if not remotes.settings.all_remotes():
            return
        checks = run_task(pipeline, "check_remotes")["checks"]
    except GrilseError as error:
        yield Finding("remotes", "problem", str(error))
        return
    for check in checks:
        latency = f", {check['seconds'] * 1000:.0f} ms" if check.get("seconds") is not None else ""
        push = ", push" if check["push"] else ""
        if check.get("problem"):
            yield Finding(
                f"remote {check['url']}", "problem", check["problem"], "Is the service running, and its URL right?"
            )
        else:
            yield Finding(f"remote {check['url']}", "ok", f"{check['type']}{push}{latency}")
