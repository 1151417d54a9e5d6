"""The plain display: bst's log lines, their configuration, heading and summary."""

from __future__ import annotations

import time

import pytest

from grilse.frontend.display.loglines import FormatError, LogLines, compile_format, format_element
from grilse.frontend.display.paint import Paint, printable
from grilse.frontend.display.plain import PlainDisplay
from grilse.protocol import events as e

from .streams import START, build_session

PLAIN = Paint(False)


class Sheet:
    """A plain display and what it has written."""

    def __init__(self, *, session: bool = True, quiet: bool = False, colours: bool = False) -> None:
        self.text = ""
        self.result = b""
        self.display = PlainDisplay(self._put, self._result, Paint(colours), session=session, quiet=quiet)

    def _put(self, text: str) -> None:
        self.text += text

    def _result(self, data: bytes) -> None:
        self.result += data


def text(kind: str, words: str, **more: object) -> e.Text:
    return e.Text(time=START, kind=kind, text=words, **more)  # type: ignore[arg-type]


def line(event: e.Text, **style: object) -> str:
    return LogLines(e.LogStyle(**style), PLAIN).render(event)  # type: ignore[arg-type]


def test_a_line_has_the_columns_of_bst() -> None:
    event = text("success", "Staging sources", element="a.bst", key="0123456789", action="build", elapsed=3725.9)
    assert line(event) == "[01:02:05][01234567][   build:a.bst                         ] SUCCESS Staging sources\n"


def test_only_what_has_ended_has_taken_time() -> None:
    for kind, word in (("start", "START  "), ("status", "STATUS "), ("info", "INFO   "), ("warn", "WARNING")):
        expected = f"[--:--:--][        ][    main:core activity                 ] {word} words\n"
        assert line(text(kind, "words", elapsed=5.0)) == expected


def test_a_job_is_told_by_its_log() -> None:
    event = text("start", "Building", element="a.bst", action="build", log="/logs/p/a/x.log", scheduler=True)
    assert line(event, log_directory="/logs").endswith("START   p/a/x.log\n")
    assert line(event, log_directory="/log").endswith("START   /logs/p/a/x.log\n")


def test_the_configured_format_is_obeyed() -> None:
    event = text("info", "words", element="a.bst", key="", elapsed=None)
    form = "%{elapsed},%{elapsed-us},%{wallclock},%{wallclock-us},%{key},%{element},%{action},%{message} 100%%"
    wall = time.strftime("%H:%M:%S", time.localtime(START))
    assert line(event, message_format=form, key_length=2) == (
        f"--:--:--,--:--:--.------,{wall},{wall}.000000,  ,    main:a.bst                         ,INFO   ,words 100%\n"
    )
    ended = text("success", "words", elapsed=61.5)
    assert line(ended, message_format="%{elapsed-us}") == "00:01:01.500000\n"


def test_keys_are_as_long_as_configured() -> None:
    event = text("info", "words", element="a.bst", key="0123456789")
    assert line(event, key_length=4, message_format="[%{key}]") == "[0123]\n"
    assert line(event, key_length=0, message_format="[%{key}]") == "[]\n"


@pytest.mark.parametrize("form", ["%{nothing}", "%{elapsed", "50% done"])
def test_a_format_that_makes_no_sense_is_said_once_and_the_usual_one_taken(form: str) -> None:
    with pytest.raises(FormatError):
        compile_format(e.LogStyle(message_format=form), PLAIN)
    sheet = Sheet()
    sheet.display.show([e.LogStyle(message_format=form), text("info", "words")])
    assert "message format" in sheet.text.splitlines()[0]
    assert sheet.text.endswith("] INFO    words\n")


def test_detail_is_indented_and_cut_for_elements_only() -> None:
    lines = "\n".join(f"line {number}" for number in range(5))
    element = line(text("info", "words", detail=lines, element="a.bst"), message_lines=2)
    assert element.endswith("\n\n    line 0\n    line 1\n    Message contains 3 additional lines\n\n")
    assert "additional" not in line(text("info", "words", detail=lines), message_lines=2)
    assert "additional" not in line(text("failure", "words", detail=lines, element="a.bst"), message_lines=2)


def test_a_failed_job_shows_the_end_of_its_log_or_where_it_is() -> None:
    event = text(
        "failure", "it broke", element="a.bst", scheduler=True, log="/logs/a.log", log_tail="1\n2\n3\n", elapsed=1.0
    )
    shown = line(event, error_lines=2, log_directory="/logs")
    rule = "    " + "=" * 70 + "\n"
    assert shown.endswith(
        f"it broke\n\n    Printing the last 2 lines from log file:\n    /logs/a.log\n{rule}    2\n    3\n{rule}\n"
    )
    assert line(event, verbose=False, log_directory="/logs").endswith("it broke\n\n    Log file:     a.log\n\n")
    assert "Printing" not in line(event, error_lines=0)


def test_status_and_debug_are_shown_to_those_who_want_them() -> None:
    events = [text("status", "status words"), text("debug", "debug words"), text("log", "log words")]
    for style, shown in (({"verbose": False}, ""), ({}, "status"), ({"debug": True}, "status debug")):
        sheet = Sheet()
        sheet.display.show([e.LogStyle(**style), *events])  # type: ignore[arg-type]
        assert [word for word in ("status", "debug", "log") if f"{word} words" in sheet.text] == shown.split()


