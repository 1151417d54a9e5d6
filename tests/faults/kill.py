"""Kills one process of a session at a random instant, then builds again and compares with an undisturbed build.

    python -m tests.faults.kill --runs 200 [--elements 200] [--seed 1] [--directory DIRECTORY]

The victim is a frontend, a backend, a worker or a process of a sandbox, chosen by lot among those that run at that
instant.  A *loss* is a run after which the next session fails, or makes artifacts that are not those of a build that
nobody disturbed, or finds a cache in which an object is not what its name says, or leaves something behind.
The exit status is 1 if there was a loss.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from grilse import platform

from .cancel import say
from .projects import compiling
from .surroundings import (
    CampaignFailed,
    Home,
    base_system,
    campaign_directory,
    damage,
    look_after,
    own_processes,
    percentile,
    wait_until_alone,
)

# One element in so many runs commands, all others import.
COMMANDS_EVERY = 10
# The part of an undisturbed session's time that instants are chosen from.
SPAN = 1.0
# Seconds after its last word when nothing of a session may run whose process was killed.
AFTERMATH = 60.0
ROLES = ("frontend", "backend", "worker", "sandbox")


@dataclass(frozen=True, slots=True)
class Killed:
    """One session with a victim.

    Attributes:
        role: of the victim, or "nobody" when the session was over.
        after: seconds from the start of the session to the kill.
        status: exit status of the session.
        seconds: what the next session took.
        loss: what was lost, each in words.
    """

    role: str
    after: float
    status: int | None
    seconds: float
    loss: list[str]


def write_project(path: Path, base: Path, elements: int) -> None:
    """A project of imports and a few that compile, all below ``all.bst``, in layers."""
    (path / "elements").mkdir(parents=True)
    (path / "project.conf").write_text("name: faults\nmin-version: 2.0\nelement-path: elements\n")
    shutil.copytree(base, path / "base", symlinks=True)
    (path / "src").mkdir()
    (path / "src" / "fib.c").write_text("#include <stdio.h>\nint main(void) { puts(SALT); return 0; }\n")
    (path / "elements" / "base.bst").write_text("kind: import\nsources:\n- kind: local\n  path: base\n")
    names = []
    for number in range(elements):
        name = f"e{number}"
        names.append(f"{name}.bst")
        if number % COMMANDS_EVERY == COMMANDS_EVERY - 1:
            text = compiling(name)
        else:
            place = path / "files" / name
            place.mkdir(parents=True)
            for file in range(3):
                (place / f"{name}-{file}").write_text(f"{name} {file}\n" * 200)
            below = f"depends: [e{number - 7}.bst]\n" if number % 3 == 0 and number > 7 else ""
            text = f"kind: import\n{below}sources:\n- kind: local\n  path: files/{name}\n"
        (path / "elements" / f"{name}.bst").write_text(text)
    (path / "elements" / "all.bst").write_text(f"kind: stack\ndepends: [{', '.join(names)}]\n")


def role_of(process: psutil.Process, frontend: int) -> str:
    """Which part of a session a process is."""
    if process.pid == frontend:
        return "frontend"
    words = " ".join(process.cmdline())
    if "/backend/__main__.py" in words:
        return "backend"
    return "worker" if "/worker/__main__.py" in words else "sandbox"


def kill_one(frontend: int, dice: random.Random) -> str:
    """Kill a process of the session, the roles that there are being equally likely; the victim's role."""
    by_role: dict[str, list[psutil.Process]] = {}
    for process in own_processes():
        try:
            by_role.setdefault(role_of(process, frontend), []).append(process)
        except psutil.NoSuchProcess:
            continue
    while by_role:
        role = dice.choice(sorted(by_role))
        victim = dice.choice(by_role[role])
        try:
            victim.kill()
            return role
        except psutil.NoSuchProcess:
            del by_role[role]
    return "nobody"


def campaign(path: Path, base: Path, *, runs: int, elements: int, seed: int) -> list[Killed]:
    """Kill so many processes."""
    platform.become_subreaper()
    dice = random.Random(seed)
    project = path / "project"
    write_project(project, base, elements)
    fresh = Home(path / "fresh")
    fresh.finish(project, "build", "base.bst")
    undisturbed = Home(path / "undisturbed")
    shutil.copytree(fresh.cachedir, undisturbed.cachedir, symlinks=True)
    whole = undisturbed.finish(project, "build", "all.bst")
    expected = undisturbed.artifacts()
    say(f"an undisturbed session takes {whole:.1f} s and makes {len(expected)} artifact names")
    undisturbed.remove()
    found: list[Killed] = []
    for run in range(runs):
        home = Home(path / "home")
        shutil.copytree(fresh.cachedir, home.cachedir, symlinks=True)
        process = home.start(project, "build", "all.bst")
        after = dice.uniform(0.0, SPAN * whole)
        time.sleep(after)
        role = kill_one(process.pid, dice) if process.poll() is None else "nobody"
        loss = [f"still runs: {words}" for words in wait_until_alone(process, AFTERMATH, home.output)]
        status = process.returncode
        said = home.last_words()
        loss += [f"after the kill: {words}" for words in damage_but_strays(home)]
        seconds = 0.0
        try:
            # A command that was killed is a build that failed, as with bst: it is kept until it is tried again.
            again = ("--retry-failed",) if role == "sandbox" else ()
            seconds = home.finish(project, "build", *again, "all.bst")
            wait_until_alone(process, AFTERMATH)
            made = home.artifacts()
            loss += [f"differs: {name}" for name in expected if made.get(name) != expected[name]]
            loss += [f"additional: {name}" for name in made if name not in expected]
            loss += look_after(home).all()
        except CampaignFailed as error:
            loss.append(str(error))
        found.append(Killed(role, after, status, seconds, loss))
        if loss:
            say(f"run {run}: {role} after {after:.2f} s, status {status}", *loss[:10], said[-600:])
        home.remove()
    return found


def damage_but_strays(home: Home) -> list[str]:
    """What is wrong with the cache of a session that was killed; temporary files may be left until the next one."""
    return [words for words in damage(home.cachedir) if "not a blob" not in words]


def report(found: list[Killed]) -> str:
    """The figures: a table in Markdown."""
    lines = [
        "| killed | runs | session ended well | next session p50 | losses |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    count = Counter(killed.role for killed in found)
    for role in [*(role for role in (*ROLES, "nobody") if count[role]), "all"]:
        mine = [killed for killed in found if role in (killed.role, "all")]
        well = sum(killed.status == 0 for killed in mine)
        seconds = percentile([killed.seconds for killed in mine], 0.5)
        lost = sum(bool(killed.loss) for killed in mine)
        lines.append(f"| {role} | {len(mine)} | {well} | {seconds:.1f} s | {lost} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    words = argparse.ArgumentParser(prog="python -m tests.faults.kill", description=__doc__.splitlines()[0])
    words.add_argument("--runs", type=int, default=200)
    words.add_argument("--elements", type=int, default=200)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--directory", help="where to work (default: the temporary directory)")
    chosen = words.parse_args(arguments)
    base = base_system()
    with campaign_directory("grilse-kill-", chosen.directory) as path:
        found = campaign(path, base, runs=chosen.runs, elements=chosen.elements, seed=chosen.seed)
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    print(
        f"{report(found)}\n\n{chosen.runs} runs, {chosen.elements} elements, seed {chosen.seed}, load at the end {load}"
    )
    return 1 if any(killed.loss for killed in found) else 0


if __name__ == "__main__":
    sys.exit(main())
