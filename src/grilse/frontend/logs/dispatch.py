"""Carries out one of the ``log`` commands.

Knows which report belongs to which command.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import to_builtins

from ...protocol.errors import GrilseError
from ...protocol.events import Error, Event, SessionStarted
from ..console import Console
from ..display.errors import error_text
from ..display.machine import SCHEMA
from ..display.paint import Paint
from ..display.plain import PlainDisplay
from ..errors import as_event, events_file, record
from ..parser import Parsed
from ..places import LOG_NAME, session_names, sessions_directory
from ..session_log import EventReader
from ..streams import Streams, look_at_streams
from . import reports
from .record import Record, find_log, look_at_state, read_events, read_record, take, time_of_day, title_of
from .replay import SessionClock, replay, show_at_once
from .trace import trace

# Exit status of an orderly error.
FAILED = 255
# Sessions that a list shows unless told otherwise.
DEFAULT_LIMIT = 20

_Reports = dict[str, tuple[Callable[[Record], Any], Callable[[Any], str]]]
_REPORTS: _Reports = {
    "what-ran": (reports.what_ran, reports.what_ran_text),
    "what-failed": (reports.what_failed, reports.what_failed_text),
    "critical-path": (reports.path_report, reports.path_text),
}


def run_log_command(parsed: Parsed) -> int:
    """Carry out a command; returns the exit status."""
    streams = look_at_streams(parsed.main)
    command = parsed.words[1]
    # A session's lines are shown as they would be without a terminal, unless it is to be shown as it went.
    speed = parsed.parameters["speed"] if command == "replay" else 0.0
    clock = SessionClock(speed) if speed > 0 else None
    session = _session_of(parsed) if command in ("show", "replay") else None
    streams_now = streams._replace(live=streams.live and clock is not None, json=False, events=False)
    console = Console(parsed, streams_now, session, clock=clock or time.time)
    try:
        return _run(parsed, command, console, streams, clock)
    except GrilseError as error:
        record(error, events_file(parsed.main))
        if streams.json:
            _json(console, parsed, FAILED, None, as_event(error))
        console.say("\n" + error_text(as_event(error), Paint(streams.colours)))
        return FAILED
    finally:
        console.close()


def _session_of(parsed: Parsed) -> str | None:
    # The name of the command that the session was about decides between heading and none.
    try:
        for event in read_events(find_log(parsed.parameters["session"])):
            if isinstance(event, SessionStarted):
                return title_of(event.argv)
            break
    except GrilseError:
        # Said properly when the log is read for good.
        pass
    return None


def lines_display(console: Console, session: str | None, streams: Streams) -> PlainDisplay:
    """A display whose lines are the command's result."""
    return PlainDisplay(
        lambda text: console.put_result(text.encode(errors="replace")),
        console.put_result,
        Paint(streams.colours),
        session=session is not None,
    )


def _run(parsed: Parsed, command: str, console: Console, streams: Streams, clock: SessionClock | None) -> int:
    if command == "list":
        limit = parsed.parameters["limit"]
        if limit is not None and limit < 1:
            raise GrilseError(f"--limit is how many sessions are shown: {limit} is none.", reason="bad-limit")
        rows = sessions(limit or DEFAULT_LIMIT)
        _result(console, parsed, streams, rows, sessions_text(rows))
        return 0
    path = find_log(parsed.parameters["session"])
    if command in ("show", "replay"):
        log = read_events(path)
        if streams.json:
            # Whatever is shown goes to standard error.
            _json(console, parsed, 0, [to_builtins(event) for event in log], None)
            return 0
        # The status is about showing, which went well: a script asks for the session's with --output json.
        if clock is not None:
            return 130 if replay(log, console, clock) == 130 else 0
        show_at_once(log, lines_display(console, _session_of(parsed), streams))
        return 0
    if command == "trace":
        return _trace(parsed, path, console)
    report, as_text = _REPORTS[command]
    found = read_record(path)
    data = report(found)
    if parsed.parameters["session"] is None and not streams.json:
        # Which one was chosen is worth knowing, and no part of the result.
        state = "" if found.state == "ended" else f" ({found.state})"
        console.say(f"{found.name}: {' '.join(('grilse', *found.argv))}{state}\n")
    _result(console, parsed, streams, data, as_text(data))
    return 0


def sessions(limit: int) -> list[dict[str, Any]]:
    """The newest sessions: name, time of start, seconds, exit status and command line."""
    found: list[dict[str, Any]] = []
    for name in session_names():
        if len(found) == limit:
            break
        path = os.path.join(sessions_directory(), name, LOG_NAME)
        session = Record(name, path)
        try:
            for event in _ends(path):
                take(session, event)
        except GrilseError:
            continue
        look_at_state(session)
        found.append(
            {
                "session": name,
                "started": session.started,
                "seconds": max(0.0, session.ended - session.started),
                "status": session.status,
                "state": session.state,
                "command": list(session.argv),
            }
        )
    return found


def _ends(path: str) -> Iterator[Event]:
    # The first event and the last few bytes are enough for a list, however long the log.
    reader = EventReader()
    try:
        with open(path, "rb") as file:
            first = file.readline()
            file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - 16384))
            lines = [first, *file.read().splitlines()]
    except OSError as error:
        raise GrilseError(f"The log {path} cannot be read: {error.strerror}", reason="unreadable-log") from error
    for line in lines:
        event = reader.decode(line)
        if event is not None:
            yield event


def sessions_text(rows: list[dict[str, Any]]) -> str:
    """One line for each session."""
    if not rows:
        return f"No session is kept in {sessions_directory()}.\n"
    lines = []
    for row in rows:
        status = row["state"] if row["status"] is None else str(row["status"])
        when = time_of_day(row["started"])
        command = " ".join(["grilse", *row["command"]])
        lines.append(f"{row['session']: <24} {when}  {row['seconds']: >8.1f}s  {status: >7}  {command}")
    return "\n".join(lines) + "\n"


def _trace(parsed: Parsed, path: str, console: Console) -> int:
    data = msgspec.json.encode(trace(read_events(path))) + b"\n"
    out = parsed.parameters["out"]
    if out is None or out == "-":
        console.put_result(data)
        return 0
    try:
        with open(out, "wb") as file:
            file.write(data)
    except OSError as error:
        raise GrilseError(f"The trace cannot be written to {out}: {error.strerror}", reason="unwritable") from error
    return 0


def _result(console: Console, parsed: Parsed, streams: Streams, data: Any, text: str) -> None:
    if streams.json:
        _json(console, parsed, 0, data, None)
    else:
        console.put_result(text.encode(errors="replace"))


def _json(console: Console, parsed: Parsed, status: int, data: Any, error: Error | None) -> None:
    document = {
        "schema": SCHEMA,
        "command": list(parsed.words),
        "status": status,
        "result": data,
        "error": None
        if error is None
        else {"domain": error.domain, "reason": error.reason, "message": error.message, "detail": error.detail},
    }
    console.put_result(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
