"""The frontend on a terminal: what is seen, keys, signals, and the order the terminal is left in."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FAKE_FRONTEND
from .terminal import VirtualTerminal

OnTerminal = Callable[..., VirtualTerminal]

# A build with one job that runs until it is told to stop.
BUILD = """
import time
from grilse.protocol import events as e, requests as r
from grilse.protocol.message import Failure

JOB = dict(job=1, element="b.bst", key="22222222", action="build")

def begin(stage, **style):
    stage.start(**style)
    elements = (
        e.PipelineElement("a.bst", "1" * 64, "cached", "import"),
        e.PipelineElement("b.bst", "2" * 64, "waiting", "manual"),
    )
    heading = (("User Configuration", "Cache Directory", "/c"),)
    stage.send(e.Pipeline(time=time.time(), project="p", targets=("b.bst",), elements=elements, heading=heading))
    stage.text("start", "Build")
    queues = (e.QueueStatus("build", 0, 1, 0, 1, 2),)
    stage.send(e.Queues(time=time.time(), queues=queues, running=1, cached=1))
    stage.send(e.JobStarted(time=time.time(), log="/log/b.log", worker=0, **JOB))
    stage.send(e.JobProgress(time=time.time(), job=1, activity="Running commands"))

def wait_for_go():
    import os
    while not os.path.exists(os.environ["FAKE_COMMANDS"] + ".go"):
        time.sleep(0.01)

def succeed(stage, seconds):
    stage.send(e.JobFinished(time=time.time(), status="ok", seconds=seconds, **JOB))
    queues = (e.QueueStatus("build", 1, 1, 0, 0, 2),)
    stage.send(e.Summary(time=time.time(), seconds=seconds + 0.5, queues=queues))

def fail(stage, log=None, choices=("continue", "quit", "terminate", "retry")):
    failure = Failure(domain="ELEMENT", message="Command failed")
    tail = "make: no rule\\nmake: stop"
    stage.send(e.JobFinished(
        time=time.time(), status="failed", seconds=1.0, log=log, log_tail=tail, failure=failure, **JOB))
    stage.send(e.Prompt(
        time=time.time(), prompt=7, element="b.bst", key="22222222", action="build", choices=choices, log=log))
"""


def commands(tmp_path: Path) -> list[dict[str, object]]:
    path = tmp_path / "commands.json"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_runs_is_seen_and_goes_when_it_ends(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(
        BUILD
        + """
def play(stage):
    begin(stage)
    wait_for_go()
    succeed(stage, 4.0)
    stage.end(0)
""",
        "build",
    )
    terminal.wait_for("Running commands")
    assert "Building · build 1/2 · 1 cached" in terminal.text
    assert "Cache Directory" not in terminal.history
    assert "START" not in terminal.history
    (tmp_path / "commands.json.go").touch()
    assert terminal.wait_end() == 0
    assert "Running commands" not in terminal.text
    assert "✓ build  b.bst" in terminal.text
    assert "Build done in 4.5s: 1 built, 1 cached" in terminal.text
    assert terminal.restored
    assert not terminal.screen.cursor.hidden


WAITS = (
    BUILD
    + """
def play(stage):
    begin(stage)
    stage.wait_for(r.Terminate)
    stage.end(255)
"""
)


def test_ctrl_c_asks_and_terminate_stops(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(WAITS, "build")
    terminal.wait_for("Running commands")
    terminal.press(b"\x03")
    terminal.wait_for("Choice: [continue]:")
    terminal.press(b"t")
    assert terminal.wait_end() == 255
    assert [command["event"] for command in commands(tmp_path)] == ["terminate"]
    assert terminal.restored


def test_ctrl_c_at_the_question_stops_too(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(WAITS, "build")
    terminal.wait_for("Running commands")
    terminal.press(b"\x03")
    terminal.wait_for("Choice: [continue]:")
    terminal.press(b"\x03")
    assert terminal.wait_end() == 255


def test_continue_takes_the_question_away(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(WAITS, "build")
    terminal.wait_for("Running commands")
    terminal.press(b"\x03")
    terminal.wait_for("Choice: [continue]:")
    terminal.press(b"\r")
    terminal.wait_for(lambda: "Choice:" not in terminal.text and "Running commands" in terminal.text)
    assert commands(tmp_path) == []


def test_the_second_interrupt_hurries_and_the_third_leaves(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(
        BUILD
        + """
