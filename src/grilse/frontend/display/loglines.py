"""Log lines in the form that bst has and the user's ``logging`` configuration asks for.

Knows the events that carry text; nothing of where the lines go.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence

from ...protocol.events import LogStyle, Pipeline, PipelineElement, Summary, Text
from .paint import Paint, printable

INDENT = "    "

# Text kinds as bst writes them, and their colours.
KINDS = {
    "debug": ("DEBUG", "cyan"),
    "status": ("STATUS", "cyan"),
    "info": ("INFO", "magenta"),
    "warn": ("WARNING", "yellow"),
    "start": ("START", "blue"),
    "success": ("SUCCESS", "green"),
    "failure": ("FAILURE", "red"),
    "skipped": ("SKIPPED", "yellow"),
    "error": ("ERROR", "red"),
    "bug": ("BUG", "red"),
}
ERRORS = frozenset(("failure", "error", "bug"))

_ENDS = frozenset(("success", "failure", "skipped"))

# What is shown of a key that is not known.
UNKNOWN_KEY = "?" * 64

_RULE = "=" * 70
_HEADING_RULE = "=" * 79

Column = Callable[[Text], str]


class FormatError(ValueError):
    """A message format names something that is no column."""


def compile_format(style: LogStyle, paint: Paint) -> list[Column]:
    """The columns of a log line.

    Raises:
        FormatError: the format cannot be understood.
    """
    known: dict[str, Column] = {
        "elapsed": lambda text: paint(clock(_elapsed(text)), "yellow"),
        "elapsed-us": lambda text: paint(clock(_elapsed(text), microseconds=True), "yellow"),
        "wallclock": lambda text: paint(time.strftime("%H:%M:%S", time.localtime(text.time)), "yellow"),
        "wallclock-us": lambda text: paint(
            f"{time.strftime('%H:%M:%S', time.localtime(text.time))}.{int(text.time % 1 * 1e6):06d}", "yellow"
        ),
        "key": lambda text: _key(text, style, paint),
        "element": lambda text: _element(text, paint),
        "action": lambda text: _kind(text, paint),
        "message": lambda text: _message(text, style, paint),
    }
    columns: list[Column] = []
    if style.debug:
        columns.append(lambda text: f"job:{text.job if text.job is not None else '-': <5} ")
    rest = style.message_format.rstrip("\n")
    while rest:
        if rest.startswith("%%"):
            columns.append(_fixed("%", paint))
            rest = rest[2:]
        elif (symbol := re.match(r"%\{([^}]*)\}", rest)) is not None:
            name = symbol[1]
            if name not in known:
                raise FormatError(f"'%{{{name}}}' in the message format is none of {', '.join(known)}")
            columns.append(known[name])
            rest = rest[symbol.end() :]
        elif (fixed := re.match(r"[^%]+", rest)) is not None:
            columns.append(_fixed(fixed[0], paint))
            rest = rest[fixed.end() :]
        else:
            raise FormatError(f"the message format cannot be understood from '{rest}' on")
    return columns


def _fixed(text: str, paint: Paint) -> Column:
    painted = paint(text, "cyan", "dim")
    return lambda _: painted


def _elapsed(text: Text) -> float | None:
    # As with bst only what has ended has taken time.
    return text.elapsed if text.kind in _ENDS else None


def clock(seconds: float | None, *, microseconds: bool = False) -> str:
    """``HH:MM:SS``, or dashes when the time is not known."""
    if seconds is None:
        return "--:--:--.------" if microseconds else "--:--:--"
    whole = int(seconds)
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{int((seconds - whole) * 1e6):06d}" if microseconds else text


def _key(text: Text, style: LogStyle, paint: Paint) -> str:
    length = style.key_length
    if not text.element or not text.key:
        return " " * length
    return paint(text.key[:length].ljust(length), "red" if text.kind in ERRORS else "yellow")


def _element(text: Text, paint: Paint) -> str:
    action = f"{(text.action or 'main').lower(): >8}"
    name = f"{printable(text.element or 'core activity'): <30}"
    if not paint.on:
        return f"{action}:{name}"
    return paint(action, "yellow") + paint(":", "cyan", "dim") + paint(name, "yellow")


def _kind(text: Text, paint: Paint) -> str:
    name, colour = KINDS.get(text.kind, (text.kind.upper(), "cyan"))
    return paint(f"{name: <7}", "bold", "dim", colour)


def _message(text: Text, style: LogStyle, paint: Paint) -> str:
    if text.scheduler and text.log and text.kind in ("start", "success"):
        return paint(relative_log(text.log, style), "dim")
    return printable(text.text)


def relative_log(path: str, style: LogStyle) -> str:
    """A task log's path without the directory that all of them are in."""
    directory = style.log_directory.rstrip("/")
    return path[len(directory) + 1 :] if directory and path.startswith(directory + "/") else path


