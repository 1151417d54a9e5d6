"""The live display, on a virtual terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.frontend.display.estimate import Estimate
from grilse.frontend.display.model import Done, critical_path, duration
from grilse.frontend.display.screen import fit, fit_painted, width
from grilse.protocol import events as e
from grilse.protocol.message import Failure

from .stage import Stage
from .streams import NAMES, START, build_session

ROOT = Path(__file__).parents[3]
SCREENS = Path(__file__).parent / "screens"


def test_the_screens_are_those_that_are_kept() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "screens.py"), "--check"], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr


def test_by_default_neither_configuration_nor_starts_are_shown() -> None:
    stage = Stage()
    stage.play(build_session())
    stage.display.finish(255)
    for words in ("BuildStream Version", "Cache Directory", "START", "Staging dependencies"):
        assert words not in stage.history


def test_a_session_writes_little_and_redraws_rarely() -> None:
    stage = Stage()
    stage.play(build_session())
    stage.display.finish(255)
    assert stage.frames <= 2 * 56
    assert stage.written < 25_000


def test_ten_thousand_messages_a_second_are_drawn_ten_times_a_second() -> None:
    stage = Stage()
    events = (
        e.JobProgress(time=START + 1 + number / 10_000, job=1, activity=f"step {number}") for number in range(20_000)
    )
    stage.play([e.SessionStarted(time=START, session="s", log=None, argv=(), program="1")])
    stage.play(
        [e.JobStarted(time=START + 1, job=1, element="a.bst", key="", action="build", log=None, worker=0), *events]
    )
    assert stage.frames <= 25


def test_an_event_is_on_the_screen_within_a_tenth_of_a_second() -> None:
    stage = Stage()
    stage.play([e.SessionStarted(time=START, session="s", log=None, argv=(), program="1")], START + 1)
    for number in range(50):
        stage.display.show([e.Text(time=stage.now, kind="warn", text=f"warning {number}")])
        stage.advance(stage.now + 0.1)
        assert f"warning {number}" in stage.text


def test_nothing_is_written_while_the_terminal_has_not_taken_what_was_written_before() -> None:
    stage = Stage()
    stage.play(build_session(), START + 10)
    before = stage.written
    stage.backlog = 1
    stage.play([e.Text(time=START + 11, kind="warn", text="later")], START + 20)
    assert stage.written == before
    stage.backlog = 0
    stage.advance(START + 20.2)
    assert "later" in stage.text


def test_what_a_slow_terminal_cannot_take_is_counted_and_failures_are_kept() -> None:
    stage = Stage()
    stage.play(build_session(), START + 5)
    stage.rate, stage.backlog = 8000, 1
    failure = e.JobFinished(
        time=START + 6,
        job=50,
        element="z.bst",
        key="",
        action="build",
        status="failed",
        seconds=1,
        failure=Failure(domain="ELEMENT", message="it broke"),
    )
    stage.display.show([failure])
    stage.display.show([e.Text(time=START + 6, kind="info", text=f"line {number}") for number in range(5000)])
    before, stage.backlog = stage.written, 0
    stage.advance(START + 6.5)
    assert stage.written - before < 8000
    assert "it broke" in stage.history
    assert "line 4999" in stage.history
    assert "lines not shown, see /home/me/.cache/grilse/x.jsonl" in stage.history


def test_results_are_never_left_out_and_stay_in_order() -> None:
    stage = Stage(session=None)
    stage.rate = 1000
    stage.play([e.SessionStarted(time=START, session="s", log=None, argv=(), program="1")])
    for number in range(3000):
        stage.display.output(f"result {number}\n".encode())
        stage.display.show([e.Text(time=START, kind="info", text=f"message {number}")])
    stage.display.finish(0)
    found = [line for line in stage.history.splitlines() if line.startswith("result")]
    assert found == [f"result {number}" for number in range(3000)]


def test_a_result_without_a_line_feed_keeps_its_line() -> None:
    stage = Stage(session=None)
    stage.play(
        [
            e.SessionStarted(time=START, session="s", log=None, argv=(), program="1"),
            e.SpanStarted(time=START, span=1, name="Loading elements"),
        ],
        START + 1,
    )
    assert "Loading elements" in stage.text
    stage.display.output(b"no line feed")
    stage.play([e.JobStarted(time=START + 1, job=1, element="a.bst", key="", action="pull", log=None, worker=0)])
    stage.advance(START + 2)
    assert "no line feed\n" in stage.text
    assert "a.bst" in stage.text
    stage.display.finish(0)
    assert stage.text.strip() == "no line feed"


def test_a_quick_command_draws_no_area() -> None:
    stage = Stage(session=None)
    stage.play(
        [
            e.SessionStarted(time=START, session="s", log=None, argv=(), program="1"),
            e.SpanStarted(time=START, span=1, name="Loading elements"),
            e.SpanEnded(time=START + 0.1, span=1, seconds=0.1),
        ],
        START + 0.2,
    )
    stage.display.output(b"result\n")
    stage.display.finish(0)
    assert stage.text == "result\n"
    assert stage.frames == 1


def test_clocks_stand_still_while_the_session_is_suspended() -> None:
    stage = Stage()
    stage.play(build_session(), START + 10)
    stage.display.stand_still()
    stage.now += 3600
    stage.display.go_on()
    stage.display.resume()
    stage.advance(stage.now + 1.1)
    assert "0:11" in stage.text
    assert "1:00:" not in stage.text


def test_in_the_background_no_area_is_drawn() -> None:
    stage = Stage()
    stage.play(build_session(), START + 10)
    assert "Building" in stage.text
    stage.display.background(True)
    stage.advance(START + 12)
    assert "Building" not in stage.text
    stage.display.background(False)
    stage.advance(START + 14)
    assert "Building" in stage.text


def test_quiet_shows_failures_and_the_summary_only() -> None:
    stage = Stage(quiet=True)
    stage.play(build_session())
    stage.display.finish(255)
    assert stage.text.startswith("! warning")
    assert "✓" not in stage.history
    assert "✗ build  app/parser" in stage.text
    assert "Build failed" in stage.text


def test_a_terminal_without_unicode_gets_signs_that_it_has() -> None:
    stage = Stage(encoding="ascii", colours=False)
    stage.play(build_session())
    stage.display.finish(255)
    assert stage.history.isascii()
    assert "+ build" in stage.history
    assert "x build" in stage.history


@pytest.mark.parametrize(
    ("size", "resized", "at"),
    [((80, 24), (40, 24), 10), ((80, 24), (200, 60), 30), ((20, 5), (30, 6), 44), ((30, 3), (21, 3), 5)],
)
def test_at_any_size_and_after_a_resize_nothing_of_the_area_stays(
    size: tuple[int, int], resized: tuple[int, int], at: float
) -> None:
    # Never lower than before: the virtual terminal then moves its lines but not its cursor, which no real one does.
    stage = Stage(*size)
    events = build_session()
    stage.play(events, START + at)
    stage.screen.resize(lines=resized[1], columns=resized[0])
    stage.display.resize()
    stage.play(events)
    stage.display.finish(255)
    assert "Building " not in stage.text
    assert not stage.screen.cursor.hidden


@given(st.text(max_size=40), st.integers(0, 60))
def test_text_is_cut_to_cells(text: str, cells: int) -> None:
    assert width(fit(text, cells)) <= cells
    assert width(text) > cells or fit(text, cells) == text


def test_wide_characters_count_twice_and_combining_ones_not_at_all() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert fit("日本語", 5) == "日本…"


def test_colours_end_where_painted_text_is_cut() -> None:
    assert fit_painted("\x1b[31mabcdef\x1b[0m", 4) == "\x1b[31mabc…\x1b[0m"
    assert fit_painted("\x1b[31mabc\x1b[0m", 4) == "\x1b[31mabc\x1b[0m"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.7, "1m00s"), (3725, "1h02m")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def done(element: str, begin: float, end: float) -> Done:
    return Done(element, "", "build", "ok", begin, end, end - begin, None, "")


def test_the_critical_path_follows_dependencies_when_they_are_known() -> None:
    elements = (
        e.PipelineElement("a", "", "", "", "", ()),
        e.PipelineElement("b", "", "", "", "", ()),
        e.PipelineElement("c", "", "", "", "", (0, 1)),
    )
    plan = e.Pipeline(time=0, project="p", targets=(), elements=elements)
    jobs = [done("a", 0, 5), done("b", 0, 7), done("c", 7, 9)]
    assert [job.element for job in critical_path(plan, jobs)] == ["b", "c"]


def test_without_dependencies_the_critical_path_is_what_each_job_waited_for() -> None:
    jobs = [done("a", 0, 5), done("b", 0, 7), done("c", 7, 9), done("d", 5, 6)]
    assert [job.element for job in critical_path(None, jobs)] == ["b", "c"]
    assert critical_path(None, []) == []


def test_the_recorded_session_mentions_every_element() -> None:
    plan = next(event for event in build_session() if isinstance(event, e.Pipeline))
    assert tuple(element.name for element in plan.elements) == NAMES


def test_a_job_that_says_nothing_is_marked_and_keeps_its_activity() -> None:
    stage = Stage()
    stage.play(
        [
            e.SessionStarted(time=START, session="s", log=None, argv=(), program="1"),
            e.JobStarted(time=START, job=1, element="a.bst", key="", action="pull", log=None, worker=0),
            e.JobProgress(time=START + 1, job=1, activity="Pulling", current=3, maximum=9),
            e.JobProgress(time=START + 61, job=1, stalled=60.0),
        ],
        START + 62,
    )
    assert "silent for 1m00s  Pulling 3/9" in stage.text
    stage.play([e.JobProgress(time=START + 63, job=1, activity="Pulling", current=4, maximum=9)], START + 64)
    assert "silent" not in stage.text
    assert "Pulling 4/9" in stage.text
    stage.play([e.JobProgress(time=START + 70, job=1, stalled=7.0)], START + 71)
    assert "silent for 7.0s  Pulling 4/9" in stage.text
    stage.play([e.JobProgress(time=START + 75, job=1, stalled=0.0)], START + 76)
    assert "silent" not in stage.text
    assert "Pulling 4/9" in stage.text


def test_a_failure_that_was_cached_is_in_the_summary_too() -> None:
    stage = Stage()
    failed = (("a.bst", "build", "it broke before", "/logs/a.log"), ("b.bst", "build", "it broke before", None))
    stage.play([e.Summary(time=START, seconds=1, failed=failed)])
    stage.display.finish(255)
    assert "✗ a.bst, b.bst: it broke before\n    /logs/a.log\n" in stage.text


def test_a_failure_that_was_tried_again_with_success_is_none() -> None:
    def started(job: int) -> e.JobStarted:
        return e.JobStarted(time=START, job=job, element="a.bst", key="", action="build", log=None, worker=0)

    def finished(job: int, status: str) -> e.JobFinished:
        failure = Failure(domain="ELEMENT", message="it broke") if status == "failed" else None
        return e.JobFinished(
            time=START + job,
            job=job,
            element="a.bst",
            key="",
            action="build",
            status=status,
            seconds=1,
            log=None,
            failure=failure,
        )

    stage = Stage()
    stage.play([started(1), finished(1, "failed")], START + 1)
    assert "1 failed" in stage.text
    stage.play([started(2)], START + 2)
    assert "1 failed" not in stage.text
    stage.play([finished(2, "failed")], START + 3)
    assert "1 failed" in stage.text
    counts = (e.QueueStatus("build", 1, 0, 0, 0, 1),)
    stage.play([started(3), finished(3, "ok"), e.Summary(time=START + 4, seconds=4, elements=1, queues=counts)])
    stage.display.finish(0)
    end = stage.text[stage.text.index("Build done") :]
    assert "1 built" in end
    assert "failed" not in end
    assert "it broke" not in end


def job(number: int, element: str, *, action: str = "build", at: float = 1.0) -> e.JobStarted:
    return e.JobStarted(time=START + at, job=number, element=element, key="", action=action, log=None, worker=0)


def ended(number: int, element: str, status: str, *, action: str = "build", at: float = 2.0, **more: object) -> e.Event:
    failure = Failure(domain="ELEMENT", message="it broke") if status == "failed" else None
    return e.JobFinished(
        time=START + at,
        job=number,
        element=element,
        key="",
        action=action,
        status=status,
        seconds=at - 1,
        failure=failure,
        **more,  # type: ignore[arg-type]
    )


def test_what_comes_to_the_main_queue_is_counted_before_it_is_there() -> None:
    stage = Stage()
    queues = (e.QueueStatus("fetch", 24, 0, 0, 177, 201), e.QueueStatus("build", 9, 0, 0, 15, 24))
    stage.play([e.Queues(time=START, queues=queues, running=4), job(1, "a.bst")], START + 3)
    assert "fetch 24/201 · build 9/201" in stage.text


def test_what_a_job_does_is_what_it_has_begun_last() -> None:
    stage = Stage()

    def text(kind: str, words: str) -> e.Text:
        return e.Text(time=START + 1, kind=kind, text=words, job=1, element="a.bst", action="build")

    outer, inner = "Staging dependencies", "Integrating sandbox"
    stage.play([job(1, "a.bst"), text("start", outer), text("start", inner)], START + 2)
    assert stage.text.rstrip().endswith(inner)
    stage.play([text("success", inner)], START + 3)
    assert stage.text.rstrip().endswith(outer)


def test_what_we_log_ourselves_at_the_end_is_not_shown_of_a_failed_job() -> None:
    stage = Stage()
    tail = "make: *** [all] Error 1\n\n[00:00:01] FAILURE a.bst: Running commands\n[--:--:--] START   a.bst: Caching\n"
    stage.play([job(1, "a.bst"), ended(1, "a.bst", "failed", log_tail=tail)], START + 3)
    assert "│ make: *** [all] Error 1\n" in stage.text
    assert "Running commands" not in stage.text


def test_a_session_is_stopped_by_people_and_fails_by_itself() -> None:
    for why, words in (("quit", "Build stopped in 4.0s: 1 failed"), ("error", "Build failed in 4.0s: 1 failed")):
        stage = Stage()
        events = [job(1, "a.bst"), ended(1, "a.bst", "failed"), e.Terminating(time=START + 3, why=why, running=0)]
        stage.play([*events, e.Summary(time=START + 4, seconds=4)])
        stage.display.finish(255)
        assert words in stage.text


def test_cancelled_jobs_are_counted_and_steps_of_one_element_are_one() -> None:
    stage = Stage()
    events = [
        job(1, "a.bst", action="fetch"),
        ended(1, "a.bst", "ok", action="fetch", at=4),
        job(2, "a.bst", at=4),
        ended(2, "a.bst", "ok", at=6),
        job(3, "b.bst", at=6),
        ended(3, "b.bst", "cancelled", at=7),
    ]
    stage.play([*events, e.Summary(time=START + 7, seconds=7)])
    stage.display.finish(255)
    assert "1 cancelled" in stage.text
    assert "Slowest: a.bst 5.0s · a.bst (fetch) 3.0s" in stage.text
    assert "Critical path: a.bst 8.0s = 8.0s" in stage.text


def test_of_a_failed_job_the_last_that_a_program_wrote_is_shown() -> None:
    stage = Stage()
    tail = (
        "[--:--:--] LOG     [2e2ac0ea] a.bst: Build environment for element a.bst\n\n    PATH: /usr/bin\n"
        "[00:00:00] SUCCESS [2e2ac0ea] a.bst: Staging sources\n"
        "[--:--:--] START   [2e2ac0ea] a.bst: Running commands\n\n    make\n    make install\n"
        "cc -c main.c\n    main.c:12: \x1b[31merror\x1b[0m\n"
    )
    stage.play([job(1, "a.bst"), ended(1, "a.bst", "failed", log_tail=tail)], START + 3)
    assert "it broke\n    │ cc -c main.c\n    │     main.c:12: error\n" in stage.text


def test_a_log_in_which_no_program_has_written_is_shown_as_it_is() -> None:
    stage = Stage()
    tail = "[--:--:--] START   a.bst: Staging\n\n    some detail\n"
    stage.play([job(1, "a.bst"), ended(1, "a.bst", "failed", log_tail=tail)], START + 3)
    assert "│ [--:--:--] START   a.bst: Staging" in stage.text


def test_a_failure_of_an_earlier_session_says_so_and_what_to_do() -> None:
    stage = Stage()
    counts = (e.QueueStatus("fetch", 0, 2, 0, 0, 2), e.QueueStatus("build", 0, 0, 1, 1, 2))
    stage.play([ended(1, "a.bst", "failed", at=1.0, remembered=True)], START + 2)
    stage.play([e.Summary(time=START + 3, seconds=1, elements=2, queues=counts)], START + 3)
    stage.display.finish(255)
    assert "failed before" in stage.text
    assert "1 failed, 1 not built\n" in stage.text
    assert "--retry-failed" in stage.text


def test_what_failed_before_the_main_queue_is_not_counted_twice() -> None:
    stage = Stage()
    counts = (e.QueueStatus("fetch", 3, 0, 1, 0, 4), e.QueueStatus("build", 2, 0, 0, 0, 2))
    stage.play([e.Summary(time=START + 3, seconds=1, elements=4, queues=counts)], START + 3)
    stage.display.finish(255)
    assert "2 built, 1 failed, 1 not built\n" in stage.text


def test_while_nothing_goes_on_before_an_answer_no_end_is_foretold() -> None:
    stage = Stage()
    elements = tuple(e.PipelineElement(name, "", "waiting", "manual") for name in ("a.bst", "b.bst", "c.bst"))
    plan = e.Pipeline(time=START, project="p", targets=(), elements=elements)
    jobs = [
        event for n in (1, 2) for event in (job(n, f"{'ab'[n - 1]}.bst"), ended(n, f"{'ab'[n - 1]}.bst", "ok", at=9))
    ]
    queues = e.Queues(time=START, queues=(e.QueueStatus("build", 2, 0, 0, 1, 3),), running=1)
    stage.display._history = lambda project: {"c.bst": 50.0}  # type: ignore[assignment]
    stage.play([plan, queues, *jobs, job(3, "c.bst", at=9)], START + 10)
    assert "left" in stage.text
    stage.play([ended(3, "c.bst", "failed", at=11)], START + 11)
    stage.display.ask(["", "What now?"])
    stage.advance(START + 13)
    assert "What now?" in stage.text and " left" not in stage.text


def test_what_needs_an_element_that_has_failed_is_not_waited_for() -> None:
    elements = (
        e.PipelineElement("a.bst", "", "waiting", "manual"),
        e.PipelineElement("b.bst", "", "waiting", "manual", depends=(0,)),
        e.PipelineElement("c.bst", "", "waiting", "manual", depends=(1,)),
        e.PipelineElement("d.bst", "", "waiting", "manual"),
    )
    estimate = Estimate("build")
    estimate.plan(
        e.Pipeline(time=0, project="p", targets=(), elements=elements),
        {"a.bst": 1.0, "b.bst": 10.0, "c.bst": 100.0, "d.bst": 1000.0},
    )
    assert estimate.seconds((), 0.0) == 1111.0
    estimate.finished("a.bst", "build", "failed", 1.0)
    assert estimate.seconds((), 0.0) == 1000.0


def test_new_revisions_are_seen_while_tracking() -> None:
    stage = Stage(session="Track")
    stage.play(
        [
            job(1, "a.bst", action="track"),
            e.Text(time=START, kind="info", text="Found new revision: 1234", job=1, element="a.bst", action="track"),
        ],
        START + 2,
    )
    assert "a.bst: Found new revision: 1234" in stage.text