def test_a_session_has_heading_and_summary() -> None:
    sheet = Sheet()
    sheet.display.show(list(build_session()))
    sheet.display.finish(255)
    assert "\nBuildStream Version 2.8.1\n    Project: demo (/home/me/demo)\n    Targets: app/all.bst\n" in sheet.text
    assert "\nPipeline\n      cached 9e3779b1" in sheet.text
    assert "\nFailure Summary\n    app/parser-with-quite-a-long-name-for-an-element.bst:\n" in sheet.text
    assert sheet.text.count("Printing the last 4 lines from log file:") == 2
    assert (
        "Pipeline Summary\n    Total:       12\n    Session:     12\n"
        "    Fetch Queue: processed 8, skipped 4, failed 0 \n    Build Queue: processed 5, skipped 4, failed 1 \n"
    ) in sheet.text


@pytest.mark.parametrize("lines", [(), ("as the user wants it",)])
def test_what_tracking_has_found_out_is_in_the_summary(lines: tuple[str, ...]) -> None:
    sheet = Sheet()
    found = (e.PipelineElement("a.bst", "a" * 64, "fetch needed", "import"),)
    sheet.display.show([e.Summary(time=0, seconds=1, resolved=found, resolved_lines=lines)])
    sheet.display.finish(0)
    line = lines[0] if lines else f"fetch needed {'a' * 64} a.bst "
    assert sheet.text.startswith(f"\nResolved key Summary\n{line}\n\nPipeline Summary\n")


def test_sections_within_sections_and_lists_are_indented() -> None:
    heading = (
        ("Project: demo", "", ""),
        ("Project: demo", "Junction path", "sub.bst"),
        ("Project: demo", "Declared duplicate by", "    other\n"),
        ("Project: demo\nSource Plugins", "", ""),
        ("Project: demo\nSource Plugins", "local", "core plugin"),
        ("Project: demo\nArtifact cache servers", "", ""),
        ("Project: demo\nArtifact cache servers", "*", "http://cache\npush: True"),
        ("Project: demo", "", ""),
    )
    pipeline = e.Pipeline(time=0, project="demo", targets=(), elements=(), heading=heading)
    assert (
        LogLines(e.LogStyle(), PLAIN)
        .heading(pipeline)
        .startswith(
            "\nProject: demo\n    Junction path:         sub.bst\n    Declared duplicate by:\n        other\n\n"
            "    Source Plugins\n        local: core plugin\n\n"
            "    Artifact cache servers\n      * http://cache\n        push: True\n\n"
            "Project: demo\n\nPipeline\n"
        )
    )


def test_a_message_cut_to_nothing_leaves_no_blank_lines() -> None:
    event = text("start", "Running commands", element="a.bst", detail="one\ntwo")
    assert line(event, message_lines=0).count("\n") == 1


def test_a_failure_that_was_cached_is_in_the_summary_too() -> None:
    sheet = Sheet()
    sheet.display.show([e.Summary(time=0, seconds=1, failed=(("a.bst", "build", "it broke before", "/logs/a.log"),))])
    sheet.display.finish(255)
    assert "Failure Summary\n    a.bst:\n    [--:--:--][        ][   build:a.bst " in sheet.text
    assert "FAILURE it broke before\n\n        /logs/a.log\n" in sheet.text


def test_other_commands_have_neither() -> None:
    sheet = Sheet(session=False)
    sheet.display.show(list(build_session()))
    sheet.display.finish(255)
    assert "Pipeline" not in sheet.text


def test_quiet_keeps_warnings_failures_and_the_summary() -> None:
    sheet = Sheet(quiet=True)
    sheet.display.show(list(build_session()))
    sheet.display.finish(255)
    assert "START" not in sheet.text
    assert "Cache Directory" not in sheet.text
    for words in ("WARNING [overlaps]", "FAILURE Command 'make -j4' failed", "Pipeline Summary"):
        assert words in sheet.text


def test_results_pass_through() -> None:
    sheet = Sheet()
    sheet.display.output(b"\x00\xff")
    assert (sheet.result, sheet.text) == (b"\x00\xff", "")


def test_a_bug_is_said_to_be_one() -> None:
    sheet = Sheet()
    sheet.display.show([e.Unhandled(message="KeyError: 1", traceback="Traceback: here")])
    sheet.display.finish(1)
    assert "bug of grilse: KeyError: 1" in sheet.text
    assert sheet.text.endswith("Traceback: here\n")


def test_elements_are_shown_in_the_configured_format() -> None:
    element = e.PipelineElement("a.bst", "0123456789", "cached", "import", "/w")
    form = (
        "%{state: >12} %{key} %{full-key} %{name: <7}|%{kind} %{workspaced} %{workspace-dirs} %{vars} {name} %{name:!}"
    )
    assert format_element(form, element, e.LogStyle(), PLAIN) == (
        "      cached 01234567 0123456789 a.bst  |import (workspaced) Workspace: /w %{vars} {name} %{name:!}"
    )


def test_lines_that_the_backend_has_formatted_are_taken_as_they_are() -> None:
    sheet = Sheet()
    sheet.display.show([e.Pipeline(time=0, project="p", targets=(), elements=(), lines=("one", "two"))])
    assert "Pipeline\none\ntwo\n====" in sheet.text


def test_colours_change_nothing_but_colours() -> None:
    plain, painted = Sheet(), Sheet(colours=True)
    for sheet in (plain, painted):
        sheet.display.show(list(build_session()))
        sheet.display.finish(255)
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", painted.text) == plain.text


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert printable("a\x1b[2Jb\x07\tc\n") == "ab\N{REPLACEMENT CHARACTER}\tc\n"
    assert printable("\x1b[1;31merror:\x1b[0m \x1b]8;;file://x\x1b\\link\x1b]8;;\x07 \x1b(B!") == "error: link !"
    # What only begins like a sequence is shown.
    assert printable("\x1b[") == "\N{REPLACEMENT CHARACTER}["
    assert "\x1b" not in printable("\x1b]0;title without an end")
