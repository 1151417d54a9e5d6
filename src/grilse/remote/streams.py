"""Blobs of any size to and from a remote, by byte streams.

Knows nothing of what is worth sending.  What arrives is compared with its digest.

Source: ``bytestream.proto`` in ``storage/proto``; the names of resources are described in ``remote_execution.proto``.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from types import TracebackType
from typing import Any, BinaryIO

from grilse.remote.connection import Connection
from grilse.remote.errors import BlobCorrupt, BlobsMissing, CallFailed
from grilse.storage.digest import Digest
from grilse.storage.hashing import Incoming
from grilse.storage.proto.bytestream_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from grilse.storage.wire import MessageError, read_varint, varint

CHUNK_BYTES = 1 << 20
# What newer servers say to an upload of a blob that they have already.
_ALREADY_THERE = -1
_READ = "/google.bytestream.ByteStream/Read"
_WRITE = "/google.bytestream.ByteStream/Write"
# Of the field that holds the data, number 10 of either message.
_DATA_TAG = b"\x52"
# Chunks that have arrived and are not written yet.
_WAITING_CHUNKS = 4


def read_stream(connection: Connection, digest: Digest, received: Incoming, moved: Callable[[int], None]) -> None:
    """Receive a blob, going on where it was when the connection breaks.

    Args:
        connection: to the remote.
        digest: names the blob.
        received: what nothing was written to yet.
        moved: called with the bytes of each step.

    Raises:
        BlobsMissing: the remote does not have it.
        BlobCorrupt: it sends something else.
        CallFailed: it does not answer.
        OSError: what is received cannot be written.
    """
    name = _resource(connection, f"blobs/{digest.hash}/{digest.size}")

    def send(timeout: float, metadata: Any) -> None:
        # The answers are taken apart here: making message objects of them would copy all the data once more.
        read = connection.channel().unary_stream(_READ, request_serializer=ReadRequest.SerializeToString)
        call = read(ReadRequest(resource_name=name, read_offset=received.size), metadata=metadata)
        left = digest.size - received.size
        with connection.watched(call, "Read") as watch, _Behind(received) as behind:
            for response in call:
                data = _data_of(connection, response)
                left -= len(data)
                if left < 0:
                    raise BlobCorrupt(connection.url, digest, f"more than {digest.size} bytes")
                behind.write(data)
                moved(len(data))
                watch.moved(len(data))

    # As long as each round of retries brings some of it, there is another one.
    while True:
        before = received.size
        try:
            connection.call("Read", send)
            break
        except CallFailed as error:
            if error.code == "NOT_FOUND":
                raise BlobsMissing(connection.url, [digest]) from error
            if error.code != "UNAVAILABLE" or received.size < before + CHUNK_BYTES:
                raise
    if received.digest() != digest:
        raise BlobCorrupt(connection.url, digest, str(received.digest()))


def _data_of(connection: Connection, response: bytes) -> memoryview:
    """The data in a ``ReadResponse``: its only field, number 10, and therefore nearly always all of the message."""
    from google.protobuf.message import DecodeError

    try:
        if response[:1] == _DATA_TAG:
            length, start = read_varint(response, 1)
            if start + length == len(response):
                return memoryview(response)[start:]
        return memoryview(ReadResponse.FromString(response).data)
    except (MessageError, DecodeError) as error:
        raise CallFailed("Read", connection.url, "DATA_LOSS", str(error)) from error


class _Behind:
    """Hashes and writes on a thread of its own, so that the next data can arrive meanwhile."""

    def __init__(self, received: Incoming) -> None:
        self._received = received
        self._queue: Queue[memoryview | None] = Queue(_WAITING_CHUNKS)
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="receive", daemon=True)

    def write(self, data: memoryview) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(data)

    def _work(self) -> None:
        while (data := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._received.write(data)
                except OSError as error:
                    self._error = error

    def __enter__(self) -> _Behind:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error


def write_stream(connection: Connection, digest: Digest, file: BinaryIO, moved: Callable[[int], None]) -> None:
    """Upload a blob.

    Args:
        connection: to the remote.
        digest: names the blob.
        file: the blob, open for reading.
        moved: called with the bytes of each step; with a negative number when the upload begins anew.

    Raises:
        CallFailed: the remote does not answer or refuses the blob (reason ``cache-too-full`` when there is no space).
        OSError: the file cannot be read.
    """

    reading = threading.Lock()

    def send(timeout: float, metadata: Any) -> int:
        name = _resource(connection, f"uploads/{uuid.uuid4()}/blobs/{digest.hash}/{digest.size}")
        upload = _Upload(name, digest.size, file, reading, moved)
        # The requests are put together here, for the reason given above.
        write = connection.channel().stream_unary(_WRITE, response_deserializer=WriteResponse.FromString)
        call = write.future(upload.requests(), metadata=metadata)
        try:
            with connection.watched(call, "Write") as watch:
                upload.watching = watch.moved
                return int(call.result().committed_size)
        except CallFailed:
            moved(-upload.sent)
            if upload.problem is not None:
                raise upload.problem from None
            raise

    committed = connection.call("Write", send)
    if committed not in (digest.size, _ALREADY_THERE):
        words = f"{committed} of {digest.size} bytes of blob {digest.hash} were kept"
        raise CallFailed("Write", connection.url, "DATA_LOSS", words)


class _Upload:
    """One attempt to upload a file; its requests are asked for by a thread of the gRPC library.

    Args:
        name: of the resource that is written.
        size: of the file, in bytes.
        file: open for reading.
        reading: held while the file is read, since an attempt that has failed may still read ahead.
        moved: called with the bytes of each step.
    """

    def __init__(
        self, name: str, size: int, file: BinaryIO, reading: threading.Lock, moved: Callable[[int], None]
    ) -> None:
        self.sent = 0
        self.problem: OSError | None = None
        self.watching: Callable[[int], None] | None = None
        self._name = name
        self._size = size
        self._file = file
        self._reading = reading
        self._moved = moved

    def requests(self) -> Iterator[bytes]:
        """Each is a ``WriteRequest``; the next one is made while the one before travels."""
        with ThreadPoolExecutor(1, thread_name_prefix="read") as ahead:
            try:
                coming = ahead.submit(self._request, 0)
                while True:
                    request, count, last = coming.result()
                    if not last:
                        coming = ahead.submit(self._request, self.sent + count)
                    yield request
                    self.sent += count
                    self._moved(count)
                    if self.watching is not None:
                        self.watching(count)
                    if last:
                        return
            except OSError as error:
                # The library would only say that something is wrong with the requests.
                self.problem = error

    def _request(self, offset: int) -> tuple[bytes, int, bool]:
        """The request for the data at `offset`, how many bytes of it there are, and whether it is the last one."""
        with self._reading:
            self._file.seek(offset)
            data = self._file.read(CHUNK_BYTES)
        end = offset + len(data)
        last = end >= self._size or not data
        head = WriteRequest(resource_name="" if offset else self._name, write_offset=offset, finish_write=last)
        return b"".join((head.SerializeToString(), _DATA_TAG, varint(len(data)), data)), len(data), last


def _resource(connection: Connection, name: str) -> str:
    return f"{connection.instance}/{name}" if connection.instance else name
