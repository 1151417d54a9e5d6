"""One session of the backend: from the request to the exit status, whatever happens in between.

Knows the order of things (log, control, command, last words) and nothing of what commands do.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime

from .. import __version__, platform
from ..protocol.channel import Channel, ChannelClosed, ProtocolError
from ..protocol.errors import ErrorDomain, GrilseError
from ..protocol.events import CaughtUp, Event, Result, SessionStarted, Terminating
from ..protocol.pauses import PAUSES
from ..protocol.requests import Hello, Request
from ..protocol.trail import TRAIL, Trail
from .clock import Clock
from .control import Control, ControlChannel
from .eventlog import EventLog
from .history import LOG_NAME, claim_session, prune_sessions, remove_makeshift, session_directory
from .loop import Loop
from .outbox import Outbox
from .reporter import Reporter

# Exit statuses, as bst has them.
STATUS_OK = 0
STATUS_ERROR = 255
STATUS_BUG = 1
# Seconds at the end that a slow frontend gets to take the last events before they are left to the log.
FLUSH_LIMIT = 1.0


class Session:
    """What commands work with.

    Attributes:
        request: what was asked.
        reporter: where everything is told.
        loop: the event loop.
        control: receives commands from the frontend.
        clock: elapsed time.
        identifier: names the session and its directory.
        directory: the session's own directory, for the event log and the plan.
        trail: what the session is doing, for the case that it dies of it.
        lasting: to be held from before something is made that would outlast the process until `at_abort` knows of it.
    """

    def __init__(self, request: Request, channel: ControlChannel, events: Channel[Event | Hello, Event]) -> None:
        self.request = request
        self.clock = Clock()
        self.identifier = f"{datetime.now():%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"
        self.directory = session_directory(_sessions_directory(), self.identifier)
        self.clock.keep_pauses(os.path.join(self.directory, PAUSES))
        # Held until this process ends.
        self._claim = claim_session(self.directory)
        self.trail = Trail(os.path.join(self.directory, TRAIL))
        log = EventLog(os.path.join(self.directory, LOG_NAME))
        self.outbox = Outbox(events, log)
        self.reporter = Reporter(log, self.outbox, self.clock)
        self.loop = Loop()
        self.loop.before_sleep(self.reporter.flush)
        self._channel = channel
        self._ended = False
        self._at_abort: list[Callable[[], None]] = []
        self.lasting = threading.Lock()
        self.reporter.emit(
            SessionStarted(
                time=time.time(),
                session=self.identifier,
                log=log.path,
                argv=request.invocation.argv,
                program=__version__,
            )
        )
        self.control = Control(channel, self.abort)

    def at_abort(self, callback: Callable[[], None]) -> None:
        """Have something done, in whatever thread, before the process ends in the middle of its work."""
        self._at_abort.append(callback)

    def copy_events(self) -> None:
        """Append the session's events to the file that the user named, if there is one.

        Raises:
            GrilseError: ``events-file``: it cannot be opened.
        """
        path = _events_file(self.request)
        if path is None:
            return
        try:
            self.reporter.log.copy_to(path)
        except OSError as error:
            raise GrilseError(
                f"Events cannot be written to '{path}': {error.strerror}",
                reason="events-file",
                detail="The file is named by --events or the environment variable GRILSE_EVENTS.",
            ) from error

    def abort(self) -> None:
        """End the session at once, from any thread, while no job has been scheduled yet."""
        self.reporter.emit(Terminating(time=time.time(), why="terminate", running=0))
        self.finish(STATUS_ERROR)
        platform.kill_tree(os.getpid(), spare_root=True)
        # Never released: what would have to be undone is not begun any more.
        self.lasting.acquire()
        for callback in self._at_abort:
            callback()
        remove_makeshift(self.directory)
        os._exit(STATUS_ERROR)

    def finish(self, status: int) -> None:
        """Say the last words: what could not be sent is in the log, and the status."""
        if self._ended:
            return
        self._ended = True
        log = self.reporter.log
        log.flush()
        if log.copy_lost:
            self.reporter.text(
                "warn", f"Events are missing in '{_events_file(self.request)}': it could not be written to"
            )
        result = Result(time=time.time(), status=status, log_size=log.size)
        log.append(result)
        log.flush()
        unsent = self.outbox.finish(FLUSH_LIMIT)
        try:
            if unsent is not None:
                self._channel.send(CaughtUp(start=unsent[0], end=unsent[1]))
            self._channel.send(result)
        except ChannelClosed:
            pass
        log.close()


def run_session(channel: ControlChannel, events: Channel[Event | Hello, Event]) -> int:
    """Carry out the one request of this process; returns its exit status."""
    faulthandler.enable()
    platform.become_subreaper()
    platform.outlive_parent_briefly(os.getppid())
    try:
        request = channel.receive()
    except (ChannelClosed, ProtocolError):
        # The frontend ended before it asked for anything: a usage error, say.
        return STATUS_OK
    if not isinstance(request, Request):
        return STATUS_BUG
    session = Session(request, channel, events)
    # Telling of an error takes modules, and so a descriptor, when there may be no other left.
    spare = os.open(os.devnull, os.O_RDONLY)
    try:
        session.copy_events()
        from .commands import run_command

        status = run_command(session)
    except GrilseError as error:
        session.reporter.error(error)
        status = STATUS_ERROR
    except BaseException as error:  # noqa: BLE001 - a process main: whatever it is has to be told
        os.close(spare)
        status = _tell_unexpected(session, error)
    session.finish(status)
    # What plugins have started while they were loaded.
    platform.kill_tree(os.getpid(), spare_root=True)
    # The frontend has heard its last word and waits no more.
    prune_sessions(_sessions_directory())
    remove_makeshift(session.directory)
    return status


def _tell_unexpected(session: Session, error: BaseException) -> int:
    """Tell whose fault an exception is, a plugin's, the machine's or ours; returns the exit status."""
    from ..plugin.blame import as_plugin_error

    orderly: GrilseError | None = as_plugin_error(error, "")
    if orderly is None and (isinstance(error, OSError | MemoryError | RecursionError) or _is_no_thread(error)):
        orderly = _environment_error(error)
    if orderly is None:
        session.reporter.bug(error)
        return STATUS_BUG
    session.reporter.error(orderly)
    return STATUS_ERROR


def _is_no_thread(error: BaseException) -> bool:
    """Whether the system refuses another thread, for which Python has no exception of its own."""
    return type(error) is RuntimeError and str(error) == "can't start new thread"


def _environment_error(error: BaseException) -> GrilseError:
    if isinstance(error, OSError):
        place = f" ('{error.filename}')" if error.filename else ""
        text = f"{error.strerror or error}{place}"
    elif isinstance(error, MemoryError):
        text = "memory is exhausted"
    elif _is_no_thread(error):
        text = "the system starts no further thread: memory, or the number of processes, is limited too tightly"
    else:
        text = f"this is nested too deeply: {error}"
    return GrilseError(text, domain=ErrorDomain.APP, detail=None)


def _sessions_directory() -> str:
    return os.path.join(platform.user_cache_directory(), "grilse", "sessions")


def _events_file(request: Request) -> str | None:
    return os.path.abspath(request.invocation.events) if request.invocation.events else None
