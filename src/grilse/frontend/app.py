"""The frontend after the quick answers: parses, chooses a display and runs the command.

Knows which part carries out which command; none of how.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from .parser import Finished, Parsed, parse

if TYPE_CHECKING:
    from .backend_process import BackendProcess

# Exit status of an orderly error.
FAILED = 255


def run(arguments: list[str], backend: BackendProcess | None) -> int:
    """Run a command line; returns the exit status.

    Args:
        arguments: the words after the program's name.
        backend: one that was started already, or None.
    """
    from ..__main__ import version_text

    try:
        parsed = parse(arguments, version_text())
        return _dispatch(parsed, arguments, backend)
    except Finished as finished:
        return finished.status
    finally:
        if backend is not None:
            backend.abandon()


def _dispatch(parsed: Parsed, arguments: list[str], backend: BackendProcess | None) -> int:
    match parsed.words:
        case ("help",):
            return _help(parsed.parameters["command"])
        case ("init",):
            return _init(parsed)
        case ("completion",):
            return _completion(parsed.parameters["shell"])
        case ("audit",):
            from ..audit.command import run as run_audit

            return run_audit(list(parsed.parameters["arguments"]))
        case _:
            return _session(parsed, arguments, backend)


def _help(words: tuple[str, ...]) -> int:
    from .help import help_text
    from .vocabulary import VOCABULARY

    try:
        text = help_text(VOCABULARY, words)
    except KeyError:
        click.echo(f"Not a valid command: 'grilse {' '.join(words)}'", err=True)
        return FAILED
    click.echo(text, err=True, nl=False)
    if VOCABULARY.is_group(words):
        click.echo(f"\nFor usage on a specific command: grilse help {' '.join([*words, 'COMMAND'])}", err=True)
    return 0


def _completion(shell: str) -> int:
    from .completion_scripts import SCRIPTS

    click.echo(SCRIPTS[shell], nl=False)
    return 0


def _init(parsed: Parsed) -> int:
    from ..protocol.errors import GrilseError
    from .display.errors import error_text
    from .display.paint import Paint
    from .errors import as_event, events_file, record
    from .init_project import init_project

    main = parsed.main
    interactive = not main["no_interactive"] and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    try:
        path = init_project(parsed.parameters, main["directory"], interactive=interactive)
    except GrilseError as error:
        record(error, events_file(main))
        click.echo("\n" + error_text(as_event(error), Paint(False)), err=True, nl=False)
        return FAILED
    except click.Abort:
        click.echo("\nNothing was written.", err=True)
        return 1
    click.echo(f"\nCreated project.conf at: {path}", err=True)
    return 0


def _session(parsed: Parsed, arguments: list[str], backend: BackendProcess | None) -> int:
    from ..protocol.errors import GrilseError
    from .actions import Conflict, request_of, session_name
    from .backend_process import start_backend
    from .display.errors import error_text
    from .display.paint import Paint
    from .display.plain import PlainDisplay
    from .errors import as_event, record
    from .session import Session
    from .writer import Writer

    try:
        request = request_of(parsed, tuple(arguments), interactive=False)
    except Conflict as conflict:
        click.echo(f"ERROR: {conflict}", err=True)
        return FAILED
    colours = parsed.main.get("colors")
    paint = Paint(sys.stdout.isatty() and sys.stderr.isatty() if colours is None else bool(colours))
    writer, out = Writer(), Writer()
    display = PlainDisplay(
        lambda text: writer.put(2, text.encode(errors="replace")),
        paint,
        session=session_name(request.action) is not None,
        quiet=bool(parsed.main.get("quiet")),
    )
    own = backend is None
    if backend is None:
        backend = start_backend()
    try:
        backend.connect()
        return Session(backend, display, lambda data: out.put(1, data)).run(request)
    except GrilseError as error:
        record(error, request.invocation.events)
        writer.put(2, ("\n" + error_text(as_event(error), paint)).encode(errors="replace"))
        return FAILED
    finally:
        writer.flush(None)
        out.flush(None)
        if own:
            backend.abandon()
