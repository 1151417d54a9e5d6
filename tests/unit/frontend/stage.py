"""Plays events to a live display on a virtual terminal, with a clock of its own."""

from __future__ import annotations

from collections.abc import Iterable

import pyte

from grilse.frontend.display.live import LiveDisplay, Terminal
from grilse.frontend.display.paint import Paint
from grilse.protocol.events import Event


class Stage:
    """A display, its terminal and its clock.

    Attributes:
        display: the display.
        screen: the virtual terminal.
        now: the time, seconds since the epoch.
        written: bytes written to the terminal.
        frames: how often something was written.
    """

    def __init__(
        self,
        columns: int = 80,
        rows: int = 24,
        *,
        session: str | None = "Build",
        verbose: bool = False,
        quiet: bool = False,
        encoding: str = "utf-8",
        colours: bool = True,
    ) -> None:
        self.now = 0.0
        self.written = 0
        self.frames = 0
        self.backlog = 0
        self.rate = 1e6
        self.screen = pyte.HistoryScreen(columns, rows, history=10000)
        # What the terminal driver does with line feeds.
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.ByteStream(self.screen)
        self.display = LiveDisplay(
            Terminal(
                put=self._put,
                backlog=lambda: self.backlog,
                rate=lambda: self.rate,
                size=lambda: (self.screen.columns, self.screen.lines),
            ),
            Paint(colours),
            session=session,
            verbose=verbose,
            quiet=quiet,
            encoding=encoding,
            clock=lambda: self.now,
        )

    def _put(self, data: bytes) -> None:
        self.written += len(data)
        self.frames += bool(data)
        self._stream.feed(data)

    def advance(self, until: float) -> None:
        """Let time pass, drawing whenever the display wants to."""
        while True:
            wait = self.display.tick(self.now)
            if wait is None or self.now + wait > until:
                break
            # A hair later, so that adding up fractions does not fall short of what was asked for.
            self.now += max(wait, 1e-6)
        self.now = max(self.now, until)

    def play(self, events: Iterable[Event], until: float | None = None) -> None:
        """Show events at their times; those after `until` are left in the iterator's hands but for one."""
        for event in events:
            time = getattr(event, "time", 0.0) or self.now
            if until is not None and time > until:
                self.advance(until)
                return
            if self.now == 0.0:
                self.now = time
            self.advance(time)
            self.display.show([event])
        if until is not None:
            self.advance(until)

    @property
    def text(self) -> str:
        """The screen, trailing blanks left out."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip() + "\n"

    @property
    def history(self) -> str:
        """What has scrolled away, and the screen."""
        rows = self.screen.history.top
        gone = ["".join(row[column].data for column in range(self.screen.columns)).rstrip() for row in rows]
        return "\n".join([*gone, self.text])
