"""Every command, option, choice and default of bst is one of grilse's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grilse.frontend import grammar
from grilse.frontend.vocabulary import VOCABULARY

# Asks bst's parser, in its own environment, what it knows.
QUESTION = """
import json, click
from buildstream._frontend.cli import cli
found = []
def look(command, words):
    options, arguments = [], []
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            kind = parameter.type
            choices = [getattr(choice, "value", choice) for choice in getattr(kind, "choices", None) or ()]
            default = parameter.default if isinstance(parameter.default, str) else None
            options.append(dict(flags=parameter.opts, off=parameter.secondary_opts, choices=choices, default=default,
                                multiple=parameter.multiple, width=parameter.nargs, flag=parameter.is_flag,
                                integer=kind.name == "integer", required=parameter.required, hidden=parameter.hidden,
                                variable=parameter.envvar, prompt=bool(parameter.prompt)))
        else:
            arguments.append(dict(many=parameter.nargs == -1, required=parameter.required))
    found.append(dict(words=words, options=options, arguments=arguments))
    for name in getattr(command, "commands", {}):
        look(command.commands[name], [*words, name])
look(cli, [])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def commands() -> dict[tuple[str, ...], dict[str, Any]]:
    """What bst's parser knows, by the words of commands."""
    oracle = os.environ.get("GRILSE_ORACLE")
    if not oracle:
        pytest.skip("GRILSE_ORACLE names no bst to compare with")
    python = Path(oracle).with_name("python")
    done = subprocess.run([python, "-c", QUESTION], capture_output=True, text=True, timeout=18, check=True)
    return {tuple(command["words"]): command for command in json.loads(done.stdout)}


pytestmark = pytest.mark.oracle


def test_every_command_of_bst_is_there_and_no_other_is_called_bsts(commands: dict[tuple[str, ...], Any]) -> None:
    assert {command.words for command in VOCABULARY.commands if not command.ours} == set(commands)


def test_every_option_of_bst_is_there_and_no_other_is_called_bsts(commands: dict[tuple[str, ...], Any]) -> None:
    for words, theirs in commands.items():
        ours = VOCABULARY.find(words)
        assert ours is not None
        expected = {(*sorted(option["flags"]), *option["off"]) for option in theirs["options"]}
        found = {(*sorted(o.flags), *([o.off] if o.off else [])) for o in ours.options if not o.ours}
        assert found == expected, words


def test_options_take_what_those_of_bst_take(commands: dict[tuple[str, ...], Any]) -> None:
    for words, theirs in commands.items():
        ours = VOCABULARY.find(words)
        assert ours is not None
        by_flag = {flag: option for option in ours.options for flag in option.flags}
        for option in theirs["options"]:
            same = by_flag[option["flags"][0]]
            about = (words, same.flags)
            assert set(same.choices) == set(option["choices"]), about
            assert same.multiple == option["multiple"], about
            assert (same.width == 0) == option["flag"], about
            assert (same.takes == grammar.INTEGER) == option["integer"], about
            # What grilse has no notion of, since bst makes no use of it.
            assert not (option["required"] or option["hidden"] or option["variable"] or option["prompt"]), about
            if not option["flag"]:
                assert same.width == option["width"], about
            # The one default that depends on where it is used is filled in later.
            if option["default"] != "source-checkout":
                assert same.default == option["default"], about


def test_help_is_asked_for_with_the_same_words(commands: dict[tuple[str, ...], Any], tmp_path: Path) -> None:
    oracle = [os.environ["GRILSE_ORACLE"]]
    ours = [sys.executable, "-m", "grilse"]
    for words in (["-h"], ["--help"], ["build", "-h"], ["build", "--help"], ["help"], ["help", "source", "fetch"]):
        statuses = {
            subprocess.run([*program, *words], capture_output=True, cwd=tmp_path, check=False, timeout=18).returncode
            for program in (oracle, ours)
        }
        assert len(statuses) == 1, words


def test_arguments_are_those_of_bst(commands: dict[tuple[str, ...], Any]) -> None:
    for words, theirs in commands.items():
        ours = VOCABULARY.find(words)
        assert ours is not None
        found = [
            {"many": argument.many, "required": argument.required}
            for argument in ours.arguments
            if isinstance(argument, grammar.Argument)
        ]
        assert found == theirs["arguments"], words
