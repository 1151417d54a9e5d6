"""Writes the reference pages that follow from the code: docs/reference/command-line.md.

Knows how a page looks; what it says comes from the vocabulary of the frontend. A test holds the page to the code:

    python tools/reference.py            writes the pages
    python tools/reference.py --check    says whether they are current
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grilse.frontend.grammar import Option

ROOT = Path(__file__).resolve().parent.parent
COMMAND_LINE = ROOT / "docs" / "reference" / "command-line.md"

OPENING = """\
# Command line

Written by `tools/reference.py` from the description that the parser, the help and the completion use. What has *(ours)*
behind it is not known to BuildStream 2.8; all else is BuildStream's, with the same meaning.

Exit status: 0 when all went well, 255 for an orderly error, 2 for a command line that cannot be understood, that of the
command for `shell`. Results go to standard output; progress and errors to standard error.
"""


def command_line() -> str:
    """The page about every command and option, as Markdown."""
    from grilse.frontend.vocabulary import VOCABULARY

    parts = [OPENING]
    for command in sorted(VOCABULARY.commands, key=lambda command: command.words):
        parts.append("\n".join(_command(command.words)))
    return "\n".join(parts)


def _command(words: tuple[str, ...]) -> Iterator[str]:
    from grilse.frontend.grammar import HELP
    from grilse.frontend.help import options_of, takes_rest, usage
    from grilse.frontend.vocabulary import VOCABULARY

    command = VOCABULARY.find(words)
    assert command is not None
    yield f"## `{' '.join(['grilse', *words])}`\n"
    yield f"    {usage(VOCABULARY, command).removeprefix('Usage: ')}\n"
    yield f"{command.summary}.{' *(ours)*' if command.ours else ''}\n"
    for paragraph in command.text:
        # A paragraph that begins with two spaces is a table: it becomes a block
        kept = paragraph.startswith("  ")
        block = "\n".join("    " + line[2:] for line in paragraph.splitlines())
        yield (block if kept else paragraph.replace("*", "\\*")) + "\n"
    if command.example:
        yield "\n".join(f"    {line}" for line in command.example) + "\n"
    below = [child.words[-1] for child in VOCABULARY.below(words)]
    if below:
        names = (f"[`{name}`](#{'-'.join(['grilse', *words, name])})" for name in below)
        yield f"Commands: {', '.join(names)}.\n"
    if takes_rest(command):
        return
    yield "| option | |"
    yield "|---|---|"
    for option in (*options_of(VOCABULARY, command), HELP):
        yield f"| {_cell(_option(option))} | {_cell(_meaning(option))} |"
    yield ""


def _option(option: Option) -> str:
    from grilse.frontend.help import option_left

    return f"`{option_left(option)}`"


def _meaning(option: Option) -> str:
    notes = [f"default `{option.default}`"] if isinstance(option.default, str) else []
    notes += ["may be given several times"] if option.multiple else []
    return option.help + (f" ({'; '.join(notes)})" if notes else "") + (" *(ours)*" if option.ours else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    pages = {COMMAND_LINE: command_line()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: python tools/reference.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    sys.exit(main())
