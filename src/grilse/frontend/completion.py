"""Completes a half-typed command line from the vocabulary and the file system; starts nothing and imports no parser.

Knows what can be typed; of projects only where element files are.  Two callers: bst's completion script, which sets
``_BST_COMPLETION`` and is offered what bst has, and our own scripts, which set ``_GRILSE_COMPLETE``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from . import grammar
from .grammar import Argument, Command, Option
from .help import options_of
from .places import artifact_names, element_directory, session_names
from .vocabulary import VOCABULARY


class Candidate(NamedTuple):
    """A word that may be meant; `final` unless it can go on (a directory)."""

    word: str
    final: bool = True
    help: str = ""


def complete(environment: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Answer one request of a shell on standard output; returns the exit status.

    Args:
        environment: holds the request: the words typed and the place of the cursor.
        arguments: options of the real command line; only ``--config`` matters.
    """
    import sys

    if "_BST_COMPLETION" in environment:
        shell, mode = "bst", environment["_BST_COMPLETION"]
    else:
        shell, _, mode = environment["_GRILSE_COMPLETE"].partition("_")
    if mode == "source":
        from .completion_scripts import SCRIPTS

        sys.stdout.write(SCRIPTS[shell])
        return 0
    words = split_words(environment.get("COMP_WORDS", ""))
    if shell == "fish":
        # Fish gives the words before the cursor, and the word at it.
        incomplete = environment.get("COMP_CWORD", "")
        if words and incomplete and words[-1] == incomplete:
            words.pop()
    else:
        place = int(environment.get("COMP_CWORD") or 0)
        incomplete = words[place] if place < len(words) else ""
        words = words[:place]
    if not words:
        return 0
    found = candidates(words[1:], incomplete, ours=shell != "bst", extra=arguments)
    sys.stdout.write("".join(_answer(shell, candidate) for candidate in found))
    return 0


def _answer(shell: str, candidate: Candidate) -> str:
    if shell == "fish":
        return f"{candidate.word}\t{candidate.help}\n" if candidate.help else f"{candidate.word}\n"
    if shell == "zsh":
        return f"{candidate.word}{' ' if candidate.final else ''}\n{candidate.help}\n"
    return f"{candidate.word}{' ' if candidate.final else ''}\n"


def split_words(line: str) -> list[str]:
    """The words of a line as a shell would split it; an open quotation ends with the line.

    Not `shlex`, whose import takes longer than all the rest.
    """
    words: list[str] = []
    word, inside, quote = "", False, ""
    characters = iter(line)
    for character in characters:
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"':
                word += next(characters, "")
            else:
                word += character
        elif character in "\"'":
            quote, inside = character, True
        elif character == "\\":
            word, inside = word + next(characters, ""), True
        elif not character.isspace():
            word, inside = word + character, True
        elif inside:
            words.append(word)
            word, inside = "", False
    return [*words, word] if inside else words


def candidates(typed: Sequence[str], incomplete: str, *, ours: bool, extra: Sequence[str] = ()) -> list[Candidate]:
    """What may follow.

    Args:
        typed: the whole words after the program's name.
        incomplete: the word being typed, maybe "".
        ours: offer also what bst does not have.
        extra: further words in which ``--config`` is looked for.
    """
    place = _walk([word for word in typed if word != "="])
    if place is None:
        return []
    if incomplete == "=":
        incomplete = ""
    context = _Context(tuple(typed), incomplete, tuple(extra), ours)
    if incomplete.startswith("-") and "=" in incomplete and not place.literal:
        flag, _, value = incomplete.partition("=")
        option = _option(place.command, flag)
        context = context._replace(incomplete=value)
        return _matching(_values(option, context) if option else (), value)
    if place.option is not None:
        return _matching(_values(place.option, context), incomplete)
    if incomplete.startswith("-") and not place.literal:
        return _matching(_flags(place.command, typed, ours), incomplete)
    argument = _argument(place.command, place.given)
    if argument is not None and argument.takes == grammar.COMMAND:
        return _matching(_commands(place.positional, ours), incomplete)
    if argument is not None:
        return _matching(_values(argument, context), incomplete)
    return _matching(_commands(place.command.words, ours), incomplete)


class _Place(NamedTuple):
    command: Command
    option: Option | None  # whose value is being typed
    given: int  # positional words before
    literal: bool  # after "--"
    positional: tuple[str, ...] = ()


class _Context(NamedTuple):
    typed: tuple[str, ...]
    incomplete: str
    extra: tuple[str, ...]
    ours: bool


