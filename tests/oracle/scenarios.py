"""Small projects on which both tools run the same commands, and what is compared of them.

Knows how a scenario is laid out and run, and what of its outcome must be equal; holds no scenario of its own.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.remote.servers import casd, find_casd

from .tools import PLACE, Oracle, Tool

# Raised whenever what is run or kept of a scenario changes
OUTCOME_FORMAT = 1
STEP_LIMIT_SECONDS = 120
STATE_OF_PROJECT = ".bst2"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A project and what is done in it.

    Attributes:
        name: what it is about, unique within its table.
        files: text by path below the folder that holds all; the project is `p/`. A text `-> TARGET` makes a link.
        steps: commands, run in the project one after another; one that begins with `$ ` is for the shell.
        conf: the user's configuration; `{place}` is the folder that holds all.
        servers: how many cache servers to start, `{server0}` being the URL of the first.
        compare_output: whether standard output must be equal, or is only for people.
        compare_places: whether one of the places that bst's errors name must be named.
    """

    name: str
    files: Mapping[str, str]
    steps: Sequence[str]
    conf: str = ""
    servers: int = 0
    compare_output: bool = True
    compare_places: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one command: `error` and `task` are domain and reason, `places` those its errors name."""

    command: str
    status: int
    output: str
    error: list[str | None] | None
    task: list[str | None] | None
    places: list[str]
    words: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a scenario: its steps, and the files of the project afterwards."""

    steps: list[Step]
    files: dict[str, str] = field(default_factory=dict)


def project(conf: str = "", /, **files: str) -> dict[str, str]:
    """The files of a project in `p/`: `conf` is added to its configuration, names like `a__bst` are files' names."""
    laid = {"p/project.conf": f"name: test\nmin-version: 2.0\n{conf}"}
    return laid | {f"p/{name.replace('__', '.').replace('_S_', '/')}": text for name, text in files.items()}


class Names:
    """What a scenario calls by a name because it differs from run to run, and what is meant by it."""

    def __init__(self, place: Path) -> None:
        self._meant = {"{place}": str(place)}

    def add(self, name: str, meant: str) -> None:
        self._meant[name] = meant

    def fill(self, text: str) -> str:
        """`text` with what is meant."""
        for name, meant in self._meant.items():
            text = text.replace(name, meant)
        return text

    def settle(self, text: str) -> str:
        """`text` with names, and without times."""
        for name, meant in self._meant.items():
            text = text.replace(meant, name)
        return _without_times(text)


