"""A connection to one remote: requests with deadlines, retries and a breaker.

Knows nothing of what is asked.  Retries are for requests that got no answer (UNAVAILABLE, DEADLINE_EXCEEDED), so
everything sent through here must be safe to send twice.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from grilse import __version__
from grilse.protocol.errors import RemoteError
from grilse.remote.breaker import Breaker
from grilse.remote.channel import Token, make_channel
from grilse.remote.config import RemoteConfig
from grilse.remote.errors import SILENT_CODES, CallFailed
from grilse.remote.library import grpc

# How long a request may take that moves next to no data, its retries included.
REQUEST_SECONDS = 60.0
# A stream that is slower than this counts as silent.
SLOWEST_BYTES_PER_SECOND = 2048
# A request with much data gets time for that as well: so many times what the last ones of at least so many bytes took.
# Before there was one it gets none: a remote that never answers is to be found out within the time for a request.
_SLACK = 8
_TELLING_BYTES = 8 << 10
RETRIES = 4
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 15.0
# An attempt gets half of the time that is left, but not less than this.
_SHORTEST_ATTEMPT_SECONDS = 1.0

_T = TypeVar("_T")

Metadata = tuple[tuple[str, str | bytes], ...]


class Connection:
    """A connection to one remote, for any number of threads; it is made when it is first used.

    Args:
        config: the remote.
        state_directory: host directory shared by the session's processes, for the breaker, or "".
        notify: called with a sentence when the remote is left alone, and when it is back.
        session: names the session to the remote, for its own logs.

    Raises:
        RemoteError: the remote cannot be used as it is configured.
    """

    def __init__(
        self,
        config: RemoteConfig,
        *,
        state_directory: str = "",
        notify: Callable[[str], None] | None = None,
        session: str = "",
    ) -> None:
        self.config = config
        self.instance = config.instance_name or ""
        self.url = config.url
        self.patience = float(config.request_timeout or REQUEST_SECONDS)
        self._retries = RETRIES if config.retry_limit is None else max(config.retry_limit, 0)
        self._first_pause = FIRST_RETRY_SECONDS if config.retry_delay is None else max(config.retry_delay, 1) / 1000
        self._token = Token(config)
        self._breaker = Breaker(config.url, directory=state_directory, name=repr(config.service), notify=notify)
        self._lock = threading.Lock()
        self._channel: Any = None
        self._stubs: dict[type, Any] = {}
        # Wakes those who wait to try again; the era tells them whether they were cancelled meanwhile.
        self._interrupt = threading.Event()
        self._era = 0
        self._closed = False
        self._tool: Metadata = (("build.bazel.remote.execution.v2.requestmetadata-bin", _tool_details(session)),)
        self._pace = 0.0
        # What others remember of this remote: its capabilities, the size of batches that suits it.
        self.memory: dict[str, Any] = {}

    def stub(self, kind: type[_T]) -> _T:
        """A generated stub on this connection's channel."""
        with self._lock:
            channel = self._open_channel()
            made = self._stubs.get(kind)
            if made is None:
                made = self._stubs[kind] = kind(channel)  # type: ignore[call-arg]
            found: _T = made
            return found

    def channel(self) -> Any:
        """The channel itself, for calls that no stub makes."""
        with self._lock:
            return self._open_channel()

    def call(
        self,
        what: str,
        send: Callable[[float, Metadata], _T],
        *,
        size: int = 0,
        seconds: float | None = None,
        retries: int | None = None,
    ) -> _T:
        """Send a request and wait for its answer.

        Args:
            what: names the request in errors.
            send: sends it once, given the seconds it may take and its metadata; raises the library's errors or
                `CallFailed`.
            size: bytes that travel with request and answer.
            seconds: time for everything, retries included; the configured patience by default.
            retries: how often it is sent again; the configured limit by default.

        Raises:
            RemoteSilent: the remote is left alone at present.
            CallFailed: it answered with an error, or not in time.
        """
        self._breaker.check()
        era = self._era
        deadline = time.monotonic() + (seconds or self.patience) + self._time_for(size)
        left = self._retries if retries is None else retries
        pause = self._first_pause
        renewed = False
        while True:
            remaining = max(deadline - time.monotonic(), 0.01)
            attempt = remaining if left == 0 else max(remaining / 2, min(remaining, _SHORTEST_ATTEMPT_SECONDS))
            began = time.monotonic()
            try:
                answer = send(attempt, self.metadata())
            except grpc.RpcError as error:
                code, words = error.code().name, _first_line(error.details())
            except CallFailed as error:
                code, words = error.code, error.words
            except ValueError as error:
                # The library's way of saying that the channel was closed meanwhile.
                code, words = "CANCELLED", str(error)
            else:
                if size >= _TELLING_BYTES:
                    self._pace = size / max(time.monotonic() - began, 1e-3)
                self._breaker.answered()
                return answer
            if code == "UNAUTHENTICATED" and not renewed and self._token.forget():
                renewed = True
                continue
            if era != self._era:
                raise CallFailed(what, self.url, "CANCELLED", "")
            if code in SILENT_CODES and left > 0:
                # Another thread or process may have found out meanwhile that there is no use in it.
                self._breaker.check()
                wait = min(pause * random.uniform(0.75, 1.25), LONGEST_RETRY_SECONDS)
                if time.monotonic() + wait < deadline:
                    left -= 1
                    pause *= 2
                    self._interrupt.wait(wait)
                    if era == self._era:
                        continue
                    raise CallFailed(what, self.url, "CANCELLED", "")
            raise self.failure(what, code, words)

    @property
    def pace(self) -> float:
        """Bytes per second of the last request with much data; 0 if there was none, or the remote has fallen silent."""
        return self._pace

    def _time_for(self, size: int) -> float:
        """Seconds that a request gets for its data."""
        return min(size * _SLACK / self._pace, size / SLOWEST_BYTES_PER_SECOND) if self._pace else 0.0

    def failure(self, what: str, code: str, words: str) -> CallFailed:
        """The error for a request that failed for good; the breaker hears of it."""
        if code in SILENT_CODES:
            self._pace = 0.0
            self._breaker.failed(f"{what}: {code}" + (f" ({words})" if words else ""))
        elif code != "CANCELLED":
            self._breaker.answered()
        return CallFailed(what, self.url, code, words)

    def check_breaker(self) -> None:
        """Raise `RemoteSilent` if the remote is left alone at present."""
        self._breaker.check()

    def answered(self) -> None:
        """Note that the remote has answered a request that did not go through `call`."""
        self._breaker.answered()

    def metadata(self) -> Metadata:
        """What goes with each request."""
        return self._tool + self._token.metadata()

    @contextmanager
    def watched(self, call: Any, what: str) -> Iterator[Watch]:
        """Cancel a streaming `call` when it stalls.

        Raises:
            CallFailed: it did (code ``DEADLINE_EXCEEDED``), or it failed otherwise.
        """
        watch = Watch(call, self.patience)
        try:
            yield watch
        except grpc.RpcError as error:
            code, words = error.code().name, _first_line(error.details())
            if watch.stalled:
                code = "DEADLINE_EXCEEDED"
                words = f"less than {SLOWEST_BYTES_PER_SECOND} bytes per second in {self.patience:.0f} seconds"
            raise CallFailed(what, self.url, code, words) from error
        except ValueError as error:
            raise CallFailed(what, self.url, "CANCELLED", str(error)) from error
        finally:
            watch.stop()
            call.cancel()

    def pause(self, seconds: float) -> None:
        """Wait before something is tried again; `cancel` ends the wait.

        Raises:
            CallFailed: cancelled (code ``CANCELLED``).
        """
        era = self._era
        self._interrupt.wait(seconds)
        if era != self._era:
            raise CallFailed("The request", self.url, "CANCELLED", "")

    def cancel(self) -> None:
        """Cancel everything under way; the connection can be used again afterwards."""
        with self._lock:
            self._era += 1
            channel, self._channel, self._stubs = self._channel, None, {}
        self._interrupt.set()
        if channel is not None:
            channel.close()
        self._interrupt.clear()

    def close(self) -> None:
        """Close the connection, cancelling what is under way."""
        self._closed = True
        self.cancel()

    def _open_channel(self) -> Any:
        if self._channel is None:
            if self._closed:
                raise RemoteError(f"The connection to {self.url} is closed")
            self._channel = make_channel(self.config)
        return self._channel


