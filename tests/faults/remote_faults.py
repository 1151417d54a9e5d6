"""What can go wrong between a client and a cache server: each fault by its name.

Knows messages of REAPI as far as harm is done to them; does not know who is harmed.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from grilse.remote.library import grpc
from grilse.storage.proto import bytestream_pb2 as streams
from grilse.storage.proto import remote_asset_pb2 as assets
from grilse.storage.proto import remote_execution_pb2 as messages
from tests.remote.servers import Server

from .proxy import Fault, Proxy

# Methods with which a session finds out whether a remote works.
FIRST = ("GetCapabilities", "FetchBlob", "PushBlob")
# What carries content.
READS, WRITES = ("BatchReadBlobs", "Read", "GetTree"), ("BatchUpdateBlobs", "Write")
CONTENT = READS + WRITES
_NOT_FOUND = 5
# A server that is too slow to be of use, and in how large pieces it sends.
SLOW_BYTES_PER_SECOND = 1000
SLOW_PIECE = 500


class Killed(Fault):
    """The server is killed once so many messages with content have passed, and started again later, or never.

    Args:
        server: the real server.
        after: messages that pass before.
        again: seconds until it is started again, or None.
    """

    def __init__(self, server: Server, after: int, again: float | None) -> None:
        super().__init__()
        self._server, self._left, self._again = server, after, again
        self._thread: threading.Thread | None = None

    def _passed(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left != 0:
                return
            self.hits += 1
        self._server.stop(signal.SIGKILL)
        if self._again is not None:
            self._thread = threading.Thread(target=self._restart, daemon=True)
            self._thread.start()

    def _restart(self) -> None:
        time.sleep(self._again or 0)
        self._server.start()

    def finish(self) -> None:
        """Wait until the server is back, if it is to be."""
        if self._thread is not None:
            self._thread.join()

    def send(self, proxy: Proxy, method: str, given: Iterator[bytes]) -> Iterator[bytes]:
        for message in given:
            if method in WRITES:
                self._passed()
            yield message

    def answer(self, proxy: Proxy, method: str, given: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in given:
            if method in READS:
                self._passed()
            yield message


class Silent(Fault):
    """Nothing is answered any more once so many calls were answered.

    Args:
        after: calls that are answered before.
    """

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def begin(self, proxy: Proxy, method: str, context: Any) -> None:
        with self._lock:
            self._left -= 1
            if self._left >= 0:
                return
            self.hits += 1
        gone = threading.Event()
        context.add_callback(gone.set)
        while not gone.wait(0.05) and not proxy.stopped.is_set():
            pass


class Slow(Fault):
    """Content passes at 1 kB/s."""

    def _pass(self, proxy: Proxy, message: bytes) -> None:
        self.hit()
        proxy.stopped.wait(len(message) / SLOW_BYTES_PER_SECOND)

    def send(self, proxy: Proxy, method: str, given: Iterator[bytes]) -> Iterator[bytes]:
        for message in given:
            if method in WRITES:
                self._pass(proxy, message)
            yield message

    def answer(self, proxy: Proxy, method: str, given: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in given:
            if method in ("BatchReadBlobs", "GetTree"):
                self._pass(proxy, message)
                yield message
            elif method == "Read":
                data = streams.ReadResponse.FromString(message).data
                for start in range(0, len(data), SLOW_PIECE):
                    if not context.is_active():
                        return
                    piece = streams.ReadResponse(data=data[start : start + SLOW_PIECE]).SerializeToString()
                    self._pass(proxy, piece)
                    yield piece
            else:
                yield message


class Refused(Fault):
    """Some methods end with a status.

    Args:
        methods: those.
        code: name of the status.
        after: how many of these calls are let through before.
        times: how many are refused, None for all.
    """

    def __init__(self, methods: tuple[str, ...], code: str, after: int = 0, times: int | None = None) -> None:
        super().__init__()
        self._methods, self._code, self._after, self._times = methods, code, after, times

    def begin(self, proxy: Proxy, method: str, context: Any) -> None:
        if method not in self._methods:
            return
        with self._lock:
            self._after -= 1
            if self._after >= 0 or (self._times is not None and self.hits >= self._times):
                return
            self.hits += 1
        context.abort(getattr(grpc.StatusCode, self._code), "as the fault wants it")


class Token(Fault):
    """Who does not bring the right token is refused, at once or after some calls."""

    def __init__(self, token: str, after: int = 0) -> None:
        super().__init__()
        self._token, self._after = token, after

    def begin(self, proxy: Proxy, method: str, context: Any) -> None:
        with self._lock:
            self._after -= 1
            if self._after >= 0:
                return
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {self._token}":
            self.hit()
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not valid")


class Garbage(Fault):
    """Some answers are not what the protocol says.

    Args:
        methods: whose answers.
        dice: chooses the bytes.
    """

    def __init__(self, methods: tuple[str, ...], dice: random.Random) -> None:
        super().__init__()
        self._methods, self._dice = methods, dice

    def answer(self, proxy: Proxy, method: str, given: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in given:
            if method in self._methods:
                self.hit()
                message = self._dice.randbytes(max(len(message), 40))
            yield message


class Altered(Fault):
    """Something is wrong with blobs that are read.

    Args:
        how: "flip" a bit, "cut" the end off, "grow" by some bytes, "swap" with another blob, "empty" them,
            "mislabel" them with another digest, or say that they are "missing".
        methods: in whose answers.
        share: of these answers.
        dice: chooses them.
    """

    def __init__(self, how: str, methods: tuple[str, ...], share: float, dice: random.Random) -> None:
        super().__init__()
        self._how, self._methods, self._share, self._dice = how, methods, share, dice

    def answer(self, proxy: Proxy, method: str, given: Iterator[bytes], context: Any) -> Iterator[bytes]:
        if method not in self._methods:
            yield from given
            return
        chosen = self._dice.random() < self._share
        if method == "Read" and self._how == "missing" and chosen:
            self.hit()
            context.abort(grpc.StatusCode.NOT_FOUND, "expired")
        for number, message in enumerate(given):
            if not chosen:
                yield message
            elif method == "BatchReadBlobs":
                yield self._batch(message)
            elif method == "Read":
                response = streams.ReadResponse.FromString(message)
                if number == 0:
                    response.data = self._alter(response.data)
                    self.hit()
                yield response.SerializeToString()
                if self._how in ("cut", "empty"):
                    return
            elif method == "GetTree":
                yield self._tree(message)
            else:
                yield message

    def _batch(self, message: bytes) -> bytes:
        response = messages.BatchReadBlobsResponse.FromString(message)
        count = len(response.responses)
        if not count:
            return message
        self.hit()
        one = response.responses[self._dice.randrange(count)]
        other = response.responses[self._dice.randrange(count)]
        if self._how == "missing":
            one.data = b""
            one.status.code = _NOT_FOUND
        elif self._how == "mislabel":
            one.digest.hash = f"{self._dice.getrandbits(256):064x}"
        elif self._how == "swap":
            one.data, other.data = other.data, one.data
            if one is other or one.data == other.data:
                one.data = self._alter(one.data)
        else:
            one.data = self._alter(one.data)
        return response.SerializeToString()

    def _tree(self, message: bytes) -> bytes:
        response = messages.GetTreeResponse.FromString(message)
        for directory in response.directories:
            if directory.files:
                self.hit()
                directory.files[0].digest.hash = f"{self._dice.getrandbits(256):064x}"
                break
        return response.SerializeToString()

    def _alter(self, data: bytes) -> bytes:
        if self._how == "cut":
            return data[: len(data) // 2]
        if self._how == "empty":
            return b""
        if self._how == "grow" or not data:
            return data + b"more"
        place = self._dice.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


class WrongNames(Fault):
    """An index gives digests of something else.

    Args:
        how: "other" for the record of another artifact, "nothing" for a blob that nobody has, "file" for one that is
            no record.
        file: digest of a blob that is no record.
    """

    def __init__(self, how: str, file: Any, dice: random.Random) -> None:
        super().__init__()
        self._how, self._file, self._dice = how, file, dice
        self._seen: list[Any] = []

    def answer(self, proxy: Proxy, method: str, given: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in given:
            if method == "FetchBlob":
                response = assets.FetchBlobResponse.FromString(message)
                true = messages.Digest.FromString(response.blob_digest.SerializeToString())
                with self._lock:
                    others = [digest for digest in self._seen if digest != true]
                    if true not in self._seen:
                        self._seen.append(true)
                if self._how == "file":
                    response.blob_digest.CopyFrom(self._file)
                    self.hit()
                elif self._how == "nothing":
                    response.blob_digest.hash = f"{self._dice.getrandbits(256):064x}"
                    self.hit()
                elif others:
                    response.blob_digest.CopyFrom(self._dice.choice(others))
                    self.hit()
                message = response.SerializeToString()
            yield message


class Forgetful(Fault):
    """The server says that it has blobs that it does not have: nothing is ever uploaded."""

    def answer(self, proxy: Proxy, method: str, given: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in given:
            if method == "FindMissingBlobs":
                self.hit()
                message = b""
            yield message
