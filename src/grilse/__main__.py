"""The program ``grilse``: answers small questions at once, else starts the backend first and then the frontend.

Knows nothing of projects, and imports nothing heavy: the version is printed in the time that Python needs to start.
"""

from __future__ import annotations

import gc
import os
import sys

# Options before the command that take a word or two, so that the command can be found without a parser.
VALUE_OPTIONS = {
    "-c": 1,
    "--config": 1,
    "-C": 1,
    "--directory": 1,
    "--on-error": 1,
    "--fetchers": 1,
    "--builders": 1,
    "--pushers": 1,
    "--max-jobs": 1,
    "--network-retries": 1,
    "--error-lines": 1,
    "--message-lines": 1,
    "--log-file": 1,
    "--events": 1,
    "--output": 1,
    "-o": 2,
    "--option": 2,
    "--default-mirror": 1,
    "--cache-buildtrees": 1,
}

# Exit status when standard output cannot be written.
UNWRITTEN = 1

# Exit status of an orderly error.
FAILED = 255

# Exit status after an interrupt that came before anybody listened.
INTERRUPTED = 130

# Commands that the frontend answers alone.
FRONTEND_COMMANDS = frozenset(("help", "init", "log", "audit", "completion"))


def main() -> int:
    """Run the program; returns the exit status."""
    arguments = sys.argv[1:]
    if "_BST_COMPLETION" in os.environ or "_GRILSE_COMPLETE" in os.environ:
        from .frontend.completion import complete

        return complete(os.environ, arguments)
    if arguments == ["--version"]:
        say(version_text() + "\n")
        return 0
    if arguments and arguments[-1] in ("--help", "-h") and (text := plain_help(arguments[:-1])) is not None:
        say(text)
        return 0
    backend = None
    if needs_backend(arguments):
        from .frontend.backend_process import start_backend

        backend = start_backend()
    from .frontend.app import run

    return run(arguments, backend)


def say(text: str) -> None:
    """Write to standard output, where there is one; ends the program when that cannot be done."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(UNWRITTEN)
    except OSError as error:
        if sys.stderr is not None:
            sys.stderr.write(f"Standard output cannot be written: {error.strerror}\n")
        os._exit(UNWRITTEN)


def version_text() -> str:
    """What ``--version`` prints: the version of the project format and command line first, then ours."""
    from . import FORMAT_VERSION, __version__

    return f"{FORMAT_VERSION} (grilse {__version__})"


def plain_help(words: list[str]) -> str | None:
    """Help for a command line that is nothing but a command and ``--help``, or None."""
    if any(word.startswith("-") for word in words) or words[:1] == ["audit"] or words[:1] == ["help"]:
        return None
    from .frontend.help import help_text
    from .frontend.vocabulary import VOCABULARY

    try:
        return help_text(VOCABULARY, words)
    except KeyError:
        return None


def needs_backend(arguments: list[str]) -> bool:
    """Whether a backend will be asked, as far as can be told without parsing; a wrong guess only costs time."""
    command = find_command(arguments)
    if command is None or command in FRONTEND_COMMANDS:
        return False
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return not any(word in ("--help", "-h", "--version") for word in own)


def find_command(arguments: list[str]) -> str | None:
    """The first word that is neither an option nor its value."""
    place = 0
    while place < len(arguments):
        word = arguments[place]
        if not word.startswith("-"):
            return word
        place += 1 + (0 if "=" in word else VALUE_OPTIONS.get(word, 0))
    return None


def entry() -> None:
    """Run the program as a process of its own, and end at once.

    All is written and the terminal is in order when `main` returns: taking the interpreter apart would only take time.
    """
    open_standard_streams()
    # What is imported stays: it is never garbage.  Whoever goes on for long lets the collector begin.
    gc.disable()
    try:
        status = main()
    except KeyboardInterrupt:
        # So early that nobody listens to signals yet; a backend that was started notices our end.
        status = INTERRUPTED
    except (OSError, MemoryError) as error:
        # A limit of the machine's is nobody's bug; whatever else it is, its traceback is wanted.
        if not is_exhausted(error):
            raise
        what = getattr(error, "strerror", None) or "memory is exhausted"
        file = getattr(error, "filename", None)
        sys.stderr.write(f"grilse cannot go on: {what}{f' ({file!r})' if file else ''}\n")
        status = FAILED
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # Nobody reads it any more.
            pass
    os._exit(status)


def is_exhausted(error: OSError | MemoryError) -> bool:
    """Whether an error says that there is no more of something: memory, descriptors, processes, space."""
    import errno

    if isinstance(error, MemoryError):
        return True
    return error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT)


def open_standard_streams() -> None:
    """Put the null device where a standard stream is closed, lest the next file that is opened takes its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    entry()
