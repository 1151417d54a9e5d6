"""Small parts of the frontend: questions, the writer, JSON, remotes, the pager, init's values."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.frontend.display.machine import JsonLines, JsonResult
from grilse.frontend.init_project import init_action
from grilse.frontend.programs import pager_command
from grilse.frontend.questions import answers, failure_question, interrupt_question
from grilse.frontend.remotes import RemoteSyntaxError, check_remote
from grilse.frontend.session_log import EventReader
from grilse.frontend.streams import look_at_streams
from grilse.frontend.writer import Writer
from grilse.protocol import events as e
from grilse.protocol.errors import GrilseError
from grilse.protocol.init_values import check_element_path, check_name, check_version

from .streams import build_session

PROMPT = e.Prompt(
    time=0,
    prompt=1,
    element="a.bst",
    key="",
    action="build",
    choices=("continue", "quit", "terminate", "retry", "shell"),
    log="/a.log",
)


@pytest.mark.parametrize(
    ("keys", "choice"),
    [
        (b"c", "continue"),
        (b"Q", "quit"),
        (b"\r", "continue"),
        (b"\n", "continue"),
        (b"l", "log"),
        (b"\x1b[Aq", "quit"),
        (b"\x1bOPt", "terminate"),
        (b"\xc3\xa9\xffr", "retry"),
        (b"xyz", None),
        (b"\x1b", None),
        (b"\x1bq", None),
        (b"", None),
    ],
)
def test_one_key_answers_and_others_mean_nothing(keys: bytes, choice: str | None) -> None:
    assert answers(keys, failure_question(PROMPT)) == choice


@given(st.binary(max_size=20))
def test_any_bytes_are_survived(keys: bytes) -> None:
    for question in (failure_question(PROMPT, 2), interrupt_question()):
        assert answers(keys, question) in (None, *question.choices)


def test_a_question_names_its_element_and_its_choices() -> None:
    question = failure_question(PROMPT, waiting=2)
    assert question.lines[1] == "build failure on element: a.bst (2 more after this)"
    assert question.lines[-1] == "Choice: [continue]: "
    assert question.choices == ("continue", "quit", "terminate", "retry", "log", "shell")


def test_the_writer_keeps_order_and_never_blocks_who_puts() -> None:
    reading, writing = os.pipe()
    writer = Writer()
    pieces = [bytes([number % 256]) * 5000 for number in range(100)]
    begin = time.monotonic()
    for piece in pieces:
        writer.put(writing, piece)
    assert time.monotonic() - begin < 5
    assert writer.backlog > 0
    received = b""
    while len(received) < 500_000:
        received += os.read(reading, 65536)
    assert received == b"".join(pieces)
    assert writer.flush(5)
    assert writer.backlog == 0
    os.close(reading)
    os.close(writing)


def test_the_writer_gives_up_on_a_reader_that_is_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = Writer()
    writer.put(writing, b"lost")
    assert writer.flush(5)
    assert writer.broken(writing)
    os.close(writing)


def test_the_writer_says_when_it_is_idle_and_drops_what_was_not_begun() -> None:
    reading, writing = os.pipe()
    idle = threading.Event()
    writer = Writer(idle.set)
    writer.put(writing, b"x" * 200_000)
    os.read(reading, 1)
    writer.put(writing, b"y" * 1000)
    assert writer.drop(writing) == 1000
    assert not writer.flush(0.05)
    while b"x" in os.read(reading, 65536) and not idle.wait(0.01):
        pass
    assert writer.flush(5)
    os.close(reading)
    os.close(writing)


def test_a_result_is_one_document_with_a_version() -> None:
    written: list[bytes] = []
    result = JsonResult(written.append, ["show"])
    result.show([e.Values(data=[{"name": "a.bst"}])])
    result.finish(0)
    assert json.loads(b"".join(written)) == {
        "schema": 1,
        "command": ["show"],
        "status": 0,
        "result": [{"name": "a.bst"}],
        "error": None,
    }


def test_the_document_of_a_session_has_its_summary_and_failures() -> None:
    result = JsonResult(lambda data: None, ["build"])
    result.show(list(build_session()))
    result.show([e.Error(scope="task", domain="ELEMENT", reason=None, message="broke", element="a.bst")])
    result.output(b"text")
    document = result.document(255)
    assert document["summary"]["queues"][1] == {
        "action": "build",
        "processed": 5,
        "skipped": 4,
        "failed": 1,
        "total": 12,
    }
    assert document["failures"] == [{"domain": "ELEMENT", "reason": None, "message": "broke", "element": "a.bst"}]
    assert (document["error"]["domain"], document["text"]) == ("STREAM", "text")


def test_events_as_lines_can_be_read_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    events = list(build_session())
    with log.open("wb") as file:
        lines = JsonLines(lambda data: file.write(data) and None)
        lines.show(events)
        lines.output(b"\xff")
    assert list(EventReader().range(str(log), 0)) == [*events, e.Output(b"\xff")]


def test_a_range_of_a_log_is_exact_and_what_is_no_event_is_skipped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [b'{"event":"quit"}\n', b"garbage\n", b'{"event":"caught-up","start":1,"end":2}\n', b'{"event":"cau']
    log.write_bytes(b"".join(lines))
    assert list(EventReader().range(str(log), 0)) == [e.CaughtUp(start=1, end=2)]
    assert list(EventReader().range(str(log), 0, len(lines[0]) + len(lines[1]))) == []


@pytest.mark.parametrize(
    ("remote", "both_ways", "right"),
    [
        ("http://cache", False, True),
        ("url=http://cache,instance-name=main,type=index", False, True),
        ("url=http://cache,push=true", True, True),
        ("url=http://cache,push=true", False, False),
        ("url=http://cache,push=maybe", True, False),
        ("url=http://cache,type=tape", True, False),
        ("type=index,push=true", True, False),
        ("http://cache,push=true", True, False),
        ("", True, False),
    ],
)
def test_remotes_are_checked_as_bst_does(remote: str, both_ways: bool, right: bool) -> None:
    if right:
        check_remote(remote, both_ways=both_ways)
    else:
        with pytest.raises(RemoteSyntaxError):
            check_remote(remote, both_ways=both_ways)


def test_the_pager_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "cat -n")
    assert pager_command("/x") == ["cat", "-n", "/x"]
    monkeypatch.setenv("PAGER", "no-such-program")
    monkeypatch.setenv("PATH", "/nowhere")
    assert pager_command("/x") is None


@pytest.mark.parametrize("name", ["a", "_a", "a-b_1", "A"])
def test_names_that_a_project_may_have(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a+b", "ä", "a\n"])
def test_names_that_it_may_not_have(name: str) -> None:
    with pytest.raises(GrilseError) as error:
        check_name(name)
    assert (error.value.domain.name, error.value.reason) == ("LOAD", "INVALID_SYMBOL_NAME")


@pytest.mark.parametrize(("version", "right"), [("2.0", True), ("2.8", True), ("2.8.1", True), ("2.9", False)])
def test_minimum_versions(version: str, right: bool) -> None:
    if right:
        check_version(version)
    else:
        with pytest.raises(GrilseError):
            check_version(version)


@pytest.mark.parametrize("version", ["-1", "1.4", "2.900", "abc", "2.-1", ""])
def test_minimum_versions_that_are_none(version: str) -> None:
    with pytest.raises(GrilseError) as error:
        check_version(version)
    assert error.value.reason == "invalid-min-version"


@pytest.mark.parametrize(("path", "right"), [("elements", True), ("a/b", True), (".", True), ("/a", False)])
def test_element_paths(path: str, right: bool) -> None:
    if right:
        check_element_path(path)
    else:
        with pytest.raises(GrilseError):
            check_element_path(path)


def parameters(**given: Any) -> dict[str, Any]:
    usual = {"project_name": None, "min_version": "2.8", "element_path": "elements", "force": False}
    return {**usual, "target_directory": None, **given}


def test_init_refuses_what_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GrilseError) as error:
        init_action(parameters(project_name="p"), "/elsewhere", interactive=False)
    assert error.value.reason == "init-with-set-directory"
    with pytest.raises(GrilseError) as error:
        init_action(parameters(), None, interactive=False)
    assert error.value.reason == "unspecified-project-name"
    (tmp_path / "project.conf").touch()
    with pytest.raises(GrilseError) as error:
        init_action(parameters(project_name="p"), None, interactive=False)
    assert error.value.reason == "project-exists"
    action = init_action(parameters(project_name="p", force=True), None, interactive=False)
    assert (action.directory, action.force) == (str(tmp_path), True)


def test_a_dumb_terminal_gets_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("grilse.frontend.streams._is_terminal", lambda descriptor: True)
    monkeypatch.setenv("TERM", "dumb")
    assert not look_at_streams({}).colours
    assert look_at_streams({"colors": True}).colours
    monkeypatch.setenv("TERM", "xterm")
    assert look_at_streams({}).colours


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_why_nothing_can_be_written_is_known() -> None:
    writer = Writer()
    full = os.open("/dev/full", os.O_WRONLY)
    reading, writing = os.pipe()
    os.close(reading)
    writer.put(full, b"x")
    writer.put(writing, b"x")
    assert writer.flush(5)
    assert writer.broken(full) and writer.broken(writing)
    assert writer.fault(full) == os.strerror(errno.ENOSPC)
    assert writer.fault(writing) is None
    os.close(full)
    os.close(writing)