def play(stage):
    begin(stage)
    stage.wait_for(r.ShellDone)
""",
        "--no-interactive",
        "build",
    )
    terminal.wait_for("Running commands")
    terminal.press(b"\x03")
    terminal.wait_for(lambda: len(commands(tmp_path)) == 1)
    terminal.press(b"\x03")
    terminal.wait_for(lambda: len(commands(tmp_path)) == 2)
    assert [command.get("hurry") for command in commands(tmp_path)] == [False, True]
    terminal.press(b"\x03")
    assert terminal.wait_end() == 130
    assert terminal.restored
    assert not terminal.screen.cursor.hidden


def test_sigterm_stops_without_a_question(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(WAITS, "build")
    terminal.wait_for("Running commands")
    [pid] = _job(terminal)
    os.kill(pid, signal.SIGTERM)
    assert terminal.wait_end() == 255
    assert [command["event"] for command in commands(tmp_path)] == ["terminate"]


def _job(terminal: VirtualTerminal) -> list[int]:
    children = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children")
    return [int(word) for word in children.read_text().split()]


def test_suspending_stops_the_backend_and_leaves_the_terminal_to_the_shell(
    on_terminal: OnTerminal, tmp_path: Path
) -> None:
    terminal = on_terminal(WAITS, "build")
    terminal.wait_for("Running commands")
    terminal.press(b"\x1a")
    terminal.wait_for(lambda: terminal.stops == 1)
    assert terminal.restored
    assert "Running commands" not in terminal.text
    terminal.foreground()
    terminal.wait_for("Running commands")
    terminal.wait_for(lambda: [command["event"] for command in commands(tmp_path)] == ["suspend", "resume"])
    terminal.press(b"\x03")
    terminal.wait_for("Choice:")
    terminal.press(b"t")
    assert terminal.wait_end() == 255


@pytest.mark.parametrize(("key", "choice"), [("c", "continue"), ("q", "quit"), ("r", "retry"), ("\r", "continue")])
def test_a_failure_is_shown_and_asked_about_one_key_each(
    on_terminal: OnTerminal, tmp_path: Path, key: str, choice: str
) -> None:
    terminal = on_terminal(
        BUILD
        + """
def play(stage):
    begin(stage)
    fail(stage)
    stage.wait_for(r.Answer)
    stage.end(255)
""",
        "build",
    )
    terminal.wait_for("Choice: [continue]:")
    for words in ("✗ build  b.bst", "Command failed", "│ make: stop", "build failure on element: b.bst", "(r)etry"):
        assert words in terminal.text
    # Bytes that mean nothing, of any encoding, and special keys are no answer.
    terminal.press(b"\xff\xfe")
    terminal.press(b"\x1b[A")
    terminal.press(key.encode())
    assert terminal.wait_end() == 255
    assert [(c["event"], c["prompt"], c["choice"]) for c in commands(tmp_path)] == [("answer", 7, choice)]


def test_the_question_says_how_many_more_wait(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(
        BUILD
        + """
def play(stage):
    begin(stage)
    fail(stage)
    wait_for_go()
    stage.send(e.Prompt(
        time=time.time(), prompt=8, element="c.bst", key="3", action="build", choices=("continue", "quit")))
    for prompt in (1, 2):
        stage.wait_for(r.Answer, prompt)
    stage.end(255)
""",
        "build",
    )
    terminal.wait_for("Choice: [continue]:")
    assert "more after this" not in terminal.text
    (tmp_path / "commands.json.go").touch()
    terminal.wait_for("build failure on element: b.bst (1 more after this)")
    terminal.press(b"c")
    terminal.wait_for("build failure on element: c.bst\n")
    terminal.press(b"q")
    assert terminal.wait_end() == 255
    assert [(c["prompt"], c["choice"]) for c in commands(tmp_path)] == [(7, "continue"), (8, "quit")]
    assert "Continue: build failure on element: b.bst\n" in terminal.history


def test_the_log_is_shown_page_by_page_and_the_question_comes_back(on_terminal: OnTerminal, tmp_path: Path) -> None:
    log = tmp_path / "b.log"
    log.write_text("the log itself\n")
    terminal = on_terminal(
        BUILD
        + f"""
