"""A past session read from its event log, and where the logs are.

Knows the log's form; nothing of what commands make of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from ...platform.files import try_lock
from ...protocol import events
from ...protocol.errors import GrilseError
from ...protocol.events import Event
from ..display.model import Model
from ..places import LOCK_NAME, LOG_NAME, session_names, sessions_directory
from ..session_log import EventReader

_TITLES = {"fetch": "Fetch", "track": "Track", "pull": "Pull", "push": "Push"}
# Sessions looked at, at most, to find the newest one that ran jobs.
_LOOKED_AT = 200
# How the line of a job that was started begins, and bytes read at a time to find one.
_JOB = b'{"event":"job-started",'
_BLOCK = 1 << 20


@dataclass(slots=True)
class Record:
    """A session that has ended, or is still going on.

    Attributes:
        name: its identifier.
        path: of its log.
        model: the state at the end of the log.
        argv: command line.
        started, ended: seconds since the epoch.
        status: exit status, or None when the log has no end.
        running: it has no end since the session still goes on.
    """

    name: str
    path: str
    model: Model = field(default_factory=Model)
    argv: tuple[str, ...] = ()
    started: float = 0.0
    ended: float = 0.0
    status: int | None = None
    running: bool = False

    @property
    def state(self) -> str:
        """ "ended", "running", or "killed" for a session that could not say how it ended."""
        return "ended" if self.status is not None else "running" if self.running else "killed"


def find_log(wanted: str | None) -> str:
    """The path of a session's log.

    Args:
        wanted: its name, the beginning of one that no other has, a path, or None for the newest that had jobs to run
            (``build`` and the like), or else the newest of all.

    Raises:
        GrilseError: there is none, or more than one.
    """
    if wanted and os.path.isdir(wanted):
        wanted = os.path.join(wanted, LOG_NAME)
    if wanted and os.path.isfile(wanted):
        return wanted
    names = session_names()
    found = [name for name in names if name.startswith(wanted)] if wanted else _newest(names)
    if not found:
        raise GrilseError(
            f"No session is called '{wanted}'; 'grilse log list' shows those that are kept."
            if wanted
            else f"No session is kept in {sessions_directory()}.",
            reason="no-session",
        )
    if len(found) > 1 and wanted not in found:
        raise GrilseError(
            f"'{wanted}' may be any of {len(found)} sessions; type more of the name.",
            reason="ambiguous-session",
            detail="\n".join(found[:10]),
        )
    name = wanted if wanted in found else found[0]
    return os.path.join(sessions_directory(), str(name), LOG_NAME)


def _newest(names: list[str]) -> list[str]:
    for name in names[:_LOOKED_AT]:
        try:
            with open(os.path.join(sessions_directory(), name, LOG_NAME), "rb") as file:
                first = EventReader().decode(file.readline())
                if isinstance(first, events.SessionStarted) and title_of(first.argv) is not None and _has_jobs(file):
                    return [name]
        except OSError:
            continue
    return names[:1]


def _has_jobs(file: IO[bytes]) -> bool:
    # Not decoded: a plan of thousands of elements comes before the first job.
    before = b""
    while block := file.read(_BLOCK):
        if _JOB in before + block:
            return True
        before = block[-len(_JOB) :]
    return False


def title_of(argv: Sequence[str]) -> str | None:
    """The name of a session, such as "Build", by its command line; None for a command that is no session."""
    words = [word for word in argv if not word.startswith("-")]
    # What options take comes between, so that a command is looked for rather than parsed.
    for place, word in enumerate(words):
        if word == "build":
            return "Build"
        if word in ("source", "artifact") and words[place + 1 : place + 2]:
            return _TITLES.get(words[place + 1])
    return None


def read_events(path: str) -> Iterator[Event]:
    """The events of a log; a last line that is still being written is left out.

    Raises:
        GrilseError: it cannot be read, or is no log.
    """
    empty = True
    try:
        for event in EventReader().range(path, 0):
            empty = False
            yield event
    except OSError as error:
        raise GrilseError(f"The log {path} cannot be read: {error.strerror}", reason="unreadable-log") from error
    if empty:
        raise _not_a_log(path)


def _not_a_log(path: str) -> GrilseError:
    return GrilseError(f"{path} is not the log of a session.", reason="not-a-log")


def read_record(path: str) -> Record:
    """Read a whole session.

    Raises:
        GrilseError: the log cannot be read, or is no log.
    """
    name = os.path.basename(os.path.dirname(os.path.abspath(path)))
    record = Record(name, path)
    for event in read_events(path):
        take(record, event)
    if not record.started:
        raise _not_a_log(path)
    look_at_state(record)
    return record


def look_at_state(record: Record) -> None:
    """Find out whether a session whose log has no end still goes on."""
    record.running = record.status is None and _is_locked(os.path.join(os.path.dirname(record.path), LOCK_NAME))


def _is_locked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(descriptor)
    except OSError:
        # The file system has no locks.
        return False
    finally:
        os.close(descriptor)


def take(record: Record, event: Event) -> None:
    """Take in one event."""
    record.model.apply(event)
    match event:
        case events.SessionStarted():
            record.name, record.argv, record.started = event.session, event.argv, event.time
        case events.Result():
            record.status = event.status
    record.ended = max(record.ended, getattr(event, "time", 0.0))


def time_of_day(seconds: float) -> str:
    """A point in time for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
