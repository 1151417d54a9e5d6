"""Starts the backend before anything heavy is imported, and says what became of it.

Knows nothing of what the backend does; of its messages only the hello.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .. import platform

if TYPE_CHECKING:
    from ..protocol.channel import Channel
    from ..protocol.events import Event
    from ..protocol.requests import Hello, Request

# Seconds that the backend has to say its first word, a slow and busy machine included.
HELLO_TIMEOUT = 60.0
# Seconds to wait for the exit status once the channel has ended.
STATUS_TIMEOUT = 0.5
# Bytes of its standard error that are kept as its last words.
LAST_WORDS = 4096


class BackendProcess:
    """A backend that was started; the channels can be used after `connect`.

    Attributes:
        process: the process.
        control: sends the request and commands; receives acknowledgements and the result.
        events: receives the other events.
    """

    control: Channel[Any, Event]
    events: Channel[Any, Event | Hello]

    def __init__(
        self, process: platform.Process, control: platform.PipeEnd, events: platform.PipeEnd, stderr: int
    ) -> None:
        self.process = process
        self._ends = (control, events)
        self._stderr = stderr

    def connect(self) -> None:
        """Make channels of the pipes, which imports what that takes, and sends nothing."""
        from ..protocol.channel import Channel
        from ..protocol.events import Event
        from ..protocol.requests import Command, Hello, Request

        control, events = self._ends
        self.control = Channel(control.connection(), Request | Command, Event | Hello)
        # Nothing is ever sent on the events channel from this side.
        self.events = Channel(events.connection(), Hello, Event | Hello)

    def ask(self, request: Request) -> None:
        """Send the request; a backend that is gone already is noticed where it is listened to."""
        from ..protocol.channel import ChannelClosed

        try:
            self.control.send(request)
        except ChannelClosed:
            pass

    def last_words(self) -> str:
        """The end of what it wrote to its standard error, "" when it wrote nothing."""
        try:
            size = os.lseek(self._stderr, 0, os.SEEK_END)
            os.lseek(self._stderr, max(0, size - LAST_WORDS), os.SEEK_SET)
            return os.read(self._stderr, LAST_WORDS).decode(errors="replace").strip()
        except OSError:
            return ""

    def cause_of_death(self) -> str:
        """How it ended, in words: "with exit status 1", "killed by SIGKILL", "still running"."""
        status = self.process.wait(STATUS_TIMEOUT)
        if status is None:
            return "has closed its channels but still runs"
        if status < 0:
            import signal

            try:
                name = signal.Signals(-status).name
            except ValueError:
                name = f"signal {-status}"
            return f"was killed by {name}"
        return f"ended with exit status {status}"

    def adopt(self) -> None:
        """Become the parent of whatever it may leave behind when it dies, so that `sweep` finds it."""
        platform.become_subreaper()

    def sweep(self) -> None:
        """Kill what it has left behind, for instance a worker that stands still and does not notice its death.

        Those that end by themselves are not waited for: an orphan that waits for its own parent would never do so
        (bubblewrap's inner process does, if its outer one is killed at the wrong moment).
        """
        while platform.kill_strays(self.process.pid):
            pass

    def abandon(self) -> None:
        """Close the pipes: a backend that has nothing to do ends by itself."""
        for end in self._ends:
            end.close()
        for channel in (getattr(self, "control", None), getattr(self, "events", None)):
            if channel is not None:
                channel.close()

    def kill(self) -> None:
        """Kill it and whatever it has started."""
        if self.process.poll() is None:
            platform.kill_tree(self.process.pid)


def start_backend() -> BackendProcess:
    """Start a backend; it loads while this process goes on importing.

    Raises:
        OSError: the process cannot be started.
    """
    control, control_there = platform.duplex_pipe()
    events, events_there = platform.duplex_pipe()
    stderr = platform.anonymous_file()
    process = platform.spawn(backend_script(), ["backend"], [control_there, events_there], stderr=stderr)
    return BackendProcess(process, control, events, stderr)


def backend_script() -> str:
    """Path of the backend's main, found without importing anything of it."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "backend", "__main__.py")
