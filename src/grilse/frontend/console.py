"""Where a session is shown: chooses the displays for the streams that there are, and keeps their order.

Knows the options and the streams; nothing of backends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from ..platform.terminal import KeyMode, SignalPort, same_file
from .display.paint import Paint
from .display.plain import PlainDisplay
from .parser import Parsed
from .session import View
from .streams import STDERR, STDIN, STDOUT, Streams
from .writer import Writer

if TYPE_CHECKING:
    from .display.live import LiveDisplay

# Seconds that a terminal has at the end to take what is left; what it does not take is in the session's log.
LAST_FLUSH = 1.5
# Size of a terminal that does not know its own.
_USUAL_SIZE = (80, 24)


class Console:
    """The displays of one session and what they write with.

    Args:
        parsed: the command line.
        streams: what the standard streams are.
        session: name of the session ("Build"), or None for a command that is none.
        log_file: file that gets the log lines too; closed with the console.

    Attributes:
        display: the display for people.
        views: all who look at the events, `display` among them.
        port, keys: signals and keys.
    """

    def __init__(
        self,
        parsed: Parsed,
        streams: Streams,
        session: str | None,
        log_file: IO[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        main = parsed.main
        self.streams = streams
        self.port = SignalPort()
        self.keys = KeyMode(STDIN)
        self._errors = Writer(self.port.wake)
        # One queue for both streams when they end up in the same place, so that order is kept.
        self._results = self._errors if same_file(STDOUT, STDERR) or streams.live else Writer(self.port.wake)
        self._log_file = log_file
        paint = Paint(streams.colours)
        self.display: LiveDisplay | PlainDisplay
        if streams.live:
            # Only what is used is imported: these three are as large as all the rest.
            from .display.live import LiveDisplay, Terminal
            from .history import durations_of

            self.display = LiveDisplay(
                Terminal(
                    put=lambda data: self._errors.put(STDERR, data),
                    backlog=lambda: self._errors.backlog,
                    rate=lambda: self._errors.rate,
                    size=_terminal_size,
                ),
                paint,
                session=session,
                title=" ".join(parsed.words).capitalize(),
                verbose=bool(main.get("verbose") or main.get("debug")),
                quiet=bool(main.get("quiet")),
                encoding=_encoding(),
                history=durations_of,
                clock=clock,
            )
        else:
            self.display = PlainDisplay(
                self.say,
                self.put_result,
                paint,
                session=session is not None,
                # On a terminal the result alone is wanted of a command that is no session, even if it goes elsewhere.
                quiet=bool(main.get("quiet")) or (session is None and streams.watched and not main.get("verbose")),
            )
        self.views: list[View] = [self._for_people(), *self._for_machines(parsed)]
        if session == "Build":
            from .history import Historian

            self.views.append(Historian())
        if self._log_file is not None:
            self.views.append(_WithoutOutput(_log_file_display(self._log_file, session)))

    def keep_result(self) -> bytearray:
        """From now on keep the command's result instead of writing it; returns where it is kept."""
        kept = bytearray()
        self.views[0] = _Kept(self.display, kept)
        return kept

    def _for_people(self) -> View:
        # A result for machines goes to standard output instead of the text.
        return _WithoutOutput(self.display) if self.streams.json or self.streams.events else self.display

    def _for_machines(self, parsed: Parsed) -> list[View]:
        views: list[View] = []
        if not (self.streams.events or self.streams.json):
            return views
        from .display.machine import JsonLines, JsonResult

        if self.streams.events:
            views.append(JsonLines(self.put_result))
        else:
            views.append(JsonResult(self.put_result, parsed.words))
        return views

    def put_result(self, data: bytes) -> None:
        """Queue bytes for standard output."""
        self._results.put(STDOUT, data)

    def say(self, text: str) -> None:
        """Write text to standard error, below everything that was drawn."""
        self._errors.put(STDERR, text.encode(_encoding(), errors="replace"))

    def flush(self, timeout: float | None) -> bool:
        """Wait until all is written, at most so many seconds."""
        return self._errors.flush(timeout) and self._results.flush(timeout)

    def reader_gone(self) -> bool:
        """Whether nobody reads standard output any more."""
        return self._results.broken(STDOUT)

    def fault(self) -> str | None:
        """Why standard output cannot be written, in words, if that is so and worth telling."""
        return self._results.fault(STDOUT)

    def clear(self) -> None:
        """Take away what is drawn, after something went wrong."""
        self._errors.put(STDERR, self.display.restore())

    def close(self) -> None:
        """Write what is left and put everything back: terminal, signals."""
        try:
            # A terminal must not keep us; what reads from a pipe or a file gets everything.
            self._errors.flush(LAST_FLUSH if self.streams.live else None)
            self._results.flush(None)
        finally:
            self.keys.restore()
            self.port.close()
            if self._log_file is not None:
                self._log_file.close()

    def leave(self, status: int) -> None:
        """End this process at once, the terminal in order."""
        self._errors.drop(STDERR)
        self._errors.put(STDERR, self.display.restore())
        self._errors.flush(LAST_FLUSH)
        self.keys.restore()
        os._exit(status)


class _WithoutOutput:
    """A view that does not get the command's result."""

    def __init__(self, view: View) -> None:
        self.show: Callable[..., None] = view.show
        self.finish: Callable[[int], None] = view.finish

    def output(self, data: bytes) -> None:
        """Drop it: somebody else shows it in another form."""


class _Kept(_WithoutOutput):
    """A view that keeps the command's result."""

    def __init__(self, view: View, kept: bytearray) -> None:
        super().__init__(view)
        self._kept = kept

    def output(self, data: bytes) -> None:
        """Keep it."""
        self._kept += data


def _log_file_display(file: IO[str], session: str | None) -> PlainDisplay:
    def put(text: str) -> None:
        file.write(text)

    return PlainDisplay(put, lambda data: None, Paint(False), session=session is not None)


def _terminal_size() -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(STDERR)
    except OSError:
        return _USUAL_SIZE
    return (columns or _USUAL_SIZE[0], rows or _USUAL_SIZE[1])


def _encoding() -> str:
    # There is no such stream when it was closed.
    return getattr(sys.stderr, "encoding", None) or "utf-8"
