"""The frontend after the quick answers: parses, and lets the command be carried out by whoever does that.

Knows which part carries out which command; none of how.
"""

from __future__ import annotations

import gc
from typing import IO, TYPE_CHECKING

import click

from .parser import Finished, Parsed, parse, usage_error

if TYPE_CHECKING:
    from ..protocol.requests import Request
    from .backend_process import BackendProcess

# Exit status of an orderly error.
FAILED = 255
# Exit status when nobody reads what is written to standard output.
READER_GONE = 1


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
            return _help(parsed)
        case ("init",):
            return _init(parsed, arguments)
        case ("completion",):
            return _completion(parsed)
        case ("audit",):
            from ..audit.command import run as run_audit

            _let_collect()
            return run_audit(list(parsed.parameters["arguments"]))
        case ("log", *_):
            from .logs import run_log_command

            _let_collect()
            return run_log_command(parsed)
        case _:
            return _session(parsed, arguments, backend)


def _let_collect() -> None:
    """Let the garbage collector begin, and spare what was imported: see `__main__.entry`."""
    gc.freeze()
    gc.enable()


def _answer(parsed: Parsed, text: str) -> bool:
    """Write a text as a JSON document if that is what was asked for; whether it was."""
    if parsed.main.get("output") != "json":
        return False
    from .display.machine import JsonResult

    view = JsonResult(lambda data: click.echo(data, nl=False), parsed.words)
    view.output(text.encode())
    view.finish(0)
    return True


def _help(parsed: Parsed) -> int:
    from .help import help_text
    from .vocabulary import VOCABULARY

    words = parsed.parameters["command"]
    try:
        text = help_text(VOCABULARY, words)
    except KeyError:
        click.echo(f"Not a valid command: 'grilse {' '.join(words)}'", err=True)
        near = _nearest_command(words)
        if near:
            click.echo(f"\n    Did you mean '{near}'?", err=True)
        return FAILED
    if _answer(parsed, text):
        return 0
    click.echo(text, err=True, nl=False)
    if VOCABULARY.is_group(words):
        click.echo(f"\nFor usage on a specific command: grilse help {' '.join([*words, 'COMMAND'])}", err=True)
    return 0


def _nearest_command(words: tuple[str, ...]) -> str:
    """The command that is spelt most like these words, or ""."""
    import difflib

    from .vocabulary import VOCABULARY

    known = [" ".join(command.words) for command in VOCABULARY.commands if command.words]
    found = difflib.get_close_matches(" ".join(words), known, 1)
    return found[0] if found else ""


def _completion(parsed: Parsed) -> int:
    from .completion_scripts import SCRIPTS

    script = SCRIPTS[parsed.parameters["shell"]]
    if not _answer(parsed, script):
        click.echo(script, nl=False)
    return 0


def _init(parsed: Parsed, arguments: list[str]) -> int:
    from ..protocol.errors import GrilseError
    from .actions import request_with
    from .display.errors import error_text
    from .display.paint import Paint
    from .errors import as_event, events_file, record
    from .init_project import init_action
    from .streams import look_at_streams

    main = parsed.main
    try:
        action = init_action(parsed.parameters, main["directory"], interactive=look_at_streams(main).interactive)
    except GrilseError as error:
        record(error, events_file(main))
        click.echo("\n" + error_text(as_event(error), Paint(False)), err=True, nl=False)
        return FAILED
    except click.Abort:
        click.echo("\nNothing was written.", err=True)
        return 1
    return _conduct(parsed, request_with(action, parsed, tuple(arguments), interactive=False), None)


def _session(parsed: Parsed, arguments: list[str], backend: BackendProcess | None) -> int:
    from .actions import Conflict, request_of
    from .streams import look_at_streams

    streams = look_at_streams(parsed.main)
    colors = streams.colours and not (streams.json or streams.events)
    try:
        request = request_of(parsed, tuple(arguments), interactive=streams.interactive, colors=colors)
    except Conflict as conflict:
        click.echo(f"ERROR: {conflict}", err=True)
        return FAILED
    return _conduct(parsed, request, backend)


def _open_log_file(path: str) -> IO[str]:
    # The console closes it; "-" is standard output, which is not ours to close.
    if path == "-":
        return open(1, "w", encoding="utf-8", closefd=False)
    return open(path, "w", encoding="utf-8")


def _conduct(parsed: Parsed, request: Request, backend: BackendProcess | None) -> int:
    from .backend_process import start_backend

    # Whatever may still be wrong with the command line comes before the request: nothing must have been done then.
    path = parsed.main.get("log_file")
    try:
        log_file = _open_log_file(path) if path else None
    except OSError as error:
        raise usage_error(parsed, f"The file of --log-file cannot be written: {error}") from None
    own = backend is None
    if backend is None:
        backend = start_backend()
    # The request goes before the displays are imported: the backend works meanwhile.
    backend.connect()
    backend.ask(request)
    try:
        from .actions import session_name
        from .conduct import conduct
        from .console import Console
        from .streams import look_at_streams

        console = Console(parsed, look_at_streams(parsed.main), session_name(request.action), log_file)
        _let_collect()
        try:
            return conduct(backend, request, console)
        finally:
            console.close()
    finally:
        if own:
            backend.abandon()
