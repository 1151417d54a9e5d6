"""The display on a terminal: finished lines scroll above a small area that is redrawn a few times a second.

Knows the words (``live_lines``) and the area (``screen``); decides when something is drawn and, for a terminal that is
slower than the events, what is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...protocol import events
from ...protocol.events import Event
from .errors import error_text, unhandled_text
from .estimate import Estimate
from .live_lines import MAIN_ACTIONS, Look, Marks, area_lines, job_lines, summary_lines, text_lines
from .model import Model
from .paint import Paint
from .screen import SHOW_CURSOR, Area, fit_painted

# Seconds between two redraws at least: about ten a second, and any event is on the screen within a tenth.
REDRAW_INTERVAL = 0.09
# Seconds between two redraws that only move the clock.
CLOCK_INTERVAL = 1.0
# Seconds that nothing is drawn at first, so that a quick command draws no area at all.
QUIET_START = 0.3
# Seconds that a terminal may take for a frame, and bytes of a frame at least and at most.
FRAME_TIME = 0.25
FRAME_BYTES = (1024, 64 * 1024)
# Seconds that it may take for the last frame.
LAST_TIME = 0.5


class _Pending(NamedTuple):
    """Lines to scroll up: text to be shown whole, or bytes of the command's result."""

    text: str
    important: bool
    data: bytes = b""


class Terminal(NamedTuple):
    """What a live display needs of a terminal.

    Attributes:
        put: queues bytes to be written.
        backlog: bytes queued and not yet written.
        rate: bytes a second that it takes, as far as is known.
        size: columns and rows.
    """

    put: Callable[[bytes], None]
    backlog: Callable[[], int]
    rate: Callable[[], float]
    size: Callable[[], tuple[int, int]]