def play(stage):
    begin(stage)
    fail(stage, log={str(log)!r})
    stage.wait_for(r.Answer)
    stage.end(255)
""",
        "build",
        environment={"PAGER": "sh -c 'cat $0; read line'"},
    )
    terminal.wait_for("(l)og")
    terminal.press(b"l")
    terminal.wait_for("the log itself")
    assert "Choice:" not in terminal.text.partition("the log itself")[2]
    terminal.press(b"\r")
    terminal.wait_for(lambda: "Choice:" in terminal.text.partition("the log itself")[2])
    terminal.press(b"q")
    assert terminal.wait_end() == 255


def test_a_shell_has_the_terminal_while_the_build_goes_on(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(
        BUILD
        + """
import os
def play(stage):
    begin(stage)
    fail(stage, choices=("continue", "quit", "terminate", "retry", "shell"))
    stage.wait_for(r.Answer)
    argv = ("/bin/sh", "-c", "echo $((6*7)) inside; read line; exit 5")
    stage.send(e.ShellReady(time=time.time(), shell=3, argv=argv,
        environment=dict(os.environ), directory="/", element="b.bst", interactive=True, title="Shell of b.bst"))
    stage.text("info", "another job is done")
    stage.wait_for(r.ShellDone)
    stage.wait_for(r.Answer, 2)
    stage.end(255)
""",
        "build",
    )
    terminal.wait_for("(s)hell")
    terminal.press(b"s")
    terminal.wait_for("42 inside")
    assert "another job is done" not in terminal.text
    terminal.press(b"hello\r")
    terminal.wait_for("another job is done")
    terminal.wait_for("Choice:")
    terminal.press(b"c")
    assert terminal.wait_end() == 255
    done = [command for command in commands(tmp_path) if command["event"] == "shell-done"]
    assert [(c["shell"], c["status"]) for c in done] == [(3, 5)]
    assert terminal.restored


def test_the_shell_command_ends_with_the_status_of_the_shell(on_terminal: OnTerminal) -> None:
    terminal = on_terminal(
        """
import os, time
from grilse.protocol import events as e, requests as r
def play(stage):
    stage.start()
    stage.send(e.ShellReady(time=time.time(), shell=1, argv=("/bin/sh", "-c", "exit 42"), environment=dict(os.environ),
                            directory="/", element="b.bst", interactive=True))
    stage.wait_for(r.ShellDone)
    stage.end(0)
""",
        "shell",
        "b.bst",
    )
    assert terminal.wait_end() == 42
    assert terminal.restored


def test_the_area_follows_the_size_of_the_terminal(on_terminal: OnTerminal) -> None:
    terminal = on_terminal(WAITS, "build", columns=100, rows=30)
    terminal.wait_for("Running commands")
    terminal.resize(50, 12)
    terminal.wait_for(lambda: "Building" in terminal.text and max(map(len, terminal.text.splitlines())) <= 50)
    assert terminal.text.count("Building") == 1


def test_the_terminal_is_in_order_after_the_backend_has_died(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(
        BUILD
        + """
import os, signal
def play(stage):
    begin(stage)
    wait_for_go()
    os.kill(os.getpid(), signal.SIGKILL)
""",
        "build",
    )
    terminal.wait_for("Running commands")
    (tmp_path / "commands.json.go").touch()
    assert terminal.wait_end() == 255
    assert "was killed by SIGKILL" in terminal.text
    assert "Running commands" not in terminal.text
    assert terminal.restored
    assert not terminal.screen.cursor.hidden


def test_text_from_a_build_cannot_move_the_cursor(on_terminal: OnTerminal) -> None:
    terminal = on_terminal(
        BUILD
        + """
def play(stage):
    begin(stage)
    stage.text("warn", "\\x1b[2Jgone\\x07", element="b.bst")
    stage.end(0)
""",
        "build",
    )
    assert terminal.wait_end() == 0
    assert "b.bst: gone�" in terminal.history


def test_a_slow_terminal_does_not_hold_the_frontend_up(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal(
        BUILD
        + """
