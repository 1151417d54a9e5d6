"""Leaves a remote alone that does not answer, so that it costs its deadline once and not once per element.

Knows nothing of requests.  Closed: requests go through.  Open: they fail at once, until a time.  After that one failure
opens it again for longer, one success closes it.  Processes of one session share the state by a small file per remote.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from grilse.remote.errors import RemoteSilent

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 600.0


class _State(msgspec.Struct, frozen=True):
    """Since when, until when (wall clock) and why a remote is left alone."""

    until: float
    pause: float
    why: str


class Breaker:
    """The state of one remote; for any number of threads.

    Args:
        url: names the remote to users.
        directory: host directory shared by the session's processes, or "" to keep the state here.
        name: what tells this remote from others in that directory.
        notify: called with a sentence when the remote is left alone, and when it is back.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        url: str,
        *,
        directory: str = "",
        name: str = "",
        notify: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._path = ""
        if directory:
            self._path = os.path.join(directory, hashlib.sha256((name or url).encode()).hexdigest()[:32])
        self._notify = notify
        self._clock = clock
        self._lock = threading.Lock()
        self._state: _State | None = None

    def check(self) -> None:
        """Let a request pass.

        Raises:
            RemoteSilent: the remote is left alone at present.
        """
        state = self._current()
        if state is not None:
            left = state.until - self._clock()
            if left > 0:
                raise RemoteSilent(self._url, state.why, left)

    def failed(self, why: str) -> None:
        """The remote has not answered a request, all its retries included; `why` in words."""
        with self._lock:
            now = self._clock()
            before = self._read()
            if before is not None and before.until > now:
                return  # somebody else was faster; one word about it is enough
            pause = FIRST_PAUSE_SECONDS if before is None else min(before.pause * 2, LONGEST_PAUSE_SECONDS)
            self._write(_State(now + pause, pause, why))
        self._say(f"Remote {self._url} does not answer: {why}. It is left alone for {pause:.0f} seconds.")

    def answered(self) -> None:
        """The remote has answered, with whatever result."""
        if self._current() is None:
            return
        with self._lock:
            if self._read() is None:
                return
            self._write(None)
        self._say(f"Remote {self._url} answers again.")

    def _say(self, sentence: str) -> None:
        if self._notify is not None:
            self._notify(sentence)

    def _current(self) -> _State | None:
        # Nearly always there is nothing, and finding that out must cost next to nothing.
        if self._path:
            return self._read() if os.path.exists(self._path) else None
        return self._state

    def _read(self) -> _State | None:
        if not self._path:
            return self._state
        try:
            with open(self._path, "rb") as file:
                return msgspec.json.decode(file.read(), type=_State)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError):
            return self._state

    def _write(self, state: _State | None) -> None:
        self._state = state
        if not self._path:
            return
        try:
            if state is None:
                with suppress(FileNotFoundError):
                    os.unlink(self._path)
                return
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            temporary = f"{self._path}.{os.getpid()}.{threading.get_ident()}"
            with open(temporary, "wb") as file:
                file.write(msgspec.json.encode(state))
            os.replace(temporary, self._path)
        except OSError:
            # Without the file every process finds out by itself, which is slower but not wrong.
            self._path = ""
