"""The command line parsed: click commands made from the vocabulary, giving plain data.

Knows nothing of what a command does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from . import grammar
from .grammar import Argument, Command, Option, Vocabulary
from .help import help_text, options_of, takes_rest
from .remotes import RemoteSyntaxError, check_remote
from .vocabulary import VOCABULARY

if TYPE_CHECKING:
    _StringType = click.ParamType[str]
else:
    # Only newer versions of click have a generic class.
    _StringType = click.ParamType


class Parsed(NamedTuple):
    """A command line: the words of the command, the options before it, and its own parameters by name."""

    words: tuple[str, ...]
    main: dict[str, Any]
    parameters: dict[str, Any]


class Finished(Exception):
    """The command line needs nothing more: help or the version was printed, or a usage error was."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parse(arguments: Sequence[str], version: str) -> Parsed:
    """Parse the words after the program's name.

    Args:
        arguments: the words.
        version: what ``--version`` prints.

    Raises:
        Finished: nothing remains to be done; what was to be said is printed.
    """
    program = _group(VOCABULARY, VOCABULARY.commands[0], version)
    try:
        parsed = program.main(list(arguments), prog_name="grilse", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        raise Finished(error.exit_code) from None
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption) and (hint := _misplaced(error)):
            click.echo(hint, err=True)
        raise Finished(error.exit_code) from None
    except click.Abort:
        raise Finished(1) from None
    if isinstance(parsed, Parsed):
        return parsed
    raise Finished(parsed if isinstance(parsed, int) else 0)


def _misplaced(error: click.NoSuchOption) -> str | None:
    """What to say of an option that is one, but not of this command."""
    words = error.ctx.command_path.split()[1:] if error.ctx is not None else []
    program = VOCABULARY.commands[0]
    spellings = {flag for option in program.options for flag in (*option.flags, option.off) if flag}
    if words and error.option_name in spellings:
        return f"It goes before the command: grilse {error.option_name} ... {' '.join(words)} ..."
    return None


def usage_error(parsed: Parsed, message: str) -> Finished:
    """Print a usage error about a command line that click had no objection to."""
    command = " ".join(("grilse", *parsed.words))
    click.echo(f"Try '{command} --help' for help.\n\nError: {message}", err=True)
    return Finished(2)


class _Command(click.Command):
    def __init__(self, vocabulary: Vocabulary, command: Command, **settings: Any) -> None:
        super().__init__(**settings)
        self.vocabulary = vocabulary
        self.described = command

    def get_help(self, ctx: click.Context) -> str:
        return help_text(self.vocabulary, self.described.words).rstrip("\n")


class _Group(_Command, click.Group):
    pass


def _settings(vocabulary: Vocabulary, command: Command) -> dict[str, Any]:
    settings: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
    if takes_rest(command):
        settings = {"help_option_names": [], "ignore_unknown_options": True, "allow_interspersed_args": False}
    return {
        "vocabulary": vocabulary,
        "command": command,
        "name": command.words[-1] if command.words else "grilse",
        "short_help": command.summary,
        "context_settings": settings,
        "params": [_option(option) for option in options_of(vocabulary, command)]
        + [_argument(argument) for argument in command.arguments],
    }


def _group(vocabulary: Vocabulary, command: Command, version: str | None = None) -> click.Group:
    settings = _settings(vocabulary, command)
    if version is not None:
        settings["params"] = [
            _version_option(parameter, version) if parameter.name == "version" else parameter
            for parameter in settings["params"]
        ]
    group = _Group(**settings, callback=lambda **values: click.get_current_context().ensure_object(dict).update(values))
    for child in vocabulary.below(command.words):
        group.add_command(_group(vocabulary, child) if vocabulary.is_group(child.words) else _leaf(vocabulary, child))
    return group


def _leaf(vocabulary: Vocabulary, command: Command) -> click.Command:
    def collect(**values: Any) -> Parsed:
        main: dict[str, Any] = dict(click.get_current_context().find_object(dict) or {})
        output = values.pop("output", None)
        if output is not None:
            main["output"] = output
        return Parsed(command.words, main, values)

    return _Command(**_settings(vocabulary, command), callback=collect)


def _version_option(option: click.Parameter, version: str) -> click.Option:
    def show(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            click.echo(version)
            context.exit()

    return click.Option(list(option.opts), is_flag=True, expose_value=False, is_eager=True, callback=show)


def _option(option: Option) -> click.Option:
    name = option.parameter
    if option.takes == grammar.FLAG:
        return click.Option([*option.flags, name], is_flag=True, default=False)
    if option.takes == grammar.TOGGLE:
        return click.Option([f"{option.flags[0]}/{option.off}", *option.flags[1:], name], default=None)
    return click.Option(
        [*option.flags, name],
        type=_type(option.takes, option.choices),
        multiple=option.multiple,
        default=option.default,
        metavar=option.metavar or None,
    )


def _argument(argument: Argument) -> click.Argument:
    return click.Argument(
        [argument.name],
        type=_type(argument.takes, argument.choices),
        nargs=-1 if argument.many else 1,
        required=argument.required,
    )


def _type(takes: str, choices: tuple[str, ...]) -> Any:
    match takes:
        case grammar.INTEGER:
            return click.INT
        case grammar.NUMBER:
            return click.FLOAT
        case grammar.CHOICE:
            return click.Choice(choices)
        case grammar.PAIR:
            return click.Tuple([str, str])
        case grammar.MOUNT:
            return click.Tuple([click.Path(exists=True), str])
        case grammar.INPUT_FILE:
            return click.Path(exists=True, dir_okay=False, readable=True)
        case grammar.DIRECTORY:
            return click.Path(file_okay=False)
        case grammar.REMOTE | grammar.PULL_REMOTE | grammar.PUSH_REMOTE:
            return _Remote(takes)
        case _:
            return click.STRING


class _Remote(_StringType):
    name = "remote"

    def __init__(self, takes: str) -> None:
        self.takes = takes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            check_remote(value, both_ways=self.takes == grammar.REMOTE)
        except RemoteSyntaxError as error:
            self.fail(str(error), param, ctx)
        return value
