"""Measures grilse beside BuildStream and prints a table: `bench/run --help`.

Knows the options and the look of the table; what a row is stands in `rows`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from . import rows
from .buildstream import RELEASE, NoBuildStream, ensure_buildstream
from .measure import RunFailed, Tool, adopt_orphans
from .remote import remote
from .sandbox import sandbox

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = ("version", "first", "show", "build", "sandbox", "remote", "terminal", "cancel")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="bench/run", description="Measure grilse beside BuildStream.")
    found.add_argument("--rows", default=",".join(ROWS), help=f"which rows, with commas (default: {','.join(ROWS)})")
    found.add_argument("--runs", type=int, default=5, help="how often each command runs with each tool (default: 5)")
    found.add_argument("--show", default="1000,5000", help="sizes for show, in elements (default: 1000,5000)")
    found.add_argument("--build", default="1000", help="sizes for build, in elements (default: 1000)")
    found.add_argument("--cancel", type=int, default=1000, help="size of the build that is cancelled")
    found.add_argument("--project", type=Path, action="append", default=[], help="also show this project; repeatable")
    found.add_argument(
        "--targets",
        type=Path,
        action="append",
        default=[],
        help="file with the elements to show, one a line; one for each --project, in the same order",
    )
    found.add_argument("--bst", type=Path, help="program to measure beside (default: BuildStream from PyPI, in .cache)")
    found.add_argument("--alone", action="store_true", help="measure grilse only")
    found.add_argument("--grilse", nargs="+", help="command to measure (default: that of this Python)")
    found.add_argument("--json", type=Path, help="write every figure to this file")
    return found


def tools_of(words: argparse.Namespace, say: Callable[[str], None]) -> list[Tool]:
    """Which tools are measured."""
    ours = words.grilse or [sys.executable, "-m", "grilse"]
    tools = [Tool("grilse", tuple(ours), "" if words.grilse else str(REPOSITORY / "src"))]
    if words.alone:
        return tools
    if words.bst is not None:
        return [*tools, Tool("bst", (str(words.bst),))]
    say(f"BuildStream {RELEASE} is installed on first use")
    try:
        return [*tools, Tool("bst", (str(ensure_buildstream(REPOSITORY / ".cache")),))]
    except NoBuildStream as error:
        say(f"without BuildStream: {error}")
        return tools


def measure(bench: rows.Bench, words: argparse.Namespace) -> list[rows.Row]:
    """All rows that were asked for, in order."""
    wanted = words.rows.split(",")
    found: list[rows.Row] = []
    if "version" in wanted:
        found += rows.version(bench)
    if "first" in wanted:
        found += rows.first_event(bench)
    if "show" in wanted:
        for size in sizes(words.show):
            found += rows.show(bench, size)
        for project, file in zip_longest(words.project, words.targets[: len(words.project)]):
            targets = file.read_text().split() if file is not None else []
            found += rows.show_project(bench, project.name, project, targets)
    if "build" in wanted:
        for size in sizes(words.build):
            found += rows.build(bench, size)
    if "sandbox" in wanted:
        found += sandbox(bench)
    if "remote" in wanted:
        found += remote(bench)
    if "terminal" in wanted:
        found += rows.slow_terminal(bench)
    if "cancel" in wanted:
        found += rows.cancel(bench, words.cancel)
    return found


def sizes(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def figure(value: float | None, unit: str) -> str:
    """A figure with three digits that matter, and its unit."""
    if value is None:
        return "-"
    if math.isinf(value):
        return "never"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def table(found: Sequence[rows.Row], names: Sequence[str]) -> str:
    """The rows as a Markdown table: the median of each tool, and how they compare."""
    both = len(names) > 1
    head = ["", *names, *(["grilse / bst"] if both else []), "note"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 2) + ["---"]]
    for row in found:
        medians = [row.median(name) for name in names]
        cells = [row.name, *(figure(value, row.unit) for value in medians)]
        if both:
            ours, theirs = medians[0], medians[1]
            cells.append(f"{ours / theirs:.3f}" if ours and theirs and math.isfinite(theirs) else "-")
        lines.append([*cells, row.note])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    words = parser().parse_args(arguments)
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - start:6.1f} s] {text}", file=sys.stderr, flush=True)

    tools = tools_of(words, say)
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="grilse-bench-") as folder:
        try:
            found = measure(rows.Bench(tools, words.runs, Path(folder), say), words)
        except RunFailed as error:
            print(f"bench: a command failed: {error}", file=sys.stderr)
            return 1
    names = [tool.name for tool in tools]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    print(f"Medians of {words.runs} runs, {'alternating; ' if len(tools) > 1 else ''}{machine}.\n")
    print(table(found, names))
    if words.json is not None:
        words.json.write_text(json.dumps([asdict(row) for row in found], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
