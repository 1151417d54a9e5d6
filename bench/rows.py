"""The rows of the table: what is measured, by name, each with both tools in turn.

Knows which commands make a row and how its figures are obtained; prints nothing.
"""

from __future__ import annotations

import json
import random
import signal
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .make_project import Shape, write_project
from .measure import RunFailed, Tool, environment_of, first_line_seconds, peak_memory, run, seconds_to_stop
from .slow_terminal import run_on_terminal

SLOW_BYTES_PER_SECOND = 20_000
SHOW_FORMAT = "%{name} %{full-key} %{state}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its name, the unit of its figures ("s", "ms", "MB", "kB", "times"), figures by tool."""

    name: str
    unit: str
    figures: dict[str, list[float]]
    note: str = ""

    def median(self, tool: str) -> float | None:
        figures = self.figures.get(tool)
        return statistics.median(figures) if figures else None


@dataclass(slots=True)
class Bench:
    """What all rows need: the tools, how often to run each, where projects and caches are made.

    `say` is told what happens now.
    """

    tools: Sequence[Tool]
    runs: int
    folder: Path
    say: Callable[[str], None]
    seed: int = 1
    made: dict[Shape, Path] = field(default_factory=dict)
    homes: int = 0

    def project(self, shape: Shape) -> Path:
        """A project of this shape, written on first use."""
        if shape not in self.made:
            path = self.folder / f"project-{len(self.made)}"
            self.say(f"writing a project of {shape.elements} {shape.kind} elements")
            write_project(path, shape)
            self.made[shape] = path
        return self.made[shape]

    def home(self, tool: Tool) -> Path:
        """A new, empty home for caches.

        It is kept until all is measured: for minutes after many files have been removed ext4 takes several times as
        long to make one, since it looks for an inode that was not in use just before.
        """
        self.homes += 1
        path = self.folder / f"home-{self.homes}-{tool.name}"
        path.mkdir(parents=True)
        return path

    def each(self, what: str) -> Iterator[tuple[int, Tool]]:
        """Every run of every tool, alternating, so that the machine's moods meet both."""
        for number in range(self.runs):
            for tool in self.tools:
                self.say(f"{what}: {tool.name}, run {number + 1} of {self.runs}")
                yield number, tool

    def figures(self) -> dict[str, list[float]]:
        return {tool.name: [] for tool in self.tools}


def version(bench: Bench) -> list[Row]:
    """How long `--version` takes."""
    figures = bench.figures()
    homes = {tool.name: bench.home(tool) for tool in bench.tools}
    for _, tool in bench.each("--version"):
        figures[tool.name].append(1000 * run(tool, homes[tool.name], "--version").seconds)
    return [Row("`--version`", "ms", figures)]


def first_event(bench: Bench) -> list[Row]:
    """How long it takes until a command says its first word (grilse: the first event; bst: the first log line)."""
    figures = bench.figures()
    project = bench.project(Shape(elements=200))
    homes = {tool.name: bench.home(tool) for tool in bench.tools}
    for _, tool in bench.each("first event"):
        words = ("-C", str(project), "show", "all.bst")
        figures[tool.name].append(1000 * first_line_seconds(tool, homes[tool.name], *words))
    return [Row("first word of `show`", "ms", figures)]


def _same_output(outputs: dict[str, bytes]) -> str:
    if len(outputs) < 2:
        return ""
    return "same output" if len(set(outputs.values())) == 1 else "OUTPUT DIFFERS"


def show_project(bench: Bench, name: str, project: Path, targets: Sequence[str]) -> list[Row]:
    """`show --deps all`: with nothing cached, then once more, and the memory that it needs.

    The processor's seconds stand beside those of the clock: they depend less on what else the machine has to do.
    """
    first, again, memory = bench.figures(), bench.figures(), bench.figures()
    first_cpu, again_cpu = bench.figures(), bench.figures()
    outputs: dict[str, bytes] = {}
    words = ("-C", str(project), "show", "--deps", "all", "--format", SHOW_FORMAT, *targets)
    for number, tool in bench.each(f"show {name}"):
        home = bench.home(tool)
        measured = run(tool, home, *words)
        first[tool.name].append(measured.seconds)
        first_cpu[tool.name].append(measured.cpu_seconds)
        measured = run(tool, home, *words)
        again[tool.name].append(measured.seconds)
        again_cpu[tool.name].append(measured.cpu_seconds)
        outputs[tool.name] = measured.output
        if number == 0:
            memory[tool.name].append(peak_memory(tool, home, *words) / 1e6)
    note = _same_output(outputs)
    return [
        Row(f"`show` {name}, first sight", "s", first, note),
        Row(f"`show` {name}, first sight, processor", "s", first_cpu),
        Row(f"`show` {name}, again", "s", again, note),
        Row(f"`show` {name}, again, processor", "s", again_cpu),
        Row(f"`show` {name}, peak memory", "MB", memory),
    ]


