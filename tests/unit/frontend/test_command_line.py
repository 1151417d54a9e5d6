"""The command line: vocabulary, parser, help and the requests they make."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from grilse import __main__ as program
from grilse.frontend import actions, grammar
from grilse.frontend.app import run
from grilse.frontend.help import help_text, options_of
from grilse.frontend.parser import Finished, parse
from grilse.frontend.vocabulary import VOCABULARY
from grilse.protocol import requests

COMMANDS = [command for command in VOCABULARY.commands if not VOCABULARY.is_group(command.words)]


def request_of(*words: str) -> Any:
    return actions.request_of(parse(words, "v"), words, interactive=False)


@pytest.mark.parametrize("command", VOCABULARY.commands, ids=lambda command: " ".join(command.words) or "grilse")
def test_every_command_has_help_with_an_example(command: grammar.Command) -> None:
    text = help_text(VOCABULARY, command.words)
    assert text.startswith("Usage: grilse")
    assert command.example
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.words))
def test_every_example_that_calls_grilse_parses(command: grammar.Command, tmp_path: Any) -> None:
    for line in command.example:
        words = shlex.split(line.split(" | ")[0].split(" > ")[0])
        if words[0] == "grilse" and "--help" not in words:
            assert parse(words[1:], "v").words == command.words


def test_every_command_is_carried_out_by_somebody() -> None:
    frontend = {c.words for c in COMMANDS if c.words[0] in program.FRONTEND_COMMANDS}
    assert {command.words for command in COMMANDS} == frontend | actions.backend_commands()


def test_the_quick_look_at_the_command_line_knows_every_option_with_a_value() -> None:
    expected = {flag: o.width for o in VOCABULARY.commands[0].options if o.takes_value for flag in o.flags}
    assert expected == program.VALUE_OPTIONS


@pytest.mark.parametrize(
    ("words", "backend"),
    [
        ("build app.bst", True),
        ("-C dir -o name value build", True),
        ("--directory=dir show", True),
        ("--directory dir init", False),
        ("help build", False),
        ("build --help", False),
        ("shell app.bst -- ls --help", True),
        ("", False),
        ("log list", False),
    ],
)
def test_a_backend_is_started_only_when_it_will_be_asked(words: str, backend: bool) -> None:
    assert program.needs_backend(words.split()) is backend


def test_options_before_and_after_the_command_reach_the_request() -> None:
    words = "--on-error continue --max-jobs 3 -o arch arm -o debug yes --no-strict build -d all -r a.bst b.bst"
    request = request_of(*words.split())
    invocation = request.invocation
    assert (invocation.on_error, invocation.max_jobs, invocation.strict) == ("continue", 3, False)
    assert invocation.options == (("arch", "arm"), ("debug", "yes"))
    assert request.action == requests.Build(targets=("a.bst", "b.bst"), deps="all", retry_failed=True)


def test_what_is_not_given_stays_as_configured() -> None:
    invocation = request_of("build").invocation
    given = {name: getattr(invocation, name) for name in invocation.__struct_fields__}
    assert {name for name, value in given.items() if value not in (None, (), False)} == {"argv", "directory"}


def test_output_may_be_asked_for_before_or_after_the_command() -> None:
    assert request_of("--output", "json", "show").output_json
    assert request_of("show", "--output", "json").output_json
    assert not request_of("show").output_json


def test_words_after_two_dashes_belong_to_the_command_in_the_shell() -> None:
    action = request_of("shell", "--mount", "/", "/mnt", "a.bst", "--", "ls", "--help").action
    assert action == requests.Shell(target="a.bst", command=("ls", "--help"), mounts=(("/", "/mnt"),))


def test_a_build_tree_is_staged_in_a_build_sandbox() -> None:
    assert request_of("shell", "--use-buildtree", "a.bst").action.build


@pytest.mark.parametrize(
    ("tar", "compression"),
    [("a.tar", None), ("a.tar.gz", "gz"), ("a.xz", "xz"), ("a.foo", None), ("-", None), (".tar", None)],
)
def test_compression_follows_the_name_of_the_tar_file(tar: str, compression: str | None) -> None:
    assert request_of("artifact", "checkout", "--tar", tar, "a.bst").action.compression == compression


@pytest.mark.parametrize("kind", ["artifact", "source"])
def test_a_tar_file_without_a_name_is_none(kind: str) -> None:
    assert request_of(kind, "checkout", "--tar", "", "a.bst").action == request_of(kind, "checkout", "a.bst").action


@pytest.mark.parametrize(
    "words",
    [
        "artifact checkout --tar a.tar --directory b a.bst",
        "artifact checkout --tar a.tar --hardlinks a.bst",
        "artifact checkout --compression gz a.bst",
        "artifact checkout --tar a.tar.foo a.bst",
        "artifact checkout --tar a.tar.foo --compression gz a.bst",
        "source checkout --tar a.tar --directory b a.bst",
        "source checkout --compression gz a.bst",
    ],
)
def test_options_that_contradict_each_other_are_refused(words: str) -> None:
    with pytest.raises(actions.Conflict):
        request_of(*words.split())


@pytest.mark.parametrize(
    "words",
    [
        "build --nope",
        "build --deps some",
        "bild",
        "--config /no/such/file build",
        "workspace open",
        "build --artifact-remote http://cache,push=true",
        "build --artifact-remote url=http://cache,colour=red",
        "artifact pull --artifact-remote url=http://cache,push=true",
        "--max-jobs many build",
        "",
        "artifact",
    ],
)
def test_a_wrong_command_line_ends_with_status_two(words: str, capsys: Any) -> None:
    with pytest.raises(Finished) as finished:
        parse(words.split(), "v")
    assert finished.value.status == 2
    assert "Usage: grilse" in capsys.readouterr().err


def test_help_and_version_end_with_status_zero(capsys: Any) -> None:
    for words in (["--version"], ["show", "--deps", "all", "-h"]):
        with pytest.raises(Finished) as finished:
            parse(words, "2.8.1 (grilse 1)")
        assert finished.value.status == 0
    assert capsys.readouterr().out == "2.8.1 (grilse 1)\n" + help_text(VOCABULARY, ["show"])


def test_every_command_offers_json() -> None:
    for command in COMMANDS:
        if command.words[0] not in ("audit", "help"):
            assert any(option.parameter == "output" for option in options_of(VOCABULARY, command))


def test_an_option_in_the_wrong_place_is_told_where_it_goes(capsys: Any) -> None:
    with pytest.raises(Finished):
        parse(["build", "-o", "debug", "True"], "1")
    assert "It goes before the command: grilse -o ... build ..." in capsys.readouterr().err


def test_a_misspelt_command_that_help_is_wanted_of_is_recognised(capsys: Any) -> None:
    assert run(["help", "artefact", "chekout"], None) == 255
    assert "Did you mean 'artifact checkout'?" in capsys.readouterr().err