import os
def play(stage):
    begin(stage, log="/tmp/session.jsonl")
    for number in range(20000):
        stage.text("warn", f"warning number {number}", element="b.bst")
    succeed(stage, 1.0)
    stage.end(0)
    with open(os.environ["FAKE_COMMANDS"] + ".end", "w") as file:
        file.write(str(time.time()))
""",
        "build",
        rate=20000,
    )
    end = tmp_path / "commands.json.end"
    terminal.wait_for(end.exists)
    ended = float(end.read_text())
    assert terminal.wait_end() == 0
    # All of it would take forty seconds; a machine with much else to do gets some more than the two it should take.
    assert time.time() - ended < 5.0
    assert "lines not shown, see /tmp/session.jsonl" in terminal.history
    assert "Build done" in terminal.text
    assert "warning number 19999" in terminal.history


def test_init_asks_until_the_answers_make_sense(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal("def play(stage): stage.end()", "init", str(tmp_path / "new"))
    terminal.wait_for("Project name:")
    terminal.press(b"1 bad\r")
    terminal.wait_for("Error: '1 bad' cannot be the name of a project")
    terminal.press(b"good\r")
    terminal.wait_for("Minimum version [2.8]:")
    terminal.press(b"\r")
    terminal.wait_for("Element path [elements]:")
    terminal.press(b"../outside\r")
    terminal.wait_for("is not a directory inside the project")
    terminal.press(b"parts\r")
    assert terminal.wait_end() == 0
    action = json.loads((tmp_path / "request.json").read_bytes())["action"]
    assert (action["project_name"], action["min_version"], action["element_path"]) == ("good", "2.8", "parts")


def test_init_interrupted_writes_nothing(on_terminal: OnTerminal, tmp_path: Path) -> None:
    terminal = on_terminal("def play(stage): stage.end()", "init", str(tmp_path / "new"))
    terminal.wait_for("Project name:")
    terminal.press(b"\x03")
    assert terminal.wait_end() == 1
    assert not (tmp_path / "new").exists()
    assert "Nothing was written" in terminal.text


def test_logs_of_artifacts_are_read_page_by_page(on_terminal: OnTerminal) -> None:
    terminal = on_terminal(
        """
        from grilse.protocol.events import Output
        def play(stage):
            stage.start()
            stage.send(Output(b"line one\\nline two\\n"))
            stage.end(0)
        """,
        "artifact",
        "log",
        "a.bst",
        environment={"PAGER": "sh -c 'sed s/^/paged:/ $0; read line'"},
    )
    terminal.wait_for("paged:line two")
    assert terminal.status is None
    terminal.press(b"\r")
    assert terminal.wait_end() == 0
    assert terminal.restored


def test_leaving_by_the_quit_key_leaves_the_terminal_in_order(on_terminal: OnTerminal) -> None:
    terminal = on_terminal(WAITS, "build")
    terminal.wait_for("Running commands")
    terminal.press(b"\x1c")
    assert terminal.wait_end() == 131
    assert terminal.restored
    assert not terminal.screen.cursor.hidden
    assert "Running commands" not in terminal.text


def test_the_terminal_is_in_order_after_the_frontend_itself_has_crashed(
    fake_environment: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    # A display that fails at the first failure of a job.
    program = f"""
import runpy
import sys
from grilse.frontend.display import live
def broken(event, model, look):
    raise RuntimeError("a bug in the display")
live.job_lines = broken
sys.argv = ["grilse", "build"]
runpy.run_path({FAKE_FRONTEND!r}, run_name="__main__")
"""
    script = (
        BUILD
        + """
def play(stage):
    begin(stage)
    wait_for_go()
    fail(stage)
    stage.wait_for(r.Terminate)
"""
    )
    terminal = VirtualTerminal([sys.executable, "-c", program], fake_environment(script))
    try:
        terminal.wait_for("Running commands")
        (tmp_path / "commands.json.go").touch()
        assert terminal.wait_end() == 1
        assert "a bug in the display" in terminal.text
        assert "Building" not in terminal.text
        assert terminal.restored
        assert not terminal.screen.cursor.hidden
    finally:
        terminal.close()
