"""The frontend as a process, not on a terminal, against a backend that follows a script."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FAKE_FRONTEND, Run


def test_output_goes_to_standard_output_and_messages_to_standard_error(run_fake: Run) -> None:
    done = run_fake(
        """
        from grilse.protocol.events import Output
        def play(stage):
            stage.start()
            stage.text("info", "hello")
            stage.send(Output(b"one"), Output(b" two\\n"))
            stage.end(0)
        """,
        "show",
    )
    assert (done.returncode, done.stdout) == (0, "one two\n")
    assert done.stderr == "[--:--:--][        ][    main:core activity                 ] INFO    hello\n"


def test_the_error_a_command_ends_with_is_said_last_with_its_status(run_fake: Run) -> None:
    done = run_fake(
        """
        from grilse.protocol.events import Error
        def play(stage):
            stage.start()
            stage.send(Error(scope="main", domain="LOAD", reason="MISSING_FILE", where="a.bst [line 1 column 2]",
                             message="no such file", detail="one\\ntwo"))
            stage.text("info", "later")
            stage.end(255)
        """,
        "build",
    )
    assert done.returncode == 255
    assert done.stderr.endswith("\n\na.bst [line 1 column 2]: no such file\n\n    one\n    two\n")


def test_the_request_says_what_was_typed(run_fake: Run, tmp_path: Path) -> None:
    run_fake("def play(stage): stage.end()", "--max-jobs", "3", "build", "a.bst")
    request = json.loads((tmp_path / "request.json").read_bytes())
    assert request["invocation"]["max_jobs"] == 3
    assert request["action"]["targets"] == ["a.bst"]


def test_a_backend_that_dies_is_reported_with_its_last_words(run_fake: Run, tmp_path: Path) -> None:
    done = run_fake(
        """
        import os, signal, sys
        def play(stage):
            stage.start(log="/var/log/session.jsonl")
            sys.stderr.write("the end is near")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        "build",
    )
    assert done.returncode == 255
    for words in ("SIGKILL", "/var/log/session.jsonl", "the end is near"):
        assert words in done.stderr