def lay_out(files: Mapping[str, str], place: Path, names: Names) -> None:
    """Write the files of a scenario below `place`."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(names.fill(text))


def run_scenario(tool: Tool, scenario: Scenario, place: Path) -> Outcome:
    """Run a scenario with one tool, below `place`, which is empty."""
    names = Names(place)
    with ExitStack() as running:
        for number in range(scenario.servers):
            program = find_casd()
            assert program is not None
            url = running.enter_context(casd(program, place / "home" / f"server{number}")).url
            names.add(f"{{server{number}}}", url)
        lay_out(scenario.files, place, names)
        work = place / "p"
        work.mkdir(exist_ok=True)
        home = place / "home"
        (home / "config").mkdir(parents=True, exist_ok=True)
        (home / "config" / "buildstream.conf").write_text(names.fill(scenario.conf))
        steps = [_run_step(tool, command, work, home, names) for command in scenario.steps]
    return Outcome(steps, _files_of(place, names))


def _run_step(tool: Tool, command: str, work: Path, home: Path, names: Names) -> Step:
    error_file = home / "error.json"
    error_file.unlink(missing_ok=True)
    environment = {**os.environ, **tool.environment, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    environment |= {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    environment |= {
        "GRILSE_ORACLE_ERROR": str(error_file),
        "GRILSE_EVENTS": str(error_file),
        "GRILSE_ORACLE_TASKS": "1",
    }
    shell = command.startswith("$ ")
    words = ["sh", "-ec", command[2:]] if shell else [*tool.command, *shlex.split(command)]
    done = subprocess.run(
        [names.fill(word) for word in words],
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        timeout=STEP_LIMIT_SECONDS,
    )
    output = names.settle(done.stdout.decode(errors="replace"))
    told = names.settle(done.stderr.decode(errors="replace"))
    errors: dict[str, list[str | None]] = {}
    if error_file.exists():
        for line in error_file.read_text().splitlines():
            event = json.loads(line)
            if event.get("domain"):
                errors[event.get("scope", "main")] = [event["domain"], event["reason"]]
    places = sorted(set(PLACE.findall(told))) if done.returncode else []
    return Step(command, done.returncode, output, errors.get("main"), errors.get("task"), places, told)


def _without_times(text: str) -> str:
    """`text` without what differs from one run to the next: when, and how long."""
    text = re.sub(r"^BuildStream 2\.8\.1 - .* at .*$", "BuildStream - NOW", text, flags=re.MULTILINE)
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    return re.sub(r"\d{8}-\d{6}", "DATE", text)


def _files_of(place: Path, names: Names) -> dict[str, str]:
    """Text of every file that is the user's: all but caches; of the project's state only its workspaces."""
    found = {}
    for top, folders, files in os.walk(place):
        folders[:] = [name for name in folders if name not in ("home", ".git", ".bst", STATE_OF_PROJECT)]
        links = [name for name in folders if os.path.islink(os.path.join(top, name))]
        if not files and not folders:
            found[os.path.relpath(top, place) + "/"] = ""
        for name in [*files, *links]:
            path = os.path.join(top, name)
            key = os.path.relpath(path, place)
            if os.path.islink(path):
                found[key] = f"-> {os.readlink(path)}"
            else:
                text = Path(path).read_bytes().decode(errors="replace")
                found[key] = f"{'x' if os.access(path, os.X_OK) else '-'} " + names.settle(text)
    workspaces = place / "p" / STATE_OF_PROJECT / "workspaces.yml"
    if workspaces.exists():
        found["workspaces.yml"] = names.settle(workspaces.read_text())
    return found


def oracle_outcome(oracle: Oracle, scenario: Scenario) -> Outcome:
    """What BuildStream makes of a scenario; kept, as it never changes its mind."""
    asked = json.dumps(
        [OUTCOME_FORMAT, str(oracle.bst), scenario.files, scenario.steps, scenario.conf]
        + [scenario.servers] * bool(scenario.servers)
    )
    kept = oracle.memory / f"scenario-{hashlib.blake2b(asked.encode(), digest_size=20).hexdigest()}.json.xz"
    if kept.exists():
        with lzma.open(kept, "rt") as file:
            found = json.load(file)
        return Outcome([Step(**step) for step in found["steps"]], found["files"])
    with tempfile.TemporaryDirectory(prefix="scenario-") as folder:
        outcome = run_scenario(oracle, scenario, Path(folder).resolve())
    oracle.memory.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}.part")
    with lzma.open(part, "wt", preset=1) as file:
        json.dump(asdict(outcome), file)
    part.replace(kept)
    return outcome


def differences(scenario: Scenario, theirs: Outcome, ours: Outcome) -> list[str]:
    """Where the outcomes differ, in words; `theirs` is BuildStream's."""
    found = []
    for their, our in zip(theirs.steps, ours.steps, strict=True):
        pairs: list[tuple[str, object, object]] = [("status", their.status, our.status)]
        crashed = their.status != 0 and "Traceback (most recent call last)" in their.words and their.error is None
        if crashed:
            # Any answer but a crash will do
            pairs = [("crashed", False, our.status != 0 and our.error is None)]
        else:
            pairs += [("error", their.error, our.error), ("job's error", their.task, our.task)]
            if scenario.compare_output and not their.command.startswith("$ "):
                pairs.append(("output", their.output, our.output))
            if scenario.compare_places and their.places and not set(their.places) & set(our.places):
                pairs.append(("places", their.places, our.places))
        found += [f"`{their.command}`: {what}: bst {a!r}\n    grilse {b!r}" for what, a, b in pairs if a != b]
        if not crashed and our.status != their.status:
            found.append(f"  bst said: {_last(their.words)}\n  grilse said: {_last(our.words)}")
    for name in sorted({*theirs.files, *ours.files}):
        if theirs.files.get(name) != ours.files.get(name):
            found.append(f"file {name}: bst {theirs.files.get(name)!r}\n    grilse {ours.files.get(name)!r}")
    return found


def _last(words: str) -> str:
    return " | ".join(re.sub(r"\s+", " ", line) for line in words.strip().splitlines()[-6:])


def check(oracle: Oracle, tool: Tool, scenario: Scenario) -> tuple[Outcome, list[str]]:
    """Run a scenario with both tools: BuildStream's outcome, and the differences."""
    with ThreadPoolExecutor(1) as pool, tempfile.TemporaryDirectory(prefix="scenario-") as folder:
        asked = pool.submit(oracle_outcome, oracle, scenario)
        ours = run_scenario(tool, scenario, Path(folder).resolve())
        theirs = asked.result()
    return theirs, differences(scenario, theirs, ours)


def names_of(scenarios: Iterable[Scenario]) -> list[str]:
    """Names for the parameters of a test; each is there once."""
    names = [scenario.name for scenario in scenarios]
    assert len(names) == len(set(names)), "two scenarios of one name"
    return names
