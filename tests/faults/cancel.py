"""Interrupts sessions at random instants and measures how soon they stop, and what they leave.

    python -m tests.faults.cancel --runs 200 [--seed 1] [--directory DIRECTORY] [--kinds import,compile,fetch,compose]

A session is *acknowledged* to be stopping when the backend has said so (its ``terminating`` event), or when it is over
already.  Two seconds and the grace after the signal no process, mount or scratch file of it may be left, and every
object in the cache must be what its name says.  The exit status is 1 if anything was left.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from grilse import platform
from grilse.backend.pool import CANCEL_GRACE

from .projects import Project, slow_server
from .surroundings import (
    Home,
    Left,
    base_system,
    campaign_directory,
    look_after,
    percentile,
    reap_orphans,
    wait_until_alone,
)

# Seconds after the signal at which nothing may be left.
STOP_LIMIT = 2.0 + CANCEL_GRACE
# The part of an undisturbed session's time that instants are chosen from: some come when it is over.
SPAN = 1.05


@dataclass(frozen=True, slots=True)
class Cut:
    """One interrupted session.

    Attributes:
        kind: its jobs.
        after: seconds from its start to the signal.
        acknowledged: seconds from the signal until the backend said that it stops (or was gone); None when the
            session was over before the signal.
        gone: seconds from the signal until no process was left, or None when some were killed at the limit.
        left: what was left.
    """

    kind: str
    after: float
    acknowledged: float | None
    gone: float | None
    left: Left


def cut_short(home: Home, project: Path, kind: str, after: float, number: int) -> Cut:
    """Start a session, send it a signal after so many seconds, and see what becomes of it."""
    process = home.start(project, "build", f"{kind}.bst")
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        pass
    over = process.poll() is not None
    sent, told = time.monotonic(), time.time()
    if not over:
        os.kill(process.pid, number)
    ended: float | None = None
    while ended is None and time.monotonic() - sent < STOP_LIMIT:
        try:
            process.wait(0.005)
            ended = time.monotonic() - sent
        except subprocess.TimeoutExpired:
            pass
    words = wait_until_alone(process, STOP_LIMIT - (time.monotonic() - sent))
    gone = None if words else time.monotonic() - sent
    left = look_after(home)
    left.processes = words
    acknowledged: float | None = None
    if not over:
        said = [event["time"] - told for event in home.told() if event["event"] == "terminating"]
        acknowledged = min((*said[:1], *((ended,) if ended is not None else ())), default=STOP_LIMIT)
    return Cut(kind, after, acknowledged, gone, left)


def campaign(path: Path, base: Path, *, runs: int, seed: int, kinds: tuple[str, ...]) -> list[Cut]:
    """Interrupt so many sessions, the kinds in turn."""
    platform.become_subreaper()
    dice = random.Random(seed)
    project = Project(path / "project", base)
    home = Home(path / "home")
    cuts: list[Cut] = []
    with slow_server() as address:
        project.write("0", address)
        home.finish(project.path, "build", "base.bst")
        whole = {}
        for kind in kinds:
            project.write(f"whole-{kind}", address)
            whole[kind] = home.finish(project.path, "build", f"{kind}.bst")
        say(f"undisturbed sessions take {', '.join(f'{kind} {seconds:.1f} s' for kind, seconds in whole.items())}")
        for run in range(runs):
            kind = kinds[run % len(kinds)]
            project.write(str(run), address)
            after = dice.uniform(0.0, SPAN * whole[kind])
            number = dice.choice((signal.SIGINT, signal.SIGTERM))
            cut = cut_short(home, project.path, kind, after, number)
            cuts.append(cut)
            if cut.left.all() or (cut.acknowledged or 0.0) > 0.1:
                late = f"acknowledged after {1000 * (cut.acknowledged or 0.0):.0f} ms"
                say(f"run {run}: {kind} after {after:.2f} s, {late}", *cut.left.all())
            if cut.left.damage:
                break
        # Whatever was interrupted, all of it can be built now.
        for kind in kinds:
            home.finish(project.path, "build", f"{kind}.bst")
        final = look_after(home)
        if final.all():
            say("after the last session:", *final.all())
            cuts.append(Cut("last", 0.0, None, 0.0, final))
    reap_orphans(-1)
    return cuts


def say(*lines: str) -> None:
    """Tell the reader how far it is."""
    print("\n  ".join(lines), file=sys.stderr, flush=True)


def report(cuts: list[Cut]) -> str:
    """The figures: a table in Markdown."""
    lines = [
        "| jobs | runs | over before | acknowledged p50 | p99 | gone p50 | p99 | leftovers |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in [*dict.fromkeys(cut.kind for cut in cuts), "all"]:
        mine = [cut for cut in cuts if kind in (cut.kind, "all")]
        acknowledged = [cut.acknowledged for cut in mine if cut.acknowledged is not None]
        gone = [STOP_LIMIT if cut.gone is None else cut.gone for cut in mine if cut.acknowledged is not None]
        cells = [f"{1000 * percentile(acknowledged, share):.0f} ms" for share in (0.5, 0.99)]
        cells += [f"{percentile(gone, share):.2f} s" for share in (0.5, 0.99)]
        over, left = sum(cut.acknowledged is None for cut in mine), sum(bool(cut.left.all()) for cut in mine)
        lines.append(f"| {kind} | {len(mine)} | {over} | {' | '.join(cells)} | {left} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    words = argparse.ArgumentParser(prog="python -m tests.faults.cancel", description=__doc__.splitlines()[0])
    words.add_argument("--runs", type=int, default=200)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--directory", help="where to work (default: the temporary directory)")
    words.add_argument("--kinds", default=",".join(Project.kinds), help="kinds of jobs")
    chosen = words.parse_args(arguments)
    base = base_system()
    with campaign_directory("grilse-cancel-", chosen.directory) as path:
        cuts = campaign(path, base, runs=chosen.runs, seed=chosen.seed, kinds=tuple(chosen.kinds.split(",")))
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    print(f"{report(cuts)}\n\n{chosen.runs} runs, seed {chosen.seed}, load at the end {load}")
    return 1 if any(cut.left.all() for cut in cuts) else 0


if __name__ == "__main__":
    sys.exit(main())