def _option_value(words: Sequence[str], *flags: str) -> str | None:
    """The word after the last of these flags."""
    places = [place for place, word in enumerate(words[:-1]) if word in flags]
    return words[places[-1] + 1] if places else None


def _walk(typed: Sequence[str]) -> _Place | None:
    command, literal = VOCABULARY.commands[0], False
    positional: list[str] = []
    words = list(typed)
    while words:
        word = words.pop(0)
        if word == "--" and not literal:
            literal = True
        elif word.startswith("-") and not literal:
            option = None if "=" in word else _option(command, word)
            width = option.width if option else 0
            if len(words) < width:
                return _Place(command, option, len(positional), literal)
            del words[:width]
        elif VOCABULARY.is_group(command.words):
            below = VOCABULARY.find((*command.words, word))
            if below is None:
                return None
            command = below
        else:
            positional.append(word)
    return _Place(command, None, len(positional), literal, tuple(positional))


def _option(command: Command, flag: str) -> Option | None:
    for option in options_of(VOCABULARY, command):
        if flag in option.flags or flag == option.off:
            return option
    return None


def _argument(command: Command, given: int) -> Argument | None:
    if given < len(command.arguments):
        return command.arguments[given]
    return command.arguments[-1] if command.arguments and command.arguments[-1].many else None


def _matching(found: Iterator[Candidate] | Sequence[Candidate], incomplete: str) -> list[Candidate]:
    return [candidate for candidate in found if candidate.word.startswith(incomplete)]


def _commands(words: Sequence[str], ours: bool) -> Iterator[Candidate]:
    for command in VOCABULARY.below(words):
        if ours or not command.ours:
            yield Candidate(command.words[-1], help=command.summary)


def _flags(command: Command, typed: Sequence[str], ours: bool) -> Iterator[Candidate]:
    for option in options_of(VOCABULARY, command):
        if option.ours and not ours:
            continue
        for flag in (*option.flags, option.off):
            if flag and (option.multiple or flag not in typed):
                yield Candidate(flag, help=option.help)
    if ours:
        yield Candidate("--help", help=grammar.HELP.help)


def _values(taker: Option | Argument, context: _Context) -> Iterator[Candidate]:
    if taker.choices:
        yield from (Candidate(choice) for choice in taker.choices)
    elif taker.takes in (grammar.ELEMENT, grammar.ARTIFACT):
        yield from _elements(context)
        # Where bst takes a "target" it offers artifacts too, for a shell as well.
        if taker.takes == grammar.ARTIFACT or (isinstance(taker, Argument) and taker.name == "target"):
            config = _option_value((*context.extra, *context.typed), "--config", "-c")
            # bst lets one go on after the name of an artifact
            yield from (Candidate(name, final=context.ours) for name in artifact_names(config, context.incomplete))
    elif taker.takes == grammar.SESSION:
        yield from (Candidate(name) for name in session_names())
    elif taker.takes == grammar.DIRECTORY:
        yield from paths(context.incomplete, directories_only=True)
    elif taker.takes in (grammar.PATH, grammar.MOUNT, grammar.INPUT_FILE, grammar.OUTPUT_FILE):
        yield from paths(context.incomplete)


def _elements(context: _Context) -> Iterator[Candidate]:
    directory = element_directory(_option_value(context.typed, "--directory", "-C"))
    if directory is not None:
        for candidate in paths(context.incomplete, directory):
            if not candidate.final or candidate.word.endswith(".bst"):
                yield candidate


def paths(incomplete: str, base: str = ".", *, directories_only: bool = False) -> Iterator[Candidate]:
    """Paths below `base` in the directory that `incomplete` names or is in, in alphabetical order."""
    if "/" in incomplete:
        head = incomplete[: incomplete.rindex("/") + 1]
    elif incomplete and os.path.isdir(os.path.join(base, incomplete)):
        head = incomplete + "/"
    else:
        head = ""
    try:
        with os.scandir(os.path.join(base, head) or ".") as entries:
            # Of thousands of files only those that may be meant are sorted, and asked whether they are directories.
            wanted = (entry for entry in entries if (head + entry.name).startswith(incomplete))
            found = sorted((head + entry.name, entry.is_dir()) for entry in wanted)
    except OSError:
        return
    for name, is_directory in found:
        if is_directory:
            yield Candidate(f"{name}/", final=False)
        elif not directories_only:
            yield Candidate(name)
