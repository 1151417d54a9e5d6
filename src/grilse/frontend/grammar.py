"""The shapes that the command line is described in: options, arguments and commands as plain data.

Knows no command and no parser.  The parser, the help, the completion and the reference page are views of this data, so
that help and completion need no parser to be imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

# What an option or argument takes; the parser checks it and completion offers values for it.
FLAG = "flag"
TOGGLE = "toggle"  # a flag and its opposite
TEXT = "text"
INTEGER = "integer"
NUMBER = "number"
CHOICE = "choice"
PAIR = "pair"  # two words
MOUNT = "mount"  # an existing path and a word
INPUT_FILE = "input-file"  # must exist
OUTPUT_FILE = "output-file"  # is opened for writing before anything else happens
DIRECTORY = "directory"  # need not exist, but must not be a file
PATH = "path"
ELEMENT = "element"
ARTIFACT = "artifact"
SESSION = "session"  # a past session, by the name of its log
COMMAND = "command"
WORDS = "words"
REMOTE = "remote"
PULL_REMOTE = "pull-remote"
PUSH_REMOTE = "push-remote"


class Option(NamedTuple):
    """One option.

    Attributes:
        flags: its spellings, the long one first; for a toggle the spelling that switches it on.
        help: a phrase.
        takes: one of the constants above.
        off: for a toggle, the spelling that switches it off.
        choices: for a choice.
        metavar: how the value is called in help, or "".
        default: value when it is not given.
        name: parameter name, or "" for that of the first flag.
        multiple: may be given several times.
        ours: not an option of bst.
    """

    flags: tuple[str, ...]
    help: str
    takes: str = FLAG
    off: str = ""
    choices: tuple[str, ...] = ()
    metavar: str = ""
    default: str | bool | None = None
    name: str = ""
    multiple: bool = False
    ours: bool = False

    @property
    def parameter(self) -> str:
        """Name under which its value is found."""
        return self.name or self.flags[0].lstrip("-").replace("-", "_")

    @property
    def takes_value(self) -> bool:
        """Whether words after it belong to it."""
        return self.takes not in (FLAG, TOGGLE)

    @property
    def width(self) -> int:
        """How many words after it belong to it."""
        if self.takes in (PAIR, MOUNT):
            return 2
        return 1 if self.takes_value else 0


class Argument(NamedTuple):
    """One positional argument: what it takes, whether it must be given, and whether it takes all that remain."""

    name: str
    takes: str
    many: bool = True
    required: bool = False
    choices: tuple[str, ...] = ()

    @property
    def metavar(self) -> str:
        """How it is called in a usage line, brackets and dots left to the formatter."""
        return self.name.replace("_", "-").upper() if self.choices == () else "[" + "|".join(self.choices) + "]"


class Command(NamedTuple):
    """One command, or a group when other commands begin with its words.

    Attributes:
        words: the words that name it; empty for the program itself.
        summary: one line, no full stop.
        text: further paragraphs; a paragraph that begins with two spaces is kept as it is.
        example: lines to type.
        options, arguments: what it takes.
        ours: not a command of bst.
    """

    words: tuple[str, ...]
    summary: str
    text: tuple[str, ...] = ()
    example: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    ours: bool = False


class Vocabulary(NamedTuple):
    """All commands, the program itself first."""

    commands: tuple[Command, ...]

    def find(self, words: Sequence[str]) -> Command | None:
        """The command of exactly these words."""
        wanted = tuple(words)
        return next((command for command in self.commands if command.words == wanted), None)

    def below(self, words: Sequence[str]) -> Iterator[Command]:
        """The commands one word longer than `words`, in alphabetical order."""
        depth, wanted = len(words), tuple(words)
        found = [c for c in self.commands if len(c.words) == depth + 1 and c.words[:depth] == wanted]
        return iter(sorted(found, key=lambda command: command.words))

    def is_group(self, words: Sequence[str]) -> bool:
        """Whether other commands begin with these words."""
        return next(self.below(words), None) is not None


HELP = Option(("--help", "-h"), "Show this and exit")
