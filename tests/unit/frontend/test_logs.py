"""The commands over event logs."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from grilse.frontend.app import run
from grilse.frontend.logs.record import find_log, read_record
from grilse.protocol import events as e
from grilse.protocol.errors import GrilseError

from .streams import NAMES, START, build_session

NEWEST = "20251010-000000-bbb"


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory with three sessions in it; the second is the recorded build."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = tmp_path / "grilse" / "sessions"
    older = [
        e.SessionStarted(time=START - 100, session="20250101-000000-aaa", log=None, argv=("show", "x"), program="1"),
        e.Result(time=START - 99, status=0),
    ]
    newer = [*build_session(), e.Result(time=START + 56, status=255)]
    # The newest of all, which had no jobs to run: reports are about the newest that had.
    (root / "20251010-000000-bbb").mkdir(parents=True)
    shown = msgspec.json.encode(older[0]) + b"\n" + msgspec.json.encode(older[1]) + b"\n"
    (root / "20251010-000000-bbb" / "events.jsonl").write_bytes(shown.replace(b"20250101-000000-aaa", NEWEST.encode()))
    for name, events in (("20250101-000000-aaa", older), ("20251009-085320-abc123", newer)):
        (root / name).mkdir(parents=True)
        lines = [msgspec.json.encode(event) + b"\n" for event in events]
        (root / name / "events.jsonl").write_bytes(b"".join(lines))
    (root / "20260101-000000-empty").mkdir()
    return root


def log(capfd: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(["log", *words], None) == status
    return capfd.readouterr().out


def test_sessions_are_listed_the_newest_first(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = log(capfd, "list").splitlines()
    assert [line.split()[0] for line in lines] == [NEWEST, "20251009-085320-abc123", "20250101-000000-aaa"]
    assert lines[1].endswith("56.0s   255  grilse build")
    rows = json.loads(log(capfd, "list", "--limit", "2", "--output", "json"))["result"]
    assert [(row["session"], row["status"], row["command"]) for row in rows] == [
        (NEWEST, 0, ["show", "x"]),
        ("20251009-085320-abc123", 255, ["build"]),
    ]


def test_the_events_of_a_session_are_the_result_for_machines(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = json.loads(log(capfd, "show", "--output", "json"))["result"]
    assert events[0]["event"] == "session-started" and events[-1]["event"] == "result"


def test_where_no_session_is_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "No session is kept" in log(capfd, "list")
    assert run(["log", "show"], None) == 255
    assert "No session is kept" in capfd.readouterr().err


def test_a_session_is_found_by_the_beginning_of_its_name_or_by_its_file(sessions: Path) -> None:
    newest = str(sessions / "20251009-085320-abc123" / "events.jsonl")
    for wanted in (None, "20251009", newest, str(sessions / "20251009-085320-abc123")):
        assert find_log(wanted) == newest
    with pytest.raises(GrilseError, match="may be any of 3"):
        find_log("2025")
    with pytest.raises(GrilseError, match="No session is called"):
        find_log("1999")


def test_what_ran_lists_every_job(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = log(capfd, "what-ran").splitlines()
    assert lines[0] == "0:00:02       6.50s  build       ok        lib/zlib.bst"
    assert len(lines) == 6
    rows = json.loads(log(capfd, "what-ran", "--output", "json"))["result"]
    assert {row["status"] for row in rows} == {"ok", "failed"}


def test_what_failed_groups_by_cause(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = log(capfd, "what-failed")
    assert text.startswith("Command 'make -j4' failed with status 2\n    build   app/parser")
    assert log(capfd, "what-failed", "20250101") == "Nothing failed.\n"


def test_the_critical_path_adds_up(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = json.loads(log(capfd, "critical-path", "--output", "json"))["result"]
    assert [step["element"] for step in report["steps"]] == ["lib/zlib.bst", "lib/openssl.bst"]
    assert report["seconds"] == pytest.approx(53.5)
    assert "These 2 jobs took 54s of 56s" in log(capfd, "critical-path")


def test_the_trace_is_one_that_perfetto_opens(
    sessions: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = json.loads(log(capfd, "trace"))
    complete = [entry for entry in trace["traceEvents"] if entry["ph"] == "X"]
    assert all({"name", "cat", "ts", "dur", "pid", "tid"} <= entry.keys() for entry in complete)
    zlib = next(entry for entry in complete if entry["name"] == "build lib/zlib.bst")
    assert (zlib["ts"], zlib["dur"]) == (2_000_000, 6_500_000)
    lanes = {entry["tid"]: entry["args"]["name"] for entry in trace["traceEvents"] if entry["name"] == "thread_name"}
    assert lanes[0] == "session"
    assert lanes[zlib["tid"]].startswith("worker")
    out = tmp_path / "trace.json"
    assert log(capfd, "trace", "--out", str(out)) == ""
    assert json.loads(out.read_text()) == trace


def test_a_session_that_was_cut_short_is_traced_to_its_end(sessions: Path, tmp_path: Path) -> None:
    from grilse.frontend.logs.trace import trace

    events = [event for event in build_session() if not isinstance(event, e.JobFinished)]
    durations = [entry["dur"] for entry in trace(events)["traceEvents"] if entry["ph"] == "X"]
    assert all(duration >= 0 for duration in durations)
    assert len(durations) == 7


def test_show_and_replay_show_the_lines_of_the_session(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["show"], ["replay", "--speed", "0"], ["replay", "--speed", "100000"]):
        assert run(["log", *words], None) == 0
        result, progress = capfd.readouterr()
        # Lines that are asked for are a result; a replay at any speed is progress.
        text = progress if "100000" in words else result
        assert "FAILURE Command 'make -j4' failed with status 2" in text
        assert "Pipeline Summary" in text


def test_a_file_that_is_no_log_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.write_text("nothing\n")
    with pytest.raises(GrilseError, match="is not the log of a session"):
        read_record(str(other))
    assert run(["--output", "json", "log", "what-ran", str(other)], None) == 255
    assert json.loads(capfd.readouterr().out)["error"]["reason"] == "not-a-log"


def test_a_last_line_that_is_still_being_written_is_left_out(sessions: Path) -> None:
    path = sessions / "20251009-085320-abc123" / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    record = read_record(str(path))
    assert record.status is None
    assert record.model.pipeline is not None
    assert len(record.model.pipeline.elements) == len(NAMES)