class LiveDisplay:
    """Draws a session.

    Args:
        terminal: where to draw.
        paint: colours or none.
        session: name of the session ("Build"), or None for a command that is none.
        title: what a command that is no session is called.
        verbose: show more kinds of messages.
        quiet: show only warnings, failures and the summary.
        encoding: of the terminal.
        history: gives the seconds that the elements of a project took in earlier sessions.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        terminal: Terminal,
        paint: Paint,
        *,
        session: str | None,
        title: str = "Working",
        verbose: bool = False,
        quiet: bool = False,
        encoding: str = "utf-8",
        history: Callable[[str], Mapping[str, float]] = lambda project: {},
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.model = Model()
        self._terminal = terminal
        self._paint = paint
        self._session = session
        self._verbose = verbose
        self._quiet = quiet
        self._look = Look(session, title, paint, Marks(encoding.lower().replace("-", "") == "utf8"))
        self._encoding = encoding
        self._history = history
        self._estimate = Estimate(MAIN_ACTIONS.get(session or "", ""))
        self._clock = clock
        self._area = Area()
        self._pending: list[_Pending] = []
        self._question: list[str] = []
        self._has_result = False
        self._dirty = False
        self._paused = False
        self._away = False
        self._resized = False
        # Until then nothing but lines is drawn.
        self._quiet_until: float | None = None
        self._last_frame = float("-inf")
        self._line_start = True
        # While suspended the clocks stand still: seconds to take off the time of day.
        self._standing = 0.0
        self._stopped_at: float | None = None

    def show(self, batch: Sequence[Event]) -> None:
        """Take in events; they are drawn at the next tick."""
        for event in batch:
            self.model.apply(event)
            if isinstance(event, events.Pipeline):
                self._estimate.plan(event, self._history(event.project))
            elif isinstance(event, events.JobFinished) and not event.will_retry:
                self._estimate.finished(event.element, event.action, event.status, event.seconds)
            lines = self._lines(event)
            if lines:
                important = isinstance(event, events.JobFinished) and event.status in ("failed", "lost")
                important = important or (isinstance(event, events.Text) and event.kind in ("warn", "error", "bug"))
                self._pending.append(_Pending("\n".join(lines) + "\n", important))
        self._dirty = True

    def output(self, data: bytes) -> None:
        """Show a piece of the command's result; it is never left out."""
        self._has_result = True
        self._pending.append(_Pending("", True, data))
        self._dirty = True

    def ask(self, lines: Sequence[str]) -> None:
        """Show a question below everything, or none."""
        self._question = list(lines)
        self._dirty = True
        # A question is drawn at once.
        self._last_frame = float("-inf")

    def note(self, text: str) -> None:
        """Say something that is no event, at once: it answers somebody."""
        self._pending.append(_Pending(text + "\n", True))
        self._dirty = True
        self._last_frame = float("-inf")

    def resize(self) -> None:
        """The terminal has another size."""
        self._resized = True
        self._dirty = True

    def tick(self, now: float) -> float | None:
        """Draw if it is time to; seconds until it is, or None when nothing is to be drawn before something happens."""
        if self._quiet_until is None:
            self._quiet_until = now + QUIET_START
        if self._paused:
            return None
        if self._terminal.backlog() > 0:
            # Whoever writes says when it is done.
            return None
        due = self._last_frame + (REDRAW_INTERVAL if self._dirty else CLOCK_INTERVAL)
        if not self._pending and not self._question:
            due = max(due, self._quiet_until)
        if now < due:
            return due - now if self._dirty or self._area.height or self._active() else None
        if not self._dirty and not self._area.height and not self._active():
            return None
        self._draw(now)
        return CLOCK_INTERVAL

    def _active(self) -> bool:
        return bool(self.model.running or self.model.spans or self.model.queues)

    def _draw(self, now: float) -> None:
        begun = self._quiet_until is not None and now >= self._quiet_until
        # Once there is a result, only jobs are worth an area below it.
        idle = self._session is None and self._has_result and not self.model.running
        wanted = (begun and not self._quiet and not idle) or self._question
        lines = self._area_lines() if wanted and not self._away else []
        self._put(self._above(self._budget(FRAME_TIME)), lines)
        self._dirty = False
        self._last_frame = now

    def _area_lines(self) -> list[str]:
        size = self._terminal.size()
        now = self._now()
        left = self._estimate.seconds(self.model.running.values(), now) if self.model.pipeline is not None else None
        if self._question and not self.model.running:
            # Nothing goes on before somebody answers.
            left = None
        lines = area_lines(self.model, now, left, size, self._look)
        question = [fit_painted(line, size[0] - 1) for line in self._question]
        if question:
            # On a low terminal the question matters more than what runs meanwhile.
            keep = max(0, min(len(lines), size[1] - len(question) - 1))
            lines = lines[:keep]
        return lines + question

    def _put(self, above: bytes, lines: list[str]) -> None:
        if self._resized:
            self._resized = False
            self._terminal.put(self._encoded(self._area.forget()))
        if not self._line_start and lines:
            above += b"\n"
            self._line_start = True
        marker = "\0above\0"
        frame = self._encoded(self._area.frame(marker if above else "", lines))
        self._terminal.put(frame.replace(self._encoded(marker), above))

    def _above(self, budget: int) -> bytes:
        pending, self._pending = self._pending, []
        if sum(len(item.text) for item in pending) > budget:
            pending = self._condensed(pending, budget)
        parts = []
        for item in pending:
            if item.data:
                parts.append(item.data)
                self._line_start = item.data.endswith(b"\n")
            else:
                if not self._line_start:
                    parts.append(b"\n")
                parts.append(self._encoded(item.text))
                self._line_start = True
        return b"".join(parts)

    def _condensed(self, pending: list[_Pending], budget: int) -> list[_Pending]:
        # What matters is kept first, then what is newest; the rest becomes one line that says how much it was.
        room = budget
        kept: set[int] = set()
        for important in (True, False):
            for place in range(len(pending) - 1, -1, -1):
                item = pending[place]
                if item.data:
                    kept.add(place)
                elif item.important is important and len(item.text) <= room:
                    kept.add(place)
                    room -= len(item.text)
        left_out = len(pending) - len(kept)
        where = f", see {self.model.log}" if self.model.log else ""
        note = _Pending(self._paint(f"  ({left_out} lines not shown{where})", "dim") + "\n", True)
        return ([note] if left_out else []) + [item for place, item in enumerate(pending) if place in kept]

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding, errors="replace")

    def _budget(self, seconds: float) -> int:
        rate = self._terminal.rate()
        return int(max(FRAME_BYTES[0], min(FRAME_BYTES[1], rate * seconds)))

    def _now(self) -> float:
        return (self._stopped_at or self._clock()) - self._standing

    def pause(self) -> None:
        """Draw what is pending, erase the area and leave the terminal alone until `resume`."""
        if self._paused:
            return
        self._put(self._above(self._budget(LAST_TIME)), [])
        if not self._line_start:
            self._terminal.put(b"\n")
            self._line_start = True
        self._paused = True

    def resume(self) -> None:
        """Go on drawing."""
        self._paused = False
        self._dirty = True
        self._last_frame = float("-inf")

    def background(self, away: bool) -> None:
        """While the terminal belongs to others, lines are written and no area is drawn."""
        if away and not self._away and self._area.height:
            self._put(b"", [])
        self._away = away
        self._dirty = True

    def stand_still(self) -> None:
        """The session is suspended: clocks stop."""
        if self._stopped_at is None:
            self._stopped_at = self._clock()

    def go_on(self) -> None:
        """The session goes on: clocks continue where they stopped."""
        if self._stopped_at is not None:
            self._standing += self._clock() - self._stopped_at
            self._stopped_at = None

    def finish(self, status: int) -> None:
        """Draw what is pending and the summary, and leave the terminal as any program does."""
        self._paused = False
        self._question = []
        last = self._last_words()
        above = self._above(max(FRAME_BYTES[0], self._budget(LAST_TIME) - len(last)))
        if not self._line_start:
            above += b"\n"
            self._line_start = True
        self._put(above + self._encoded(last), [])

    def _last_words(self) -> str:
        model, text = self.model, ""
        if self._session is not None and (model.pipeline is not None or model.summary is not None):
            seconds = model.summary.seconds if model.summary is not None else max(0.0, self._now() - model.started)
            columns = self._terminal.size()[0]
            lines = summary_lines(model, seconds, columns, self._look)
            text = "\n".join(lines) + "\n"
        if model.unhandled is not None:
            text += unhandled_text(model.unhandled, self._paint)
        elif model.error is not None and not (text and model.has_failures and model.error.domain == "STREAM"):
            # After a summary with failures such an error only says that there were some.
            text += error_text(model.error, self._paint)
        return text

    def restore(self) -> bytes:
        """What puts the terminal in order when nothing else can be drawn any more."""
        return self._encoded(self._area.forget() + SHOW_CURSOR) if self._area.height else b""

    def _lines(self, event: Event) -> list[str]:
        if isinstance(event, events.JobFinished):
            if self._quiet and event.status not in ("failed", "lost"):
                return []
            return job_lines(event, self.model, self._look)
        if isinstance(event, events.Text):
            return text_lines(event, self._look, verbose=self._verbose and not self._quiet)
        return []