class LogLines:
    """Makes lines of text events, in one style."""

    def __init__(self, style: LogStyle, paint: Paint) -> None:
        self.style = style
        self.paint = paint
        self.complaint: str | None = None
        try:
            self._columns = compile_format(style, paint)
        except FormatError as error:
            self.complaint = str(error)
            self._columns = compile_format(LogStyle(), paint)

    def wanted(self, text: Text) -> bool:
        """Whether the user wants to see this message."""
        if text.kind == "status":
            return self.style.verbose
        if text.kind == "debug":
            return self.style.debug
        return text.kind != "log"

    def render(self, text: Text) -> str:
        """One message: its line, its detail and, for a failed job, the end of its log; ends with a line feed."""
        line = "".join([column(text) for column in self._columns]) + "\n"
        if text.detail is None and not (text.scheduler and text.kind == "failure"):
            return line
        more = self._detail(text) if text.detail else ""
        if text.scheduler and text.kind == "failure":
            more += self._log_tail(text)
        return f"{line}{more}\n" if more else line

    def _detail(self, text: Text) -> str:
        lines = printable(text.detail or "").splitlines()
        note = ""
        # What the program itself or a failure has to say is never cut short.
        if text.kind not in ERRORS and text.element and len(lines) > self.style.message_lines:
            left_out = len(lines) - self.style.message_lines
            lines = lines[: max(0, self.style.message_lines)]
            if not lines:
                return ""
            note = INDENT + self.paint(f"Message contains {left_out} additional lines", "dim") + "\n"
        body = "".join(f"{INDENT}{line}\n" for line in lines)
        styles = ("bold", "red") if text.kind in ERRORS else ("dim",)
        return "\n" + (self.paint(body.rstrip("\n"), *styles) + "\n" if body else "") + note

    def _log_tail(self, text: Text) -> str:
        if not text.log:
            return ""
        if not self.style.verbose:
            label = self.paint("Log file: ", "red")
            return f"\n{INDENT}{label}{INDENT}{relative_log(text.log, self.style)}\n"
        if self.style.error_lines <= 0:
            return ""
        if text.log_tail is None:
            return f"\n{INDENT}{text.log}\n"
        lines = printable(text.log_tail).rstrip("\n").splitlines()[-self.style.error_lines :]
        rule = INDENT + self.paint(_RULE, "red") + "\n"
        title = self.paint(f"Printing the last {self.style.error_lines} lines from log file:", "red")
        body = "".join(f"{INDENT}{line}".rstrip() + "\n" for line in lines)
        return f"\n{INDENT}{title}\n{INDENT}{text.log}\n{rule}{self.paint(body.rstrip(chr(10)), 'dim')}\n{rule}"

    def heading(self, pipeline: Pipeline) -> str:
        """What is said before a session starts: configuration and plan."""
        parts = ["\n"]
        for titles, values in _sections(pipeline.heading):
            level = len(titles) - 1
            parts.append(INDENT * level + self.paint(titles[-1], "bold", "yellow") + "\n")
            parts.append(self._values(values, level + 1))
            parts.append("\n")
        parts.append(self.paint("Pipeline", "bold", "yellow") + "\n")
        parts += [f"{line}\n" for line in self._elements(pipeline.elements, pipeline.lines)]
        parts.append(self.paint(_HEADING_RULE, "cyan", "dim") + "\n")
        return "".join(parts)

    def _elements(self, elements: Iterable[PipelineElement], lines: Sequence[str]) -> Iterable[str]:
        return lines or [
            format_element(self.style.element_format, element, self.style, self.paint) for element in elements
        ]

    def summary(self, summary: Summary, pipeline: Pipeline | None, failures: dict[str, Text]) -> str:
        """What is said after a session; `failures` is the last failure message of each element."""
        parts = ["\n"]
        if summary.resolved:
            parts.append(self.paint("Resolved key Summary", "bold", "yellow") + "\n")
            parts += [f"{line}\n" for line in self._elements(summary.resolved, summary.resolved_lines)] + ["\n"]
        if summary.failed:
            parts.append(self.paint("Failure Summary", "bold", "yellow") + "\n")
        for name, action, message, log in sorted(summary.failed):
            # What has failed without a message is an earlier failure that is cached.
            said = failures.get(name) or Text(
                time=summary.time, kind="failure", text=message, element=name, action=action, log=log, scheduler=True
            )
            parts.append(f"{INDENT}{self.paint(name, 'cyan')}:\n")
            parts.append(_indented(self.render(said)))
        parts.append(self.paint("Pipeline Summary", "bold", "yellow") + "\n")
        values = []
        if pipeline is not None:
            values.append(("Total", str(len(pipeline.elements))))
            values.append(("Session", str(summary.elements)))
        width = max((len(str(n)) for q in summary.queues for n in (q.processed, q.skipped, q.failed)), default=1)
        for queue in summary.queues:
            counts = [
                f"{label} {self.paint(str(count), colour)}{gap}"
                for label, count, colour, gap in (
                    ("processed", queue.processed, "green", "," + " " * (width - len(str(queue.processed)) + 1)),
                    ("skipped", queue.skipped, "yellow", "," + " " * (width - len(str(queue.skipped)) + 1)),
                    ("failed", queue.failed, "red", " " + " " * (width - len(str(queue.failed)))),
                )
            ]
            values.append((f"{queue.action.capitalize()} Queue", "".join(counts)))
        parts.append(self._values(values))
        return "".join(parts)

    def _values(self, values: Sequence[tuple[str, str]], level: int = 1) -> str:
        indent = INDENT * level
        width = max((len(name) for name, _ in values), default=0)
        lines = []
        for name, value in values:
            if name == "*":
                # The mark of an item stands before where its lines begin.
                item = value.replace("\n", f"\n{indent}")
                lines.append(f"{indent[:-2]}* {item}\n")
                continue
            label = self.paint(name, "cyan")
            if "\n" in value:
                lines.append(f"{indent}{label}:\n{_indented(value, indent)}")
            else:
                lines.append(f"{indent}{label}: {' ' * (width - len(name))}{value}\n")
        return "".join(lines)


