"""A gRPC server between a client and a real one that passes everything on as it is, but for what a fault does to it.

Knows bytes and the names of methods; what is done to them is for a `Fault` to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from grilse.remote.library import grpc

THREADS = 32
_UNLIMITED = -1
# Of a method's full name, what stands before the method.
_SEPARATOR = "/"


class Fault:
    """Does nothing; others do harm at some of these places.  Used by many threads.

    Attributes:
        hits: how often harm was done.
    """

    def __init__(self) -> None:
        self.hits = 0
        self._lock = threading.Lock()

    def hit(self) -> None:
        """Count."""
        with self._lock:
            self.hits += 1

    def begin(self, proxy: Proxy, method: str, context: Any) -> None:
        """Before a call is passed on; may abort it."""

    def send(self, proxy: Proxy, method: str, messages: Iterator[bytes]) -> Iterator[bytes]:
        """What is passed on of a call's requests."""
        return messages

    def answer(self, proxy: Proxy, method: str, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """What is passed on of a call's answers."""
        return messages


class Proxy:
    """Listens on the loopback interface.

    Args:
        upstream: port of the real server.
        fault: what happens on the way.
        credentials: of the library, for TLS.

    Attributes:
        port: where it listens.
        stopped: set once it stops, for those who wait.
    """

    def __init__(self, upstream: int, fault: Fault, credentials: Any = None) -> None:
        self.fault = fault
        self.stopped = threading.Event()
        limits = [("grpc.max_receive_message_length", _UNLIMITED), ("grpc.max_send_message_length", _UNLIMITED)]
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{upstream}",
            options=[*limits, ("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 100)],
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="proxy")
        self._server = grpc.server(self._threads, options=[*limits, ("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Everything(self),))
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)

    def __enter__(self) -> Proxy:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.stop(0).wait()
        self._channel.close()
        self._threads.shutdown(cancel_futures=True)

    def forward(self, path: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Pass one call on."""
        method = path.rpartition(_SEPARATOR)[2]
        self.fault.begin(self, method, context)
        metadata = [
            (key, value)
            for key, value in context.invocation_metadata()
            if not key.startswith((":", "grpc-")) and key not in ("user-agent", "te", "content-type")
        ]
        call = self._channel.stream_stream(path)(self.fault.send(self, method, requests), metadata=metadata)
        context.add_callback(call.cancel)
        try:
            yield from self.fault.answer(self, method, call, context)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())


class _Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handles any method, with messages as bytes."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def service(self, details: Any) -> Any:
        path = details.method
        handle: Callable[[Any, Any], Iterator[bytes]] = lambda requests, context: self._proxy.forward(  # noqa: E731
            path, requests, context
        )
        return grpc.stream_stream_rpc_method_handler(handle)
