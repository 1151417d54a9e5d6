"""The phases of a start are timed under every start method there is, in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from pathlib import Path

import pytest

from grilse.audit import Phase, phases
from grilse.audit.render import as_json, render_sections
from grilse.audit.start_tables import start_sections

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with the steps of a start."""
    name = "program_to_start"
    (tmp_path / f"{name}.py").write_text(
        "import json, csv\n"
        "def configure(payload):\n"
        "    return json.loads('{\"depth\": 1}') | {'payload': len(payload or ())}\n"
        "def load(settings):\n"
        "    import decimal\n"
        "    return settings['payload']\n"
        "def fails(settings):\n"
        "    raise ValueError('no start today')\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return name


def test_each_method_is_measured_with_its_phases_bytes_and_memory(program: str) -> None:
    report = phases(
        [Phase("configuration", f"{program}:configure"), Phase("project load", f"{program}:load")],
        payload=["x" * 1000],
        repetitions=2,
        preload=[program],
    )
    assert [run.method for run in report.runs] == [
        method for method in ("spawn", "forkserver", "fork") if method in multiprocessing.get_all_start_methods()
    ]
    by_method = {run.method: run for run in report.runs}
    for run in report.runs:
        assert run.problem is None
        names = [phase.name for phase in run.phases]
        assert names[0] == "interpreter and bootstrap"
        assert {"configuration", "project load"} <= set(names)
        assert all(phase.us >= 0 for phase in run.phases)
        assert run.first_message_us is not None
        assert run.first_message_us > 0
        if os.path.exists("/proc/self/smaps_rollup"):
            assert run.private_bytes
    spawned = by_method["spawn"]
    assert spawned.bytes_sent is not None
    assert spawned.bytes_sent > 1000
    assert "imports for configuration" in [phase.name for phase in spawned.phases]
    if "fork" in by_method:
        assert by_method["fork"].bytes_sent == 0
        assert "imports for configuration" not in [phase.name for phase in by_method["fork"].phases]


def test_imports_before_the_first_message_are_listed_with_what_needs_them(program: str) -> None:
    report = phases([Phase("configuration", f"{program}:configure")], repetitions=1, methods=["spawn"])
    found = {cost.module: cost for cost in report.imports}
    assert found["json"].imported_by == program
    assert found["json"].needed
    assert found["csv"].imported_by == program
    assert not found["csv"].needed
    assert found[program].total_us >= found["csv"].total_us


def test_the_first_message_may_come_before_the_last_phase(program: str) -> None:
    steps = [Phase("configuration", f"{program}:configure"), Phase("project load", f"{program}:load")]
    report = phases(steps, repetitions=1, methods=["spawn"], first=0)
    assert "decimal" not in {cost.module for cost in report.imports}


def test_a_payload_that_does_not_cross_is_told_and_fork_is_measured_all_the_same(program: str) -> None:
    report = phases([Phase("configuration", f"{program}:configure")], payload=threading.Lock(), repetitions=1)
    by_method = {run.method: run for run in report.runs}
    assert "cannot be pickled" in str(by_method["spawn"].problem)
    if "fork" in by_method:
        assert by_method["fork"].problem is None
        assert report.notes


def test_a_step_that_fails_is_told(program: str) -> None:
    report = phases([Phase("failing", f"{program}:fails")], repetitions=1, methods=["spawn"])
    assert "EOFError" in str(report.runs[0].problem) or "no start today" in str(report.runs[0].problem)


def test_steps_must_be_named_calls() -> None:
    with pytest.raises(ValueError, match="no phases"):
        phases([])
    with pytest.raises(ValueError, match="not of the form"):
        phases([Phase("x", "nothing")])


def test_the_report_is_shown_in_every_form(program: str) -> None:
    report = phases([Phase("configuration", f"{program}:configure")], repetitions=1, methods=["spawn"])
    for form in ("text", "markdown", "html"):
        assert "configuration" in render_sections(start_sections(report), form)
    assert '"kind": "start"' in as_json(report, "start")
