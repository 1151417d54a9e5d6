"""Gives commands in a sandbox a socket at which they find REAPI services (``remote-apis-socket``).

Wraps a runner of the local sandbox.  Knows where the socket is and how long it is served; what is served is for
`serve` to know.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from grilse.protocol.errors import SandboxError
from grilse.remote.config import RemoteSettings
from grilse.remote.connection import Connections
from grilse.remote.library import grpc
from grilse.remote.local_execution import run_action
from grilse.remote.serve import Backend, add_services
from grilse.sandbox.runner import LoggedSession, Runner
from grilse.sandbox.spec import Command, HostMount, Launch
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import Digest

_THREADS = 16
_STOP_SECONDS = 2.0
_LARGEST_MESSAGE_BYTES = 16 << 20


def socket_path(config: Mapping[str, Any]) -> str:
    """Where a sandbox configuration that wants a socket wants it; absolute."""
    return "/" + str(config["remote-apis-socket"]["path"]).lstrip("/")


def make_backend(
    connections: Connections, settings: RemoteSettings, workshop: Workshop, config: Mapping[str, Any]
) -> Backend:
    """What is served in a sandbox: the local store, and the services of remote execution that are configured.

    Raises:
        SandboxError: content is elsewhere, and results would be nowhere.
        RemoteError: a service cannot be used as it is configured.
    """
    execution = settings.execution
    if settings.storage is not None and execution is None:
        raise SandboxError(
            "'remote-apis-socket' with a 'storage-service' for the cache needs an 'action-cache-service' or an "
            "'execution-service' in the 'remote-execution' section"
        )
    storage = (execution.storage if execution is not None else None) or settings.storage
    cache = execution.action_cache if execution is not None else None
    service = execution.execution if execution is not None else None
    return Backend(
        workshop.store,
        storage=connections.get(storage) if storage is not None else None,
        action_cache=connections.get(cache) if cache is not None else None,
        update=bool(config["remote-apis-socket"].get("action-cache-enable-update")),
        push=cache is not None and cache.push,
        execution=connections.get(service) if service is not None else None,
        run=lambda action: run_action(workshop, action),
    )


@contextmanager
def served(backend: Backend) -> Iterator[str]:
    """Serve on a socket in a directory of its own while the block lasts; gives the socket's host path.

    Raises:
        SandboxError: the socket cannot be made.
    """
    # A path of a socket may have 107 bytes, so that it cannot be below just any directory.
    with tempfile.TemporaryDirectory(prefix="grilse-") as directory:
        path = os.path.join(directory, "reapi")
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="reapi") as threads:
            server = grpc.server(threads, options=[("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES)])
            add_services(server, backend)
            try:
                server.add_insecure_port(f"unix:{path}")
            except RuntimeError as error:
                raise SandboxError(f"The socket for remote APIs cannot be made: {error}") from error
            server.start()
            try:
                yield path
            finally:
                server.stop(_STOP_SECONDS).wait()


class NestedRunner:
    """Makes sessions whose commands find the socket; like `grilse.sandbox.runner.Runner`."""

    def __init__(self, runner: Runner, backend: Backend, path: str) -> None:
        self._runner = runner
        self._backend = backend
        self._path = path

    def open(self, layers: Sequence[Digest]) -> NestedSession:
        """A new session."""
        return NestedSession(self._runner.open(layers), self._backend, self._path)


class NestedSession:
    """A session whose commands find the socket."""

    def __init__(self, session: LoggedSession, backend: Backend, path: str) -> None:
        self._session = session
        self._backend = backend
        self._path = path

    def stage(self, root: Digest) -> None:
        """Make the root show a tree."""
        self._session.stage(root)

    def run(self, command: Command) -> int:
        """Run a command; returns its exit status.

        Raises:
            SandboxError: as for other sessions, or the socket cannot be made.
        """
        with served(self._backend) as socket:
            return self._session.run(self._with_socket(command, socket))

    @contextmanager
    def launch(self, command: Command) -> Iterator[Launch]:
        """How another process runs a command, while the block lasts."""
        with served(self._backend) as socket, self._session.launch(self._with_socket(command, socket)) as launch:
            yield launch

    def capture(self, path: str, *, mtimes: bool = False, last: bool = False) -> Digest | None:
        """Put a directory of the root into the store; None if there is none."""
        return self._session.capture(path, mtimes=mtimes, last=last)

    def close(self) -> None:
        """Remove the root."""
        self._session.close()

    def _with_socket(self, command: Command, socket: str) -> Command:
        return replace(command, mounts=(*command.mounts, HostMount(self._path, socket)))
