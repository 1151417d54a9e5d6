"""The commands over event logs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.backend import history
from grilse.backend.history import claim_session
from grilse.frontend import places
from grilse.frontend.app import run
from grilse.frontend.logs.record import find_log, read_record
from grilse.frontend.logs.replay import SessionClock, replay
from grilse.frontend.logs.trace import trace
from grilse.platform.terminal import SignalPort
from grilse.protocol import events as e
from grilse.protocol.errors import GrilseError

from .stage import Stage
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
    assert lines[1].endswith("56.0s      255  grilse build")
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


def check_trace(document: object) -> list[dict[str, Any]]:
    """Hold a trace to the format; returns its complete events.

    As "Trace Event Format" (Google) has it: an object with ``traceEvents``; each with a name, a phase of one letter,
    the numbers of process and thread, and a time in microseconds; complete events with a duration, and those of one
    thread nested, since they are shown as calls; metadata with the arguments that belong to its name.
    """
    assert isinstance(document, dict)
    assert document["displayTimeUnit"] in ("ms", "ns")
    complete = []
    named = set()
    for entry in document["traceEvents"]:
        assert isinstance(entry["name"], str) and entry["name"]
        assert all(type(entry[name]) is int and entry[name] >= 0 for name in ("pid", "tid", "ts"))
        assert isinstance(entry["args"], dict)
        if entry["ph"] == "X":
            assert type(entry["dur"]) is int and entry["dur"] >= 0
            assert isinstance(entry["cat"], str)
            complete.append(entry)
            continue
        assert entry["ph"] == "M"
        kind = {"process_name": str, "thread_name": str, "thread_sort_index": int}[entry["name"]]
        assert [type(value) for value in entry["args"].values()] == [kind]
        if entry["name"] == "thread_name":
            named.add(entry["tid"])
    assert {entry["tid"] for entry in complete} <= named
    for lane in named:
        ends: list[int] = []
        of_lane = [entry for entry in complete if entry["tid"] == lane]
        for entry in sorted(of_lane, key=lambda entry: (entry["ts"], -entry["dur"])):
            while ends and ends[-1] <= entry["ts"]:
                ends.pop()
            end = entry["ts"] + entry["dur"]
            assert not ends or end <= ends[-1], entry
            ends.append(end)
    return complete


def test_the_trace_is_one_that_perfetto_opens(
    sessions: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(log(capfd, "trace"))
    complete = check_trace(document)
    zlib = next(entry for entry in complete if entry["name"] == "build lib/zlib.bst")
    assert (zlib["ts"], zlib["dur"]) == (2_000_000, 6_500_000)
    lanes = {entry["tid"]: entry["args"]["name"] for entry in document["traceEvents"] if entry["name"] == "thread_name"}
    assert lanes[0] == "session"
    assert lanes[zlib["tid"]].startswith("worker")
    out = tmp_path / "trace.json"
    assert log(capfd, "trace", "--out", str(out)) == ""
    assert json.loads(out.read_text()) == document


def test_what_a_job_did_is_traced_within_it() -> None:
    def said(at: float, kind: str, words: str) -> e.Text:
        return e.Text(time=at, kind=kind, text=words, element="a.bst", job=1, action="build")

    events = [
        e.SessionStarted(time=100, session="s", log=None, argv=("build",), program="1"),
        e.JobStarted(time=101, job=1, element="a.bst", key="", action="build", log=None, worker=1),
        said(102, "start", "Running commands"),
        said(103, "start", "Integrating"),
        # Its clock is not in step.
        said(102.5, "start", "never ended"),
        said(105, "failure", "Running commands"),
        said(105, "start", "Caching artifact"),
        e.JobFinished(time=106, job=1, element="a.bst", key="", action="build", status="failed", seconds=5),
    ]
    pieces = {entry["name"]: (entry["ts"], entry["dur"]) for entry in check_trace(trace(events))}
    second = 1_000_000
    assert pieces == {
        "build a.bst": (second, 5 * second),
        "Running commands": (2 * second, 3 * second),
        "Integrating": (3 * second, 2 * second),
        "never ended": (3 * second, 2 * second),
        "Caching artifact": (5 * second, second),
    }


def test_phases_that_overlap_get_lanes_of_their_own() -> None:
    events = [
        e.SessionStarted(time=100, session="s", log=None, argv=(), program="1"),
        e.SpanStarted(time=101, span=1, name="one"),
        e.SpanStarted(time=102, span=2, name="two"),
        e.SpanEnded(time=103, span=1, seconds=2),
        e.SpanStarted(time=103.5, span=3, name="three"),
        e.SpanEnded(time=104, span=3, seconds=2),
        e.SpanEnded(time=104, span=2, seconds=2),
    ]
    lanes = {entry["name"]: entry["tid"] for entry in check_trace(trace(events))}
    assert lanes["one"] == lanes["three"] == 0 != lanes["two"]


@given(st.lists(st.tuples(st.sampled_from("sSjJtT"), st.integers(1, 3), st.floats(-1, 5)), max_size=30))
def test_whatever_a_log_holds_its_trace_keeps_to_the_format(entries: list[tuple[str, int, float]]) -> None:
    events: list[Any] = [e.SessionStarted(time=100, session="s", log=None, argv=(), program="1")]
    now = 100.0
    for what, number, later in entries:
        now += later
        job: dict[str, Any] = {"time": now, "job": number, "element": "a.bst", "key": "", "action": "build"}
        words: dict[str, Any] = {"time": now, "text": f"step {later:.0f}", "job": number}
        possible = {
            "s": e.SpanStarted(time=now, span=number, name="span"),
            "S": e.SpanEnded(time=now, span=number, seconds=1),
            "j": e.JobStarted(**job, log=None, worker=number),
            "J": e.JobFinished(**job, status="ok", seconds=1),
            "t": e.Text(kind="start", **words),
            "T": e.Text(kind="success", **words),
        }
        events.append(possible[what])
    check_trace(trace(events))


def test_a_session_that_was_cut_short_is_traced_to_its_end(sessions: Path, tmp_path: Path) -> None:
    events = [event for event in build_session() if not isinstance(event, e.JobFinished)]
    jobs = [entry for entry in check_trace(trace(events)) if entry["cat"] != "step"]
    assert len(jobs) == 7
    assert all(entry["args"]["status"] == "unfinished" for entry in jobs if entry["cat"] != "span")


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


@pytest.mark.parametrize("locked", [True, False])
def test_a_session_without_an_end_is_running_or_was_killed(
    sessions: Path, capfd: pytest.CaptureFixture[str], locked: bool
) -> None:
    directory = sessions / "20251009-085320-abc123"
    lines = (directory / "events.jsonl").read_bytes().splitlines(keepends=True)
    # After the first job has ended and others have begun; the last line is cut short.
    place = next(n for n, line in enumerate(lines) if b'"job-finished"' in line)
    (directory / "events.jsonl").write_bytes(b"".join(lines[: place + 3])[:-5])
    claim = claim_session(str(directory)) if locked else None
    try:
        state = "running" if locked else "killed"
        row = json.loads(log(capfd, "list", "--output", "json"))["result"][1]
        assert (row["session"], row["state"], row["status"]) == ("20251009-085320-abc123", state, None)
        assert f"  {state}  grilse build" in log(capfd, "list")
        ran = json.loads(log(capfd, "what-ran", "--output", "json"))["result"]
        assert [job["status"] for job in ran if job["status"] != "ok"] == [state] * (len(ran) - 1) != []
        assert all(job["seconds"] >= 0 for job in ran)
        failed = log(capfd, "what-failed")
        assert ("was killed before it could end" in failed) is not locked
        assert "tools/cmake.bst" in failed or locked
        for words in (["critical-path"], ["show"], ["trace"], ["replay", "--speed", "0"]):
            assert log(capfd, *words)
    finally:
        if claim is not None:
            os.close(claim)
    assert run(["log", "what-ran"], None) == 0
    assert "abc123: grilse build (killed)\n" in capfd.readouterr().err


def test_both_sides_mean_the_same_files() -> None:
    assert (places.LOG_NAME, places.LOCK_NAME) == (history.LOG_NAME, history.LOCK_NAME)


def test_a_build_that_ended_before_it_had_jobs_is_not_what_reports_are_about(
    sessions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    later = e.SessionStarted(
        time=START + 900, session="20251009-090000-def456", log=None, argv=("build", "tpyo.bst"), program="1"
    )
    (sessions / later.session).mkdir()
    error = e.Error(scope="main", domain="STREAM", reason=None, message='{"event":"no job-started",')
    lines = [msgspec.json.encode(event) + b"\n" for event in (later, error)]
    (sessions / later.session / "events.jsonl").write_bytes(b"".join(lines))
    assert "build lib/zlib.bst" in log(capfd, "trace")
    # By its name it can be had all the same.
    assert log(capfd, "what-ran", later.session) == "No job ran.\n"


def test_what_is_no_log_is_refused_by_every_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"\xff\xfe nothing\n")
    for words in (["show"], ["replay"], ["replay", "--speed", "0"], ["what-ran"], ["what-failed"], ["trace"]):
        assert run(["log", *words, str(other)], None) == 255
        out, err = capfd.readouterr()
        assert out == ""
        assert "is not the log of a session" in err


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_a_list_of_no_sessions_is_refused(sessions: Path, capfd: pytest.CaptureFixture[str], limit: str) -> None:
    assert run(["log", "list", "--limit", limit], None) == 255
    assert "--limit" in capfd.readouterr().err


def test_a_replay_shows_the_times_of_the_session_whenever_it_is_shown() -> None:
    stage = Stage()
    clock = SessionClock(1e6)
    stage.display._clock = clock
    console = SimpleNamespace(display=stage.display, port=SignalPort())
    try:
        events = list(build_session())
        cut = next(n for n, event in enumerate(events) if getattr(event, "time", 0.0) > START + 20)
        assert replay(events[:cut], console, clock) == 0  # type: ignore[arg-type]
    finally:
        console.port.close()
    # Long ago, and yet some seconds after its beginning.
    assert re.search(r"Build done in (1\d|20)s: 2 built", stage.text), stage.text
