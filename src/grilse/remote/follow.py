"""Writes the output of a remote command to a log while the command runs, if the service streams it.

Knows byte streams that grow; nothing of actions.  Whatever goes wrong here costs liveliness only: the whole output
comes with the result.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from grilse.remote.connection import Connection
from grilse.remote.execution import Stage
from grilse.remote.library import grpc
from grilse.remote.proto.bytestream_pb2_grpc import ByteStreamStub
from grilse.storage.proto.bytestream_pb2 import ReadRequest

_END_SECONDS = 2.0


class _Stream:
    """One stream and the thread that copies it."""

    def __init__(self, connection: Connection, name: str, descriptor: int) -> None:
        self.name = name
        self.copied = 0
        self._connection = connection
        self._descriptor = descriptor
        self._stopped = False
        self._call: Any = connection.stub(ByteStreamStub).Read(
            ReadRequest(resource_name=name), metadata=connection.metadata()
        )
        self._thread = threading.Thread(target=self._copy, name="follow", daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        try:
            for response in self._call:
                view = memoryview(response.data)
                while view and not self._stopped:
                    count = os.write(self._descriptor, view)
                    self.copied += count
                    view = view[count:]
        except (grpc.RpcError, ValueError, OSError):
            return

    def close(self) -> int:
        # The rest of what was written is usually on its way.
        self._thread.join(_END_SECONDS)
        self._stopped = True
        self._call.cancel()
        self._thread.join()
        return self.copied


class Follower:
    """Copies the output of one action.

    Args:
        connection: to the service that streams.
        stdout, stderr: descriptors to write to.
    """

    def __init__(self, connection: Connection, stdout: int, stderr: int) -> None:
        self._connection = connection
        self._descriptors = (stdout, stderr)
        self._streams: list[_Stream | None] = [None, None]

    def follow(self, stage: Stage) -> None:
        """Copy the streams that an operation names from now on."""
        for index, name in enumerate((stage.stdout, stage.stderr)):
            old = self._streams[index]
            if name and (old is None or old.name != name):
                if old is not None:
                    old.close()
                self._streams[index] = _Stream(self._connection, name, self._descriptors[index])

    def close(self) -> tuple[int, int]:
        """Stop; gives the bytes copied of both, to be left out of the whole."""
        out, error = (stream.close() if stream is not None else 0 for stream in self._streams)
        return out, error
