"""Rows for the sandbox: a build on a large base system, and one that makes many small files, cut into their parts; and
for the checkout of that base.

Knows how to make such a project; how a build spends its time it reads from clocks that the commands show in the log.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from .measure import RunFailed, Tool, run
from .rows import Bench, Row

REPOSITORY = Path(__file__).resolve().parent.parent

# Together with what make-base-system takes anyway: over 5,000 files and 300 MB.
PACKAGES = ("g++", "cmake", "python3", "perl", "git", "clang")

FILES = 20_000

_ELEMENTS = {
    "base": "kind: import\nsources:\n- kind: local\n  path: base\n",
    "true": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands:
  - |
    date +began:%s.%N; true NUMBER; date +ended:%s.%N
""",
    "many": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands:
  - |
    date +began:%s.%N; cd %{install-root}
    for i in $(seq 200); do mkdir $i; for j in $(seq 100); do echo "$i $j NUMBER" > $i/$j; done; done
    date +ended:%s.%N
""",
}


def sandbox(bench: Bench) -> list[Row]:
    """From the request to the cached artifact, the base being cached already; and the parts of that; a checkout."""
    project = _project(bench)
    if project is None:
        return []
    base = _describe(project / "base")
    homes = {tool.name: bench.home(tool) for tool in bench.tools}
    numbers = iter(range(time.time_ns(), sys.maxsize))
    for tool in bench.tools:
        bench.say(f"sandbox: {tool.name} builds the base")
        _write(project, "true", next(numbers))
        run(tool, homes[tool.name], "--no-interactive", "-C", str(project), "build", "true.bst")
    rows = []
    for element, name in (("true", f"`true` on {base}"), ("many", f"{FILES:,} small files")):
        parts = {part: bench.figures() for part in ("from request to cached", "before", "command", "after")}
        for _, tool in bench.each(f"sandbox, {element}"):
            _write(project, element, next(numbers))
            for part, seconds in _parts(tool, homes[tool.name], project, element).items():
                parts[part][tool.name].append(seconds)
        rows += [
            Row(f"{name}, from request to cached", "s", parts["from request to cached"]),
            Row(f"{name}, until the command starts", "s", parts["before"]),
            Row(f"{name}, the command", "s", parts["command"]),
            Row(f"{name}, capture and all that follows", "s", parts["after"]),
        ]
    return [*rows, _checkout(bench, homes, project, base)]


def _checkout(bench: Bench, homes: dict[str, Path], project: Path, base: str) -> Row:
    """The base, checked out to a directory that is new each time, and kept until all is measured (see `Bench.home`)."""
    figures = bench.figures()
    for number, tool in bench.each("sandbox, checkout"):
        place = bench.folder / f"checkout-{number}-{tool.name}"
        words = ("-C", str(project), "artifact", "checkout", "--deps", "none", "--directory", str(place), "base.bst")
        figures[tool.name].append(run(tool, homes[tool.name], "--no-interactive", *words).seconds)
    return Row(f"`artifact checkout` of {base}", "s", figures)


def _project(bench: Bench) -> Path | None:
    """The project, or None where there are no Debian packages."""
    sys.path.insert(0, str(REPOSITORY / "tools"))
    try:
        import make_base_system
    finally:
        sys.path.remove(str(REPOSITORY / "tools"))
    project = REPOSITORY / ".cache" / "bench-sandbox"
    packages = [*make_base_system.PACKAGES, *PACKAGES]
    bench.say("making a base system")
    try:
        make_base_system.make(project / "base", packages, make_base_system.cache_directory())
    except make_base_system.MakeFailed as error:
        bench.say(f"no rows for the sandbox: {error}")
        return None
    (project / "elements").mkdir(exist_ok=True)
    (project / "project.conf").write_text("name: bench\nmin-version: 2.0\nelement-path: elements\n")
    _write(project, "base", 0)
    return project


def _write(project: Path, element: str, number: int) -> None:
    """Write an element so that it has never been built before."""
    text = _ELEMENTS[element].replace("NUMBER", str(number))
    (project / "elements" / f"{element}.bst").write_text(text)


def _parts(tool: Tool, home: Path, project: Path, element: str) -> dict[str, float]:
    start = time.time()
    whole = run(tool, home, "--no-interactive", "-C", str(project), "build", f"{element}.bst").seconds
    logs = sorted(home.glob(f"logs/bench/{element}/*build*.log"), key=lambda path: path.stat().st_mtime)
    times = dict(re.findall(r"^(began|ended):([\d.]+)$", logs[-1].read_text(errors="replace"), re.MULTILINE))
    if len(times) != 2:
        raise RunFailed(f"the log of {tool.name} does not show when the command ran: {logs[-1]}")
    began, ended = float(times["began"]), float(times["ended"])
    return {
        "from request to cached": whole,
        "before": began - start,
        "command": ended - began,
        "after": start + whole - ended,
    }


def _describe(base: Path) -> str:
    files = [path for path in base.rglob("*") if not path.is_dir() or path.is_symlink()]
    return f"a base of {len(files):,} files, {sum(path.lstat().st_size for path in files) / 1e6:.0f} MB"
