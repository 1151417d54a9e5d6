"""Conducts one request from its start to the exit status: session, person and displays together.

Knows all of them by their outsides.
"""

from __future__ import annotations

from ..protocol import requests
from ..protocol.errors import GrilseError
from ..protocol.requests import Request
from .actions import session_name
from .backend_process import BackendProcess
from .console import Console
from .errors import as_event, record
from .interaction import Interaction, Manners
from .session import Session
from .streams import STDERR, STDIN

# Seconds that the reader of a result has to take its end before the exit status is decided.
RESULT_FLUSH = 0.5
# Exit status of an orderly error.
FAILED = 255
# Exit status when nobody reads what is written to standard output.
READER_GONE = 1


def conduct(backend: BackendProcess, request: Request, console: Console) -> int:
    """Follow a request that was sent to the backend; returns the exit status, everything being said."""
    streams = console.streams
    person = Interaction(
        console.port,
        console.keys,
        console.display,
        Manners(
            interactive=streams.interactive,
            session=session_name(request.action) is not None,
            terminal=STDIN,
            screen=STDERR,
            flush=console.flush,
            leave=console.leave,
            reader_gone=console.reader_gone,
        ),
    )
    # Logs are read page by page, where somebody is there to turn the pages.
    is_log = isinstance(request.action, requests.ArtifactLog) and request.action.out is None
    pages = console.keep_result() if is_log and streams.interactive and not (streams.json or streams.events) else None
    person.begin()
    try:
        session = Session(backend, console.views, person)
        status = session.run()
        # The status of a shell is that of the command in it, unless there was no getting that far.
        if isinstance(request.action, requests.Shell) and status == 0 and person.shell_status is not None:
            status = person.shell_status
        session.finish(status)
        if pages:
            _show_pages(bytes(pages), console, person)
    except GrilseError as error:
        if console.reader_gone():
            # The command was broken off since its result is not wanted any more.
            return _unread(console)
        # Ours are told as the backend's are, to everybody who looks at events.
        record(error, request.invocation.events)
        for view in console.views:
            view.show([as_event(error)])
            view.finish(FAILED)
        return FAILED
    except BaseException:
        console.clear()
        raise
    finally:
        person.end()
    console.flush(RESULT_FLUSH)
    return _unread(console) if console.reader_gone() else status


def _unread(console: Console) -> int:
    if fault := console.fault():
        console.say(f"Standard output cannot be written: {fault}\n")
    return READER_GONE


def _show_pages(text: bytes, console: Console, person: Interaction) -> None:
    import tempfile

    console.flush(None)
    with tempfile.NamedTemporaryFile(prefix="grilse-", suffix=".log") as file:
        file.write(text)
        file.flush()
        if not person.show_file(file.name):
            console.put_result(text)
