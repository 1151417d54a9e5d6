"""Connections of Windows: the names of ``posix_connection``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def connection_class() -> type[Any]:
    """See ``posix_connection.connection_class``."""
    from multiprocessing import connection

    kind: type[Any] = vars(connection).get("PipeConnection", connection.Connection)
    return kind


def pair(*, duplex: bool) -> tuple[Connection, Connection]:
    """See ``posix_connection.pair``."""
    from multiprocessing import Pipe

    return Pipe(duplex)


def wait(waitables: Sequence[Any], timeout: float | None = None) -> list[Any]:
    """See ``posix_connection.wait``; what has no `fileno` is a handle."""
    from multiprocessing import connection

    return connection.wait(waitables, timeout)
