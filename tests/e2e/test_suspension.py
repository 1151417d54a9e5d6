"""Ctrl-Z on a terminal stops everything that a session does, and its clocks; fg lets all go on.

SUSPENDED_SECONDS says for how long.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .conftest import SOURCE
from .projects import until, write_project
from .terminal import VirtualTerminal

SUSPENDED_SECONDS = float(os.environ.get("SUSPENDED_SECONDS", "2.5"))
# Elements that run at once, and what each does: ticks of a tenth of a second.
SLEEPERS, TICKS = 3, 40
# Seconds that what is told may differ from what was measured from outside, on a busy machine.
TOLERANCE = 1.2

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(180 + 2 * SUSPENDED_SECONDS)]


class Suspended:
    """A build of sleeps on a terminal."""

    def __init__(self, path: Path, base: Path) -> None:
        elements = {"base.bst": "kind: import\nsources:\n- kind: local\n  path: base\n"}
        command = f"for i in $(seq {TICKS}); do echo tick $i; sleep 0.1; done"
        for number in range(SLEEPERS):
            elements[f"s{number}.bst"] = (
                "kind: manual\nbuild-depends: [base.bst]\n"
                f"config:\n  build-commands:\n  - {command}\n"
                f"  install-commands:\n  - mkdir -p %{{install-root}}/{number}\n"
            )
        self.root = write_project(path / "p", elements)
        shutil.copytree(base, self.root / "base", symlinks=True)
        self.events_file = path / "events.jsonl"
        self.logs = path / "logs"
        settings = path / "user.conf"
        settings.write_text(f"cachedir: {path}/cache\nlogdir: {self.logs}\nscheduler: {{builders: {SLEEPERS}}}\n")
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "XDG_CACHE_HOME": str(path / "home"),
            "XDG_CONFIG_HOME": str(path / "home"),
            "GRILSE_EVENTS": str(self.events_file),
        }
        names = [f"s{number}.bst" for number in range(SLEEPERS)]
        command_line = [sys.executable, "-m", "grilse", "--config", str(settings), "build", *names]
        self.terminal = VirtualTerminal(command_line, environment, directory=self.root)

    def ticks(self) -> list[int]:
        """How many ticks each build has logged."""
        logs = sorted(self.logs.glob("small/s*/*-build.*.log"))
        return [one.read_text().count("\ntick ") + one.read_text().count("    tick ") for one in logs]

    def session(self) -> list[psutil.Process]:
        """All processes of the session."""
        return psutil.Process(self.terminal.process.pid).children(recursive=True)

    def events(self, name: str) -> list[dict]:
        lines = self.events_file.read_bytes().split(b"\n")[:-1]
        return [event for event in map(json.loads, lines) if event["event"] == name]


def moving(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are neither stopped nor dead."""
    return [one for one in processes if one.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)]


@pytest.fixture
def build(tmp_path: Path, base: Path) -> Iterator[Suspended]:
    made = Suspended(tmp_path, base)
    yield made
    made.terminal.close()


def test_nothing_goes_on_while_a_build_is_suspended_and_no_clock_counts_it(build: Suspended) -> None:
    terminal = build.terminal
    terminal.wait_for(lambda: len(build.ticks()) == SLEEPERS and min(build.ticks()) > 3, 60.0)
    terminal.press(b"\x1a")
    stopped = time.monotonic()
    terminal.wait_for(lambda: terminal.stops == 1)
    told = time.monotonic() - stopped
    # What runs in sandboxes and for jobs is stopped, and so is the frontend; the backend only waits.
    # A signal takes the kernel a moment.
    end = time.monotonic() + 10.0
    while len(going := moving(build.session())) > 1 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(going) == 1, [(one.pid, one.ppid(), one.status(), one.cmdline()) for one in going]
    before = build.ticks()
    members = build.session()
    used = {one.pid: sum(one.cpu_times()[:2]) for one in build.session()}
    time.sleep(SUSPENDED_SECONDS)
    after = build.ticks()
    worked = sum(sum(one.cpu_times()[:2]) - used[one.pid] for one in build.session() if one.pid in used)
    going = moving(build.session())
    paused = time.monotonic() - stopped
    terminal.foreground()
    assert terminal.wait_end(120.0) == 0, terminal.history
    print(
        f"suspended for {paused:.2f} s, {told:.2f} s after the key; all but {len(going)} of {len(members)} processes"
        f" stopped, processor time of all meanwhile {worked:.2f} s; ticks {before} and {after}"
    )
    assert before == after
    assert len(going) == 1, "all but the backend"
    assert worked < 0.1 * SUSPENDED_SECONDS
    # What each clock says that a build took: the scheduler's, the worker's in its messages, the log's.
    (summary,) = build.events("summary")
    started = {event["job"]: event for event in build.events("job-started") if event["action"] == "build"}
    for event in build.events("job-finished"):
        if event["action"] == "build" and event["element"] != "base.bst":
            wall = event["time"] - started[event["job"]]["time"]
            print(f"{event['element']}: {wall:.2f} s on the wall, {event['seconds']:.2f} s told")
            assert abs(wall - paused - event["seconds"]) < TOLERANCE
    said = [
        text for text in build.events("text") if text["kind"] == "success" and text.get("text") == "Running commands"
    ]
    assert len(said) == SLEEPERS
    for text in said:
        print(f"{text['element']}: the worker says {text['elapsed']:.2f} s")
        assert text["elapsed"] < wall - paused + TOLERANCE
    assert summary["seconds"] < wall + 60 - paused
    assert build.events("job-progress") == [] or not any(one.get("stalled") for one in build.events("job-progress"))
    until(lambda: not build.session())