def show(bench: Bench, elements: int) -> list[Row]:
    shape = Shape(elements=elements)
    return show_project(bench, f"{elements:,} elements", bench.project(shape), ["all.bst"])


def build(bench: Bench, elements: int) -> list[Row]:
    """A build of import elements into an empty cache, the same with nothing left to do, and its memory."""
    project = bench.project(Shape(elements=elements))
    first, again, memory = bench.figures(), bench.figures(), bench.figures()
    words = ("--no-interactive", "-C", str(project), "build", "all.bst")
    for number, tool in bench.each(f"build {elements}"):
        home = bench.home(tool)
        first[tool.name].append(run(tool, home, *words).seconds)
        again[tool.name].append(run(tool, home, *words).seconds)
        if number == 0:
            memory[tool.name].append(peak_memory(tool, bench.home(tool), *words) / 1e6)
    return [
        Row(f"build {elements:,} imports, empty cache", "s", first),
        Row(f"build {elements:,} imports, nothing to do", "s", again),
        Row(f"build {elements:,} imports, peak memory", "MB", memory),
    ]


def slow_terminal(bench: Bench, elements: int = 200) -> list[Row]:
    """A build on a terminal that takes 20 kB a second beside one that takes all: the ratio of the two times.

    For grilse the build itself is measured too (time between the first and last event), as its end is what matters.
    """
    project = bench.project(Shape(elements=elements))
    seconds = {rate: bench.figures() for rate in (0, SLOW_BYTES_PER_SECOND)}
    inside = {rate: bench.figures() for rate in (0, SLOW_BYTES_PER_SECOND)}
    shown = bench.figures()
    for _, tool in bench.each("slow terminal"):
        for rate in (0, SLOW_BYTES_PER_SECOND):
            home = bench.home(tool)
            events = home / "events.jsonl"
            command = tool.words(home, "-C", str(project), "build", "all.bst")
            environment = {**environment_of(tool, home, "terminal"), "GRILSE_EVENTS": str(events)}
            done = run_on_terminal(command, rate, environment=environment, keep=True)
            if done.status != 0:
                raise RunFailed(done.written[-2000:].decode(errors="replace"))
            seconds[rate][tool.name].append(done.seconds)
            inside[rate][tool.name].append(_event_seconds(events) or done.seconds)
            if rate == 0:
                shown[tool.name].append(done.shown / 1000)
    name = f"build {elements:,} imports"
    return [
        Row(f"{name}, 20 kB/s terminal", "s", seconds[SLOW_BYTES_PER_SECOND]),
        Row(f"{name}, fast terminal", "s", seconds[0]),
        Row(f"{name}, slow / fast, whole command", "times", _ratios(seconds[SLOW_BYTES_PER_SECOND], seconds[0])),
        Row(f"{name}, slow / fast, the build itself", "times", _ratios(inside[SLOW_BYTES_PER_SECOND], inside[0])),
        Row(f"{name}, shown on a terminal", "kB", shown),
    ]


def _ratios(above: dict[str, list[float]], below: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [statistics.median(above[name]) / statistics.median(below[name])] for name in above if above[name]}


def _event_seconds(events: Path) -> float | None:
    """Seconds between the first and the last event that has a time, or None without events."""
    if not events.exists():
        return None
    times = [json.loads(line).get("time") for line in events.read_text().splitlines()]
    times = [moment for moment in times if moment is not None]
    return times[-1] - times[0] if times else None


def cancel(bench: Bench, elements: int = 1000) -> list[Row]:
    """SIGINT and SIGTERM at random instants of a build: the time until no process of it is left."""
    project = bench.project(Shape(elements=elements))
    rows = []
    words = ["--no-interactive", "-C", str(project), "build", "all.bst"]
    whole = {}
    for tool in bench.tools:
        bench.say(f"cancel: how long {tool.name} needs when it is left alone")
        whole[tool.name] = run(tool, bench.home(tool), *words).seconds
    for name, number in (("SIGINT", signal.SIGINT), ("SIGTERM", signal.SIGTERM)):
        chance = random.Random(bench.seed)
        figures = bench.figures()
        notes: set[str] = set()
        for _, tool in bench.each(f"cancel by {name}"):
            after = chance.uniform(0.1, 0.8) * whole[tool.name]
            seconds, left = seconds_to_stop(tool, bench.home(tool), number, after, words)
            figures[tool.name].append(1000 * seconds)
            notes |= {f"{tool.name} leaves {program}" for program in left}
        note = ", ".join(sorted(notes))
        rows.append(Row(f"{name} in a build of {elements:,}, until nothing is left", "ms", figures, note))
    return rows
