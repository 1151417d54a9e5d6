"""A backend that speaks the protocol and does what a script says: for tests of the frontend.

The script is a Python file named by FAKE_BACKEND; it defines `play(stage)`.  The request it got is written as JSON to
the file named by FAKE_REQUEST, the commands it receives are appended to the file named by FAKE_COMMANDS.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from grilse import __version__
from grilse.protocol import events
from grilse.protocol.channel import Channel, ChannelClosed
from grilse.protocol.events import Event
from grilse.protocol.requests import Command, Hello, Request

UNLOGGED = events.Output | events.Values | events.CaughtUp | events.Queues | events.JobProgress


class Stage:
    """What a script plays on."""

    def __init__(self, control: Channel[Any, Any], stream: Channel[Any, Any]) -> None:
        self.control, self.stream = control, stream
        hello = Hello(role="backend", program=__version__, pid=os.getpid())
        control.send(hello)
        stream.send(hello)
        self.request = control.receive()
        self.received = threading.Condition()
        self.commands: list[Any] = []
        if path := os.environ.get("FAKE_REQUEST"):
            with open(path, "wb") as file:
                file.write(msgspec.json.encode(self.request))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                command = self.control.receive()
            except ChannelClosed:
                os._exit(0)
            if path := os.environ.get("FAKE_COMMANDS"):
                with open(path, "ab") as file:
                    file.write(msgspec.json.encode(command) + b"\n")
            with self.received:
                self.commands.append(command)
                self.received.notify_all()
            self.control.send(events.Acknowledged(time=time.time(), command=type(command).__name__))

    def send(self, *messages: Event) -> None:
        # As a backend does: what it logs goes as lines, the rest as it is.
        encoded: list[bytes] = []
        for logged, group in itertools.groupby(messages, lambda message: not isinstance(message, UNLOGGED)):
            if logged:
                lines = b"".join(msgspec.json.encode(message) + b"\n" for message in group)
                encoded.append(self.stream.encode(events.LoggedEvents(lines)))
            else:
                encoded += map(self.stream.encode, group)
        self.stream.send_many(encoded)

    def wait_for(self, kind: type, count: int = 1) -> Any:
        with self.received:
            while sum(isinstance(command, kind) for command in self.commands) < count:
                self.received.wait()
            return [command for command in self.commands if isinstance(command, kind)][count - 1]

    def start(self, log: str | None = None, **style: Any) -> None:
        self.send(
            events.SessionStarted(time=time.time(), session="s", log=log, argv=(), program=__version__),
            events.LogStyle(**style),
        )

    def text(self, kind: str, text: str, **more: Any) -> None:
        self.send(events.Text(time=time.time(), kind=kind, text=text, **more))

    def end(self, status: int = 0) -> None:
        self.stream.close()
        self.control.send(events.Result(time=time.time(), status=status))
        self.control.close()


def main() -> None:
    control = Channel(Connection(int(sys.argv[2])), Event | Hello, Request | Command)
    stream = Channel(Connection(int(sys.argv[3])), Event | Hello, Hello)
    scope: dict[str, Any] = {}
    with open(os.environ["FAKE_BACKEND"], encoding="utf-8") as file:
        exec(compile(file.read(), os.environ["FAKE_BACKEND"], "exec"), scope)
    scope["play"](Stage(control, stream))
    os._exit(0)


if __name__ == "__main__":
    main()
