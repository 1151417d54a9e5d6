"""The measuring tools measure what they say."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bench.__main__ import figure, table
from bench.make_project import ROOTS, Shape, dependencies, write_project
from bench.rows import Row

if sys.platform != "win32":
    from bench.measure import Tool, first_line_seconds, peak_memory, run, seconds_to_stop
    from bench.slow_terminal import run_on_terminal

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and signals are POSIX")


def test_every_dependency_of_a_generated_project_comes_earlier_and_within_the_width() -> None:
    shape = Shape(elements=500, width=50, fan_in=6)
    graph = dependencies(shape)
    assert len(graph) == 500
    assert all(not needs for needs in graph[:ROOTS])
    for number, needs in enumerate(graph[ROOTS:], ROOTS):
        assert needs == tuple(sorted(set(needs)))
        assert all(number - 50 <= need < number for need in needs)
    assert max(len(needs) for needs in graph) == 6


def test_the_same_shape_makes_the_same_project(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_project(tmp_path / name, Shape(elements=30))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 30 * 2 + 2
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


@posix_only
def test_a_slow_terminal_takes_as_long_as_its_rate_says_and_passes_the_status_on() -> None:
    done = run_on_terminal([sys.executable, "-c", "print('x' * 3000); raise SystemExit(7)"], 10_000, keep=True)
    assert done.status == 7
    assert done.shown == 3002  # the terminal makes CR LF of the newline
    assert done.written == b"x" * 3000 + b"\r\n"
    assert done.seconds - done.first_seconds >= 0.3


@posix_only
def test_a_command_on_the_terminal_has_it_as_its_controlling_terminal() -> None:
    code = (
        "import os; print(os.getsid(0) == os.getpid(), os.open('/dev/tty', os.O_RDWR) > 0, os.get_terminal_size()[0])"
    )
    done = run_on_terminal([sys.executable, "-c", code], 0, columns=77, keep=True)
    assert done.written.split() == [b"True", b"True", b"77"]


def script(*lines: str) -> Tool:
    """A tool that ignores its command line and runs these lines."""
    return Tool("grilse", (sys.executable, "-c", "\n".join(lines)))


@posix_only
def test_other_children_of_this_process_are_not_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        try:
            assert run(script("print('said')"), tmp_path, "anything").seconds < 15
            assert other.poll() is None
        finally:
            other.kill()


@posix_only
def test_a_run_is_measured_with_its_output(tmp_path: Path) -> None:
    measured = run(script("print('said')"), tmp_path, "anything")
    assert measured.output == b"said\n"
    assert measured.cpu_seconds > 0
    assert measured.seconds < 20


@posix_only
def test_memory_counts_all_processes_of_a_command(tmp_path: Path) -> None:
    child = "import time; block = b'x' * 40_000_000; time.sleep(0.3)"
    twice = script(
        "import subprocess, sys",
        f"both = [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]",
        "[one.wait() for one in both]",
    )
    assert 80_000_000 < peak_memory(twice, tmp_path) < 200_000_000


@posix_only
def test_the_first_event_is_timed_when_it_arrives(tmp_path: Path) -> None:
    late = script("import os, time", "time.sleep(0.2)", "print('{}', file=open(os.environ['GRILSE_EVENTS'], 'a'))")
    assert 0.2 <= first_line_seconds(late, tmp_path) < 10


@posix_only
def test_a_process_that_stays_behind_after_a_signal_is_found_named_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.measure.LEFTOVER_LIMIT_SECONDS", 0.3)
    leaver = Tool("grilse", ("sh", "-c", "sleep 100 & exec sleep 9"))
    assert seconds_to_stop(leaver, tmp_path, signal.SIGTERM, 1.0, []) == (math.inf, ["sleep"])
    clean = script("import time", "time.sleep(9)")
    seconds, left = seconds_to_stop(clean, tmp_path, signal.SIGTERM, 0.1, [])
    assert seconds < 0.3
    assert left == []


def test_the_table_shows_medians_and_their_ratio() -> None:
    found = [Row("a row", "s", {"grilse": [1.0, 9.0, 2.0], "bst": [8.0, 8.0, 9.0]}, "a note")]
    assert table(found, ["grilse", "bst"]).splitlines()[2] == "| a row | 2.00 s | 8.00 s | 0.250 | a note |"
    assert figure(math.inf, "ms") == "never"
    assert figure(None, "ms") == "-"


def test_the_measurements_can_be_asked_for_help() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert "--rows" in done.stdout
