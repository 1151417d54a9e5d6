"""``doctor``: what works on this machine and what does not, with what to do about it.

Knows what to look at; the rooms themselves say how it is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict

from ...protocol.errors import CasError
from ...protocol.requests import Doctor, Invocation
from ...sandbox.workshop import Workshop
from ...storage.store import Store
from ..findings import Finding
from ..pipeline import Pipeline
from ..remote_findings import remote_findings
from ..session import Session
from ..upkeep import limits_of

# A clock that is before this is wrong (2024-01-01); keys do not care, certificates do.
EARLIEST = 1704067200
# Free bytes of the cache's file system below which builds are likely to fail.
LITTLE = 2 * 1024**3
# How far the clock of the cache's file system may be off.
SKEW_SECONDS = 2.0


def doctor(session: Session, action: Doctor) -> int:
    """Look at everything; status 1 if something does not work.

    Raises:
        LoadError: the configuration is wrong.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        pipeline.try_open_project()
        findings = [
            *_cache(pipeline),
            *_sandbox(pipeline),
            *_clock(pipeline.config.cachedir),
            *_terminal(session.request.invocation),
            *_programs(),
            *remote_findings(pipeline),
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
    limits = limits_of(pipeline.config)
    quota = "no quota" if limits.quota is None else f"quota {limits.quota / 1024**3:.1f} GiB"
    yield Finding("cache", "ok", f"{directory}, {quota}")
    free = shutil.disk_usage(directory).free
    text = f"{free / 1024**3:.1f} GiB free, {limits.reserved / 1024**3:.1f} GiB are to stay free"
    if free < max(LITTLE, limits.reserved):
        yield Finding("disk", "warning", text, "Free some space, or run 'grilse cache prune'.")
    else:
        yield Finding("disk", "ok", text)


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


def _clock(directory: str) -> Iterator[Finding]:
    now = time.time()
    if now < EARLIEST:
        yield Finding("clock", "problem", time.ctime(now), "Set the clock: certificates will be refused.")
        return
    text = time.strftime("%Y-%m-%d %H:%M:%S %z")
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(b"x")
        file.flush()
        skew = os.fstat(file.fileno()).st_mtime - time.time()
    if abs(skew) > SKEW_SECONDS:
        yield Finding(
            "clock",
            "warning",
            f"{text}; the file system of the cache is {skew:+.0f} s off",
            "Let both clocks be set by the same time server: what was used last is judged by them.",
        )
    else:
        yield Finding("clock", "ok", text)


def _terminal(invocation: Invocation) -> Iterator[Finding]:
    encoding = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    kind = os.environ.get("TERM", "")
    if not invocation.interactive:
        text = "none: plain lines, no questions"
    else:
        text = f"{kind or 'of no known kind'}, {'colours' if invocation.colors else 'no colours'}"
        if kind in ("", "dumb"):
            yield Finding("terminal", "warning", text, "Set TERM, so that progress can be drawn.")
            return
    if "utf" not in encoding.lower():
        yield Finding(
            "terminal",
            "warning",
            f"{text}; the locale '{encoding or 'C'}' is not UTF-8",
            "Set LANG=C.UTF-8, so that all file names can be shown.",
        )
    else:
        yield Finding("terminal", "ok", f"{text}, {encoding}")


def _programs() -> Iterator[Finding]:
    for name, use in (("git", "git sources"), ("patch", "patch sources"), ("lzip", "tar sources in .lz")):
        path = shutil.which(name)
        if path is None:
            yield Finding(name, "warning", f"not installed; needed for {use}", f"Install {name} if you use these.")
        else:
            yield Finding(name, "ok", path)