def _sections(heading: Iterable[tuple[str, str, str]]) -> Iterable[tuple[list[str], list[tuple[str, str]]]]:
    """Titles, the innermost last, and values of each section."""
    values: list[tuple[str, str]] = []
    titles: list[str] = []
    for section, name, value in heading:
        if name or value:
            values.append((name, value))
            continue
        if titles:
            yield titles, values
        titles, values = section.split("\n"), []
    if titles:
        yield titles, values


def _indented(text: str, indent: str = INDENT) -> str:
    return "".join(indent + line if line.strip() else line for line in text.splitlines(keepends=True))


_STATE_COLOURS = {
    "cached": "magenta",
    "junction": "magenta",
    "buildable": "green",
    "waiting": "blue",
    "failed": "red",
    "fetch needed": "red",
    "no reference": "red",
}


def format_element(template: str, element: PipelineElement, style: LogStyle, paint: Paint) -> str:
    """One line of the plan in the user's element format; symbols that are not known stay as they are."""
    key = element.key or UNKNOWN_KEY
    values = {
        "name": (element.name, "blue"),
        "kind": (element.kind, "cyan"),
        "key": (key[: style.key_length], "yellow"),
        "full-key": (key, "yellow"),
        "state": (element.state, _STATE_COLOURS.get(element.state, "blue")),
        "workspace-dirs": (f"Workspace: {element.workspace}" if element.workspace else "", "yellow"),
        "workspaced": ("(workspaced)" if element.workspace else "", "yellow"),
    }

    def replace(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        value, colour = values[match[1]]
        try:
            return paint(format(value, match[2][1:]) if match[2] else value, colour)
        except ValueError:
            return match[0]

    return re.sub(r"%\{([a-z-]+)(:[^}]*)?\}", replace, template.rstrip("\n"))