class Watch:
    """Cancels a streaming call when it moves less than it should; `moved` is called with the bytes of each step."""

    def __init__(self, call: Any, window: float) -> None:
        self._call = call
        self._window = window
        self._moved = 0
        self._timer: threading.Timer | None = None
        self._stopped = False
        self.stalled = False
        self._arm()

    def moved(self, count: int) -> None:
        """Note that `count` bytes have moved."""
        self._moved += count

    def stop(self) -> None:
        """The call has ended."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        self._timer = threading.Timer(self._window, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        if self._stopped:
            return
        if self._moved < self._window * SLOWEST_BYTES_PER_SECOND:
            self.stalled = True
            self._call.cancel()
            return
        self._moved = 0
        self._arm()


class Connections:
    """The connections of one process, each made when it is first asked for.

    Args:
        state_directory, session: as for `Connection`.
        notify: as for `Connection`; may be set anew for each job.
    """

    def __init__(
        self, *, state_directory: str = "", notify: Callable[[str], None] | None = None, session: str = ""
    ) -> None:
        self.notify = notify
        self._state_directory = state_directory
        self._session = session
        self._made: dict[RemoteConfig, Connection] = {}
        self._lock = threading.Lock()

    def get(self, config: RemoteConfig) -> Connection:
        """The connection to a remote.

        Raises:
            RemoteError: the remote cannot be used as it is configured.
        """
        with self._lock:
            found = self._made.get(config.service)
            if found is None:
                found = self._made[config.service] = Connection(
                    config, state_directory=self._state_directory, notify=self._say, session=self._session
                )
            return found

    def cancel(self) -> None:
        """Cancel everything under way on all connections."""
        with self._lock:
            made = list(self._made.values())
        for connection in made:
            connection.cancel()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._made.values():
                connection.close()
            self._made.clear()

    def _say(self, sentence: str) -> None:
        if self.notify is not None:
            self.notify(sentence)

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tool_details(session: str) -> bytes:
    from grilse.storage.proto.remote_execution_pb2 import RequestMetadata, ToolDetails

    tool = ToolDetails(tool_name="grilse", tool_version=__version__)
    return RequestMetadata(tool_details=tool, tool_invocation_id=session).SerializeToString()


def _first_line(text: str | None) -> str:
    """The library and servers say much, over many lines."""
    return (text or "").strip().partition("\n")[0]
