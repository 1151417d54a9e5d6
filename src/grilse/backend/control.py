"""The backend's ear: a thread that takes the frontend's commands at once, whatever the main thread is doing.

Knows nothing of what commands do.  While the project loads nothing runs yet that could be stopped gently, so that
terminating then ends the process from here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from ..protocol.channel import Channel, ChannelClosed, ProtocolError
from ..protocol.events import Acknowledged, Event
from ..protocol.requests import Command, Hello, Quit, Request, Terminate

# Seconds that an orderly end may take once the frontend is gone, before the process ends itself.
ORPHAN_LIMIT = 3.0

ControlChannel = Channel[Event | Hello, Request | Command]


class Control:
    """Receives commands in a thread.

    Args:
        channel: the control channel, its request already received.
        abort: ends the session at once from any thread; used until `serve` is called.
    """

    def __init__(self, channel: ControlChannel, abort: Callable[[], None]) -> None:
        self._channel = channel
        self._abort = abort
        self._handler: Callable[[Command], None] | None = None
        self._lost: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._early: list[Command] = []
        self._gone = False
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def serve(self, handler: Callable[[Command], None], lost: Callable[[], None]) -> None:
        """From now on hand commands to `handler` and the loss of the frontend to `lost`, both called in the thread."""
        with self._lock:
            self._handler = handler
            self._lost = lost
            early, self._early = self._early, []
            gone = self._gone
        for command in early:
            handler(command)
        if gone:
            lost()

    def _listen(self) -> None:
        while True:
            try:
                command = self._channel.receive()
            except (ChannelClosed, ProtocolError):
                self._on_gone()
                return
            if isinstance(command, Request):
                continue
            name = type(command).__name__
            try:
                self._channel.send(Acknowledged(time=time.time(), command=name))
            except ChannelClosed:
                pass
            with self._lock:
                handler = self._handler
                if handler is None and not isinstance(command, Terminate | Quit):
                    self._early.append(command)
                    continue
            if handler is None:
                self._abort()
            else:
                handler(command)

    def _on_gone(self) -> None:
        watchdog = threading.Timer(ORPHAN_LIMIT, lambda: os._exit(1))
        watchdog.daemon = True
        watchdog.start()
        with self._lock:
            self._gone = True
            lost = self._lost
        if lost is None:
            self._abort()
        else:
            lost()
