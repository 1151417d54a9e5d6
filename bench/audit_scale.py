"""Measure how the spawn audit scales: its time and memory beside those of `pickle.dumps` of the same graph.

    python -m bench.audit_scale [--nodes 30000,300000,3000000] [--shapes lists,records] [--runs 3]

Prints a row for each shape of graph and number of nodes (objects, numbers and strings, as the audit counts them). Every
figure comes from an interpreter of its own; times are CPU seconds, those of the interpreter that the audit spawns to
load in included, the fastest of the runs; memory is what the operation adds to the peak of the process that holds the
graph. A row that breaks a bar is marked, and the status is then 1: at 300,000 nodes at most 30 times the time of
`pickle.dumps`, 10 s, and 6 times its memory; and from each size to the next at most 1.5 times what the growth of the
graph asks for, or of `pickle.dumps` where that grows by more (what no longer fits the processor's caches takes longer).

    python -m bench.audit_scale --budget

shows what the audit of ten million nodes looks at and leaves out under each bound of a budget.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import pickle
import resource
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The bars, at `BAR_NODES` nodes for the seconds.
TIMES_PICKLE = 30.0
TIMES_MEMORY = 6.0
BAR_NODES = 300_000
BAR_SECONDS = 10.0
GROWTH = 1.5
CHILD_LIMIT_SECONDS = 900


class Part:
    """An instance as programs have them: attributes of several sorts, a link up and a list of links down."""

    def __init__(self, number: int, above: Part | None) -> None:
        self.name = f"part-{number}"
        self.number = number
        self.above = above
        self.below: list[Part] = []
        self.variables = {"prefix": "/usr", "place": f"/{number}"}
        self.weight = number / 7
        if above is not None:
            above.below.append(self)


@dataclass(frozen=True, slots=True)
class Point:
    """An instance with slots and nothing but numbers."""

    x: int
    y: int


class Empty:
    """The smallest instance."""


def _lists(nodes: int) -> Any:
    return [list(range(place, place + 10)) for place in range(nodes // 11)]


def _records(nodes: int) -> Any:
    return [
        {"name": f"record {place}", "size": place, "share": place / 3, "tags": ["a", f"tag {place % 100}"], "on": True}
        for place in range(nodes // 8)
    ]


def _instances(nodes: int) -> Any:
    parts: list[Part] = []
    for place in range(nodes // 10):
        parts.append(Part(place, parts[place // 5] if place else None))
    return parts


def _slots(nodes: int) -> Any:
    return [Point(place, -place) for place in range(nodes // 5)]


def _empty(nodes: int) -> Any:
    return [Empty() for _ in range(nodes)]


def _shared(nodes: int) -> Any:
    layers: list[list[Any]] = [[[place] for place in range(1000)]]
    for layer in range(nodes // 11_000):
        below = layers[-1]
        layers.append(
            [[below[(place * 7 + step * step + layer) % 1000] for step in range(10)] for place in range(1000)]
        )
    return layers


def _hooks(nodes: int) -> Any:
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return [
        (
            day + datetime.timedelta(seconds=place),
            PurePosixPath(f"/usr/share/{place}"),
            Decimal(place) / 8,
            deque((place, place + 1)),
            OrderedDict(place=place),
        )
        for place in range(nodes // 22)
    ]


SHAPES: dict[str, Callable[[int], Any]] = {
    "lists": _lists,
    "records": _records,
    "instances": _instances,
    "slots": _slots,
    "empty": _empty,
    "shared": _shared,
    "hooks": _hooks,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audit_scale", description=__doc__)
    parser.add_argument("--nodes", default="30000,300000,3000000", help="sizes, with commas between")
    parser.add_argument("--shapes", default=",".join(SHAPES), help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--budget", action="store_true", help="show what bounds leave out of ten million nodes")
    parser.add_argument("--one", nargs=3, metavar=("SHAPE", "NODES", "WHAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        # By its own name: a spawned interpreter does not find what stands in the main module.
        from bench import audit_scale

        shape, nodes, what = options.one
        print(json.dumps(_measure(audit_scale.SHAPES[shape](int(nodes)), what)))
        return 0
    if options.budget:
        print(_left_out())
        return 0
    print("| graph | nodes | `pickle.dumps` | audit | times | memory of `pickle.dumps` | of the audit | times | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    good = True
    for shape in options.shapes.split(","):
        before: tuple[int, float, float] | None = None
        for nodes in map(int, options.nodes.split(",")):
            pickled = _best(shape, nodes, "pickle", options.runs)
            audited = _best(shape, nodes, "audit", options.runs)
            count, seconds = int(audited["nodes"]), audited["seconds"]
            broken = _broken(pickled, audited, before)
            before = count, seconds, pickled["seconds"]
            good &= not broken
            print(
                f"| {shape} | {count:,} | {pickled['seconds'] * 1000:,.0f} ms | {seconds * 1000:,.0f} ms "
                f"| {seconds / pickled['seconds']:.1f} | {pickled['memory'] / 1e6:,.1f} MB "
                f"| {audited['memory'] / 1e6:,.1f} MB | {audited['memory'] / pickled['memory']:.1f} "
                f"| {'; '.join(broken)} |",
                flush=True,
            )
    return 0 if good else 1


def _left_out() -> str:
    """A table of what the audit of ten million nodes looks at and leaves out under each bound of a budget."""
    from grilse.audit import Budget, audit

    graph = {"first": [1], "rows": _lists(10_000_000)}
    budgets = {
        "as it is": Budget(),
        "`nodes=1_000_000`": Budget(nodes=1_000_000),
        "`bytes=1_000_000`": Budget(bytes=1_000_000),
        "`seconds=0.5`": Budget(seconds=0.5),
    }
    lines = [
        "| budget | looked at | seconds | left out, at least | where | why |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for name, budget in budgets.items():
        start = _cpu_seconds()
        report = audit(graph, name="root", budget=budget)
        seconds = _cpu_seconds() - start
        count = sum(part.objects for part in report.left_out)
        first = report.left_out[0] if report.left_out else None
        assert (report.crosses is None) is (first is not None)
        where, why = (f"`{first.path}`", first.why) if first is not None else ("", "")
        lines.append(f"| {name} | {report.nodes:,} | {seconds:.1f} | {count:,} | {where} | {why} |")
    return "\n".join(lines)


def _broken(pickled: dict[str, float], audited: dict[str, float], before: tuple[int, float, float] | None) -> list[str]:
    count, seconds = audited["nodes"], audited["seconds"]
    found = []
    # Below that size what every audit does once is most of it.
    if count > BAR_NODES * 0.9:
        if seconds > TIMES_PICKLE * pickled["seconds"]:
            found.append(f"more than {TIMES_PICKLE:g} times the time")
        if seconds > BAR_SECONDS * max(1.0, count / BAR_NODES):
            found.append(f"more than {BAR_SECONDS:g} s")
        if audited["memory"] > TIMES_MEMORY * pickled["memory"]:
            found.append(f"more than {TIMES_MEMORY:g} times the memory")
    if before is not None:
        growth = max(count / before[0], pickled["seconds"] / before[2])
        if seconds / before[1] > GROWTH * growth:
            found.append("not near-linear")
    return found


def _best(shape: str, nodes: int, what: str, runs: int) -> dict[str, float]:
    """The fastest time and the least memory of several runs, each in an interpreter of its own."""
    replies = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-m", "bench.audit_scale", "--one", shape, str(nodes), what],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            stdout=subprocess.PIPE,
            timeout=CHILD_LIMIT_SECONDS,
            check=True,
        )
        replies.append(json.loads(done.stdout))
    return {name: min(reply[name] for reply in replies) for name in replies[0]}


def _measure(graph: Any, what: str) -> dict[str, float]:
    from grilse.audit import Budget, audit

    # Everything that is imported only once is there before the clock starts.
    audit([1])
    gc.collect()
    before = _reset_peak()
    start = _cpu_seconds()
    if what == "pickle":
        kept: Any = pickle.dumps(graph)
        nodes = 0
    else:
        kept = audit(graph, budget=Budget(nodes=10**9, seconds=CHILD_LIMIT_SECONDS))
        nodes = kept.nodes
        assert kept.crosses, (kept.blockers, kept.left_out, kept.notes)
    seconds = _cpu_seconds() - start
    return {"seconds": seconds, "memory": max(1, _peak() - before), "nodes": nodes}


def _cpu_seconds() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited_for.ru_utime + waited_for.ru_stime


def _reset_peak() -> int:
    """Forget the peak so far, where the system can (Linux); the bytes that are in use now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    return _peak()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("the system does not say how much memory a process has had at most")


if __name__ == "__main__":
    sys.exit(main())
