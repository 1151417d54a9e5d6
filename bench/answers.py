"""Measure how soon grilse answers: its version, help, the completion of an element, the first event of a session.

    python -m bench.answers [--runs 21] [--elements 5000]

Prints a row for each: the median and the fastest run in milliseconds, a bare Python beside them. On a machine that does
other things at the same time, start it with `chrt -f 10`: the figures are those of an idle machine then.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
GRILSE = [sys.executable, "-m", "grilse"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--elements", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory) / "project"
        _write_project(project, options.elements)
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "XDG_CACHE_HOME": str(Path(directory) / "cache"),
            "XDG_CONFIG_HOME": str(Path(directory) / "config"),
        }

        def run(argv: list[str], **more: str) -> Callable[[], float]:
            def once() -> float:
                begin = time.perf_counter()
                subprocess.run(argv, env={**environment, **more}, cwd=project, capture_output=True, check=True)
                return time.perf_counter() - begin

            return once

        def first_event() -> float:
            begin = time.perf_counter()
            with subprocess.Popen(
                [*GRILSE, "--events", "-", "show", "element-00001.bst"],
                env=environment,
                cwd=project,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                seconds = time.perf_counter() - begin
                process.stdout.read()
            return seconds

        words = {"COMP_WORDS": "grilse build element-0000", "COMP_CWORD": "2"}
        rows: list[tuple[str, Callable[[], float]]] = [
            ("bare Python", run([sys.executable, "-c", "pass"])),
            ("grilse --version", run([*GRILSE, "--version"])),
            ("grilse --help", run([*GRILSE, "--help"])),
            ("grilse artifact checkout --help", run([*GRILSE, "artifact", "checkout", "--help"])),
            (f"completion, {options.elements} elements", run(GRILSE, _GRILSE_COMPLETE="bash_complete", **words)),
            ("first event of a session", first_event),
        ]
        for name, once in rows:
            once()
            seconds = sorted(once() for _ in range(options.runs))
            print(f"{name: <36} {statistics.median(seconds) * 1000: >6.0f} ms  (fastest {seconds[0] * 1000:.0f})")
    return 0


def _write_project(project: Path, count: int) -> None:
    elements = project / "elements"
    elements.mkdir(parents=True)
    (project / "project.conf").write_text("name: answers\nmin-version: 2.0\nelement-path: elements\n")
    for number in range(count):
        (elements / f"element-{number:05d}.bst").write_text("kind: stack\n")


if __name__ == "__main__":
    sys.exit(main())