def test_the_death_of_the_backend_is_an_error_for_machines_too(run_fake: Run, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    run_fake("def play(stage): raise SystemExit(3)", "--events", str(events), "build")
    last = json.loads(events.read_text().splitlines()[-1])
    assert (last["event"], last["domain"], last["reason"]) == ("error", "APP", "backend-died")
    assert "exit status 3" in last["message"]


def test_the_death_of_the_backend_is_in_the_json_document_and_the_lines_too(run_fake: Run) -> None:
    script = "def play(stage): raise SystemExit(3)"
    document = json.loads(run_fake(script, "--output", "json", "build").stdout)
    assert (document["status"], document["error"]["reason"]) == (255, "backend-died")
    lines = run_fake(script, "--events", "-", "build").stdout.splitlines()
    assert json.loads(lines[-1])["reason"] == "backend-died"


def test_what_was_left_out_is_read_from_the_log(run_fake: Run) -> None:
    done = run_fake(
        """
        import msgspec, os
        from grilse.protocol.events import CaughtUp, Text
        def play(stage):
            path = os.environ["FAKE_COMMANDS"] + ".log"
            lines = [msgspec.json.encode(Text(time=1.0, kind="info", text=f"message {n}")) + b"\\n" for n in range(5)]
            with open(path, "wb") as file:
                file.writelines(lines)
            stage.start(log=path)
            stage.send(CaughtUp(start=len(lines[0]), end=sum(map(len, lines[:4]))))
            stage.end()
        """,
        "build",
    )
    said = [line.split()[-1] for line in done.stderr.splitlines() if "message" in line]
    assert said == ["1", "2", "3"]


def test_a_log_file_that_cannot_be_written_is_said_before_anything_is_asked(run_fake: Run, tmp_path: Path) -> None:
    done = run_fake("def play(stage): stage.end()", "--log-file", "/no/such/directory/log", "build")
    assert done.returncode == 2
    assert "--log-file" in done.stderr
    assert not (tmp_path / "request.json").exists()


def test_the_log_file_gets_the_lines_without_colours(run_fake: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run_fake(
        """
        from grilse.protocol.events import Output
        def play(stage):
            stage.start()
            stage.text("info", "hello")
            stage.send(Output(b"result"))
            stage.end()
        """,
        "--colors",
        "--log-file",
        str(log),
        "build",
    )
    assert log.read_text() == "[--:--:--][        ][    main:core activity                 ] INFO    hello\n"
    assert "\x1b[" in done.stderr


def test_events_go_to_standard_output_when_asked_for(run_fake: Run) -> None:
    done = run_fake(
        """
        from grilse.protocol.events import Output
        def play(stage):
            stage.start()
            stage.text("info", "hello")
            stage.send(Output(b"result"))
            stage.end(3)
        """,
        "--events",
        "-",
        "show",
    )
    assert done.returncode == 3
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["session-started", "log-style", "text", "output"]


def test_a_result_as_json_is_one_document(run_fake: Run) -> None:
    done = run_fake(
        """
        from grilse.protocol.events import Values
        def play(stage):
            assert stage.request.output_json
            stage.start()
            stage.send(Values(data={"answer": 42}))
            stage.end(0)
        """,
        "cache",
        "info",
        "--output",
        "json",
    )
    assert json.loads(done.stdout) == {
        "schema": 1,
        "command": ["cache", "info"],
        "status": 0,
        "result": {"answer": 42},
        "error": None,
    }


def test_a_reader_that_goes_away_ends_the_command_quietly(
    fake_environment: Callable[[str], dict[str, str]],
) -> None:
    environment = fake_environment("""
    from grilse.protocol.events import Output
    from grilse.protocol.requests import Terminate
    def play(stage):
        stage.start()
        for _ in range(200):
            stage.send(Output(b"x" * 1000 + b"\\n"))
        stage.wait_for(Terminate)
        stage.end(255)
    """)
    process = subprocess.Popen(
        [sys.executable, FAKE_FRONTEND, "show"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=10) == 1
    process.stderr.close()
    assert errors == b""


def test_sigterm_terminates_the_session(fake_environment: Callable[[str], dict[str, str]], tmp_path: Path) -> None:
    environment = fake_environment("""
    from grilse.protocol.events import Output
    from grilse.protocol.requests import Terminate
    def play(stage):
        stage.start()
        stage.send(Output(b"ready\\n"))
        stage.wait_for(Terminate)
        stage.end(255)
    """)
    process = subprocess.Popen(
        [sys.executable, FAKE_FRONTEND, "build"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(timeout=10) == 255
    process.stdout.close()


def test_what_a_dead_backend_has_started_does_not_hide_its_death(run_fake: Run) -> None:
    done = run_fake(
        """
        import os, signal, subprocess, sys
        def play(stage):
            stage.start()
            # A child that has inherited the channels and lives on.
            for descriptor in (3, 4):
                os.set_inheritable(descriptor, True)
            child = subprocess.Popen(["sleep", "8"], close_fds=False)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        "build",
    )
    assert done.returncode == 255
    assert "SIGKILL" in done.stderr


def test_the_shell_command_runs_without_a_terminal_too(run_fake: Run) -> None:
    done = run_fake(
        """
        import os, time
        from grilse.protocol.events import ShellReady
        from grilse.protocol.requests import ShellDone
        def play(stage):
            stage.start()
            stage.send(ShellReady(time=time.time(), shell=1, argv=("/bin/sh", "-c", "echo out; echo err >&2; exit 9"),
                                  environment={"PATH": os.environ["PATH"]}, directory="/", element="a.bst",
                                  interactive=False))
            stage.wait_for(ShellDone)
            stage.end(0)
        """,
        "shell",
        "a.bst",
        "--",
        "anything",
    )
    assert (done.returncode, done.stdout, done.stderr) == (9, "out\n", "err\n")


def test_a_shell_that_cannot_be_started_is_an_orderly_end(run_fake: Run) -> None:
    done = run_fake(
        """
        import os, time
        from grilse.protocol.events import ShellReady
        from grilse.protocol.requests import ShellDone
        def play(stage):
            stage.start()
            stage.send(ShellReady(time=time.time(), shell=1, argv=("/no/such/program",), environment={},
                                  directory="/", element="a.bst", interactive=False))
            stage.wait_for(ShellDone)
            stage.end(0)
        """,
        "shell",
        "a.bst",
    )
    assert done.returncode == 127
    assert "'/no/such/program' cannot be started" in done.stderr


def test_an_error_of_the_frontend_alone_is_written_for_machines(tmp_path: Path, run_fake: Run) -> None:
    events = tmp_path / "events.jsonl"
    done = run_fake("def play(stage): stage.end()", "--events", str(events), "init", str(tmp_path / "new"))
    assert done.returncode == 255
    [error] = [json.loads(line) for line in events.read_text().splitlines()]
    assert {key: error[key] for key in ("event", "scope", "domain", "reason")} == {
        "event": "error",
        "scope": "main",
        "domain": "APP",
        "reason": "unspecified-project-name",
    }


def test_init_sends_what_was_given(run_fake: Run, tmp_path: Path) -> None:
    done = run_fake("def play(stage): stage.end()", "init", "--project-name", "p", str(tmp_path / "new"))
    assert done.returncode == 0
    action = json.loads((tmp_path / "request.json").read_bytes())["action"]
    assert action == {
        "event": "init",
        "directory": str(tmp_path / "new"),
        "project_name": "p",
        "min_version": "2.8",
        "element_path": "elements",
        "force": False,
    }


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_end_up_in_channels(
    fake_environment: Callable[[str], dict[str, str]], closed: str, tmp_path: Path
) -> None:
    environment = fake_environment("""
    from grilse.protocol.events import Output
    def play(stage):
        stage.start()
        stage.text("info", "hello")
        stage.send(Output(b"x" * 100_000))
        stage.end(7)
    """)
    for words, status in ((["build"], 7), (["--version"], 0), (["--help"], 0)):
        command = f"exec {shlex.join([sys.executable, FAKE_FRONTEND, *words])} {closed}"
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=15, check=False)
        assert done.returncode == status, done.stderr


def test_an_interrupt_before_anybody_listens_ends_quietly(
    fake_environment: Callable[[str], dict[str, str]],
) -> None:
    program = """
import os, signal, sys
import grilse.__main__ as program
def parse_slowly():
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError("not reached")
program.main = parse_slowly
program.entry()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=fake_environment(""), capture_output=True, timeout=15, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("words", [("--help",), ("--version",), ("show",)])
def test_a_result_that_cannot_be_written_is_told_of(
    fake_environment: Callable[[str], dict[str, str]], words: tuple[str, ...]
) -> None:
    environment = fake_environment("""
    from grilse.protocol.events import Output
    def play(stage):
        stage.start()
        stage.send(Output(b"x" * 1000 + b"\\n"))
        stage.end(0)
    """)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, FAKE_FRONTEND, *words], env=environment, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "Standard output cannot be written: No space left on device\n"
