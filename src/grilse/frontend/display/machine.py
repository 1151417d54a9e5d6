"""Displays for machines: events as JSON Lines, and one JSON document with a command's result.

Knows nothing of terminals.  The document's shape is described in docs/reference/json.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...protocol import events
from ...protocol.events import Event

# Raised by one whenever the document of `JsonResult` changes so that a reader would misunderstand it.
SCHEMA = 1


class JsonLines:
    """Writes each event as a line; bytes for standard output become base64 within an ``output`` event."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._encoder = msgspec.json.Encoder()

    def show(self, batch: Sequence[Event]) -> None:
        """Write events."""
        self._write(b"".join([self._encoder.encode(event) + b"\n" for event in batch]))

    def output(self, data: bytes) -> None:
        """Write a piece of the command's result."""
        self.show([events.Output(data)])

    def finish(self, status: int) -> None:
        """Nothing is left to say."""


class JsonResult:
    """Writes one document when the command has ended."""

    def __init__(self, write: Callable[[bytes], None], command: Sequence[str]) -> None:
        self._write = write
        self._command = list(command)
        self._values: list[Any] = []
        self._output = bytearray()
        self._error: events.Error | None = None
        self._unhandled: events.Unhandled | None = None
        self._failures: list[events.Error] = []
        self._summary: events.Summary | None = None

    def show(self, batch: Sequence[Event]) -> None:
        """Keep what belongs in the document."""
        for event in batch:
            match event:
                case events.Values():
                    self._values.append(event.data)
                case events.Error(scope="main"):
                    self._error = event
                case events.Error():
                    self._failures.append(event)
                case events.Unhandled():
                    self._unhandled = event
                case events.Summary():
                    self._summary = event
                case _:
                    pass

    def output(self, data: bytes) -> None:
        """Keep a piece of a result that is text."""
        self._output += data

    def finish(self, status: int) -> None:
        """Write the document."""
        self._write(msgspec.json.format(msgspec.json.encode(self.document(status)), indent=2) + b"\n")

    def document(self, status: int) -> dict[str, Any]:
        """The document as plain data."""
        document: dict[str, Any] = {"schema": SCHEMA, "command": self._command, "status": status}
        if self._values:
            document["result"] = self._values[0] if len(self._values) == 1 else self._values
        else:
            document["result"] = None
        if self._output:
            document["text"] = self._output.decode(errors="replace")
        document["error"] = _error(self._error) if self._error is not None else None
        if self._unhandled is not None:
            document["error"] = {"domain": None, "reason": "bug", "message": self._unhandled.message}
        if self._failures:
            document["failures"] = [_error(failure) for failure in self._failures]
        if self._summary is not None:
            document["summary"] = _summary(self._summary)
        return document


def _error(error: events.Error) -> dict[str, Any]:
    names = ("domain", "reason", "message", "detail", "where", "element")
    return {name: getattr(error, name) for name in names if getattr(error, name) or name in ("domain", "reason")}


def _summary(summary: events.Summary) -> dict[str, Any]:
    return {
        "seconds": summary.seconds,
        "queues": [
            {"action": q.action, "processed": q.processed, "skipped": q.skipped, "failed": q.failed, "total": q.total}
            for q in summary.queues
        ],
        "failed": [
            {"element": element, "action": action, "message": message, "log": log}
            for element, action, message, log in summary.failed
        ],
        "slowest": [
            {"element": element, "action": action, "seconds": seconds} for element, action, seconds in summary.slowest
        ],
        "phases": summary.phases,
    }
