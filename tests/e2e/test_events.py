"""The file of ``--events``: what becomes of a session when it cannot be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .projects import run, write_imports

pytestmark = pytest.mark.timeout(60)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    root = write_imports(tmp_path / "p", 1)
    wanted = tmp_path / "missing" / "events.jsonl"
    status, out, errors = run(root, "--events", str(wanted), "show", "e0.bst")
    assert (status, out) == (255, "")
    assert f"Events cannot be written to '{wanted}': No such file or directory" in errors
    assert "Traceback" not in errors


def test_a_file_has_all_events_of_every_session(tmp_path: Path) -> None:
    root = write_imports(tmp_path / "p", 1)
    wanted = tmp_path / "events.jsonl"
    for _ in range(2):
        assert run(root, "--events", str(wanted), "show", "e0.bst")[0] == 0
    names = [json.loads(line)["event"] for line in wanted.read_text().splitlines()]
    assert names[0] == "session-started"
    assert names[-1] == "result"
    assert names.count("session-started") == names.count("result") == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_file_that_cannot_be_written_is_told_of_and_stops_nothing(tmp_path: Path) -> None:
    root = write_imports(tmp_path / "p", 1)
    status, out, errors = run(root, "--events", "/dev/full", "show", "--format", "%{name}", "e0.bst")
    assert (status, out) == (0, "e0.bst\n")
    assert "Events are missing in '/dev/full'" in errors
