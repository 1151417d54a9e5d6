"""The display for anything that is not a terminal: bst's log lines, one after the other.

Knows nothing of terminals; nothing is ever redrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...protocol import events
from ...protocol.events import Event, LogStyle, Pipeline, Summary, Text
from .errors import error_text, unhandled_text
from .loglines import ERRORS, LogLines
from .paint import Paint


class PlainDisplay:
    """Writes a line for each message.

    Args:
        write: takes text, at once.
        write_output: takes the command's result.
        paint: colours or none.
        session: the command is a session, which has a heading and a summary.
        quiet: only warnings, failures and the summary.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        write_output: Callable[[bytes], None],
        paint: Paint,
        *,
        session: bool,
        quiet: bool = False,
    ) -> None:
        self._write = write
        self._write_output = write_output
        self._paint = paint
        self._session = session
        self._quiet = quiet
        self._lines = LogLines(LogStyle(), paint)
        self._pipeline: Pipeline | None = None
        self._failures: dict[str, Text] = {}
        self._summary: Summary | None = None
        self._error: events.Error | None = None
        self._unhandled: events.Unhandled | None = None

    def show(self, batch: Sequence[Event]) -> None:
        """Show events, in order."""
        text = "".join([self._render(event) for event in batch])
        if text:
            self._write(text)

    def output(self, data: bytes) -> None:
        """Pass a piece of the command's result on."""
        self._write_output(data)

    def tick(self, now: float) -> float | None:
        """Nothing is redrawn."""
        return None

    def ask(self, lines: Sequence[str]) -> None:
        """Write a question out."""
        if lines:
            self._write("\n".join(lines) + "\n")

    def note(self, text: str) -> None:
        """Say something that is no event."""
        self._write(text + "\n")

    def resize(self) -> None:
        """Lines are as long as they are."""

    def pause(self) -> None:
        """Nothing is in the way of what else is written."""

    def resume(self) -> None:
        """See `pause`."""

    def stand_still(self) -> None:
        """No clock is shown."""

    def go_on(self) -> None:
        """See `stand_still`."""

    def background(self, away: bool) -> None:
        """Lines may be written from the background too."""

    def restore(self) -> bytes:
        """The terminal was never changed."""
        return b""

    def finish(self, status: int) -> None:
        """Say last what the session did, and what the command ended with."""
        if self._summary is not None and self._session:
            self._write(self._lines.summary(self._summary, self._pipeline, self._failures))
        if self._unhandled is not None:
            self._write("\n" + unhandled_text(self._unhandled, self._paint))
        elif self._error is not None:
            self._write("\n" + error_text(self._error, self._paint))

    def _render(self, event: Event) -> str:
        match event:
            case Text():
                return self._text(event)
            case LogStyle():
                self._lines = LogLines(event, self._paint)
                return f"{self._lines.complaint}\n" if self._lines.complaint else ""
            case Pipeline():
                self._pipeline = event
                return self._lines.heading(event) if self._session and not self._quiet else ""
            case Summary():
                # Told last, after the session's own success or failure.
                self._summary = event
            case events.Error(scope="main"):
                self._error = event
            case events.Unhandled():
                self._unhandled = event
            case _:
                pass
        return ""

    def _text(self, text: Text) -> str:
        if text.element and text.kind in ERRORS:
            self._failures[text.element] = text
        if self._quiet and text.kind not in ERRORS and text.kind != "warn":
            return ""
        return self._lines.render(text) if self._lines.wanted(text) else ""
