"""Usage and help texts, formatted from the vocabulary without importing a parser.

Knows nothing of how words are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .grammar import HELP, Argument, Command, Option, Vocabulary
from .vocabulary.main import OUTPUT

# Columns of a help text, and of the left column of its tables at most.
WIDTH = 80
LEFT = 31

_METAVARS = {
    "text": "TEXT",
    "integer": "INTEGER",
    "number": "NUMBER",
    "input-file": "FILE",
    "output-file": "FILENAME",
    "directory": "DIRECTORY",
    "path": "PATH",
    "element": "PATH",
    "remote": "REMOTE",
    "pull-remote": "REMOTE",
    "push-remote": "REMOTE",
}


def options_of(vocabulary: Vocabulary, command: Command) -> tuple[Option, ...]:
    """The options that a command takes, those that all commands take included, ``--help`` excepted."""
    if not command.words or vocabulary.is_group(command.words) or takes_rest(command):
        return command.options
    return (*command.options, OUTPUT)


def takes_rest(command: Command) -> bool:
    """Whether every word after the command is its own business, options and ``--help`` too."""
    return command.words in (("audit",), ("help",))


def usage(vocabulary: Vocabulary, command: Command) -> str:
    """The usage line, ``Usage: grilse build [OPTIONS] [ELEMENTS]...``."""
    words = ["Usage: grilse", *command.words]
    if not takes_rest(command):
        words.append("[OPTIONS]")
    words += [_usage_word(argument) for argument in command.arguments]
    if vocabulary.is_group(command.words):
        words.append("COMMAND [ARGS]...")
    return " ".join(words)


def _usage_word(argument: Argument) -> str:
    word = argument.metavar
    if not argument.required and not word.startswith("["):
        word = f"[{word}]"
    return word + "..." if argument.many else word


def help_text(vocabulary: Vocabulary, words: Sequence[str]) -> str:
    """The whole help of the command of these words, as shown on standard output.

    Raises:
        KeyError: there is no such command.
    """
    command = vocabulary.find(words)
    if command is None:
        raise KeyError(" ".join(words))
    lines = [usage(vocabulary, command), "", *_wrap(command.summary + ".", "  ")]
    for paragraph in command.text:
        lines += ["", *_paragraph(paragraph)]
    if command.example:
        lines += ["", "Example:" if len(command.example) == 1 else "Examples:"]
        lines += ["  " + line for line in command.example]
    if not takes_rest(command):
        lines += ["", "Options:"]
        rows = [(option_left(option), _option_right(option)) for option in options_of(vocabulary, command)]
        rows.append((option_left(HELP), HELP.help))
        lines += _table(rows)
    below = list(vocabulary.below(command.words))
    if below:
        lines += ["", "Commands:", *_table([(child.words[-1], child.summary) for child in below])]
    return "\n".join(lines) + "\n"


def option_left(option: Option) -> str:
    """How an option is written: spellings, short ones first, and what it takes."""
    flags = sorted(option.flags, key=len)
    text = ", ".join(flags)
    if option.off:
        text += f" / {option.off}"
    return f"{text} {metavar(option)}" if option.takes_value else text


def metavar(option: Option) -> str:
    """What an option takes, in one word or a few."""
    if option.metavar:
        return option.metavar
    if option.choices:
        return "[" + "|".join(option.choices) + "]"
    return _METAVARS.get(option.takes, "VALUE")


def _option_right(option: Option) -> str:
    notes = []
    if isinstance(option.default, str):
        notes.append(f"default: {option.default}")
    if option.multiple:
        notes.append("may be given several times")
    return f"{option.help}  [{'; '.join(notes)}]" if notes else option.help


def _table(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    left = min(LEFT, max(len(row[0]) for row in rows) + 2)
    for name, text in rows:
        lines = _wrap(text, " " * (left + 2))
        if len(name) + 2 > left:
            yield "  " + name
        else:
            lines[0] = "  " + name.ljust(left) + lines[0].lstrip()
        yield from lines


def _paragraph(text: str) -> list[str]:
    if text.startswith("  "):
        return ["  " + line for line in text.splitlines()]
    return _wrap(text, "  ")


def _wrap(text: str, indent: str) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(indent) + len(line) + 1 + len(word) > WIDTH:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line]
