"""The frontend as a process, not on a terminal, against a backend that follows a script."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Run


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
