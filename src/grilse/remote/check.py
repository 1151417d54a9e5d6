"""Finds out whether remotes work: once when a session begins, and in depth for ``doctor``.

Knows which requests a service must understand; decides nothing about what is done without it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from grilse.protocol.errors import RemoteError
from grilse.remote import cas
from grilse.remote.config import RemoteConfig, RemoteSettings
from grilse.remote.connection import Connection, Connections
from grilse.remote.errors import CallFailed
from grilse.remote.session import Say
from grilse.storage.digest import EMPTY, digest_bytes
from grilse.storage.proto.remote_execution_pb2 import DigestFunction

# How long a remote may take for its first word, one retry included.
CHECK_SECONDS = 10.0
_RETRIES = 1
_CHECKS_AT_ONCE = 8
_API_MAJOR = 2
# What services answer to a request without content that they understand.
_UNDERSTOOD = frozenset({"INVALID_ARGUMENT", "NOT_FOUND"})


class RemoteCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What came of checking one remote; plain data.

    Attributes:
        url: of the remote.
        type, push: as configured.
        where: place of its declaration, or "".
        problem: what is wrong, in words, or None.
        seconds: how long a small request takes, or None if none was answered.
        versions: lowest and highest version of the API, or "".
        largest_batch: bytes that a batch of blobs may have, 0 for no limit of its own.
        executes: whether it runs actions.
        updates_action_cache: whether we may tell it results of actions.
        read, write: whether content could be read and written, None where that was not tried.
    """

    url: str
    type: str = "all"
    push: bool = False
    where: str = ""
    problem: str | None = None
    seconds: float | None = None
    versions: str = ""
    largest_batch: int = 0
    executes: bool = False
    updates_action_cache: bool = False
    read: bool | None = None
    write: bool | None = None


def check_remotes(
    connections: Connections, remotes: Iterable[RemoteConfig], *, thorough: bool = False
) -> list[RemoteCheck]:
    """Check remotes, several at the same time.

    Args:
        connections: of this process.
        remotes: to check.
        thorough: whether to try reading and writing content as well (a few bytes that stay there).

    Returns:
        What came of it, in the order of `remotes`; all within about `CHECK_SECONDS`.
    """
    remotes = list(remotes)
    if not remotes:
        return []
    with ThreadPoolExecutor(min(len(remotes), _CHECKS_AT_ONCE), thread_name_prefix="check") as pool:
        futures = [pool.submit(check_remote, connections, remote, thorough=thorough) for remote in remotes]
        try:
            return [future.result() for future in futures]
        except BaseException:
            connections.cancel()
            raise


def check_remote(connections: Connections, remote: RemoteConfig, *, thorough: bool = False) -> RemoteCheck:
    """Check one remote; never raises for what is wrong with it."""
    found: dict[str, Any] = {"url": remote.url, "type": remote.type, "push": remote.push, "where": remote.where}
    try:
        connection = connections.get(remote)
        if remote.is_storage:
            found.update(_check_storage(connection))
        if remote.is_index:
            found.update(_check_index(connection, remote.push))
        if thorough and remote.is_storage and remote.type != "endpoint":
            found.update(_try_content(connection, remote.push))
    except CallFailed as error:
        found["problem"] = f"{error.code}: {error.words}" if error.words else error.code
    except RemoteError as error:
        found["problem"] = error.message
    return RemoteCheck(**found)


def initialize_remotes(connections: Connections, settings: RemoteSettings, say: Say) -> RemoteSettings:
    """Check all caches of a session and leave out those that do not work, with a warning for each."""
    remotes = settings.all_remotes()
    dead = []
    for remote, check in zip(remotes, check_remotes(connections, remotes), strict=True):
        if check.problem is not None:
            say("warn", f"Failed to initialize remote {remote.url}: {check.problem}", detail=None)
            dead.append(remote)
    return settings.without(dead) if dead else settings


def _limit(connection: Connection) -> float:
    return min(CHECK_SECONDS, connection.patience)


def _check_storage(connection: Connection) -> dict[str, Any]:
    began = time.monotonic()
    told = cas.capabilities(connection, seconds=_limit(connection), retries=_RETRIES)
    found: dict[str, Any] = {"seconds": time.monotonic() - began}
    cache = told.cache_capabilities
    if cache.digest_functions and DigestFunction.SHA256 not in cache.digest_functions:
        raise RemoteError("The remote does not know blobs by SHA-256")
    low, high = told.low_api_version, told.high_api_version
    if high.major:
        if not low.major <= _API_MAJOR <= high.major:
            raise RemoteError(f"The remote speaks version {low.major} to {high.major} of the API, not {_API_MAJOR}")
        found["versions"] = f"{low.major}.{low.minor} to {high.major}.{high.minor}"
    found["largest_batch"] = cache.max_batch_total_size_bytes
    found["executes"] = told.execution_capabilities.exec_enabled
    found["updates_action_cache"] = cache.action_cache_update_capabilities.update_enabled
    return found


def _check_index(connection: Connection, push: bool) -> dict[str, Any]:
    from grilse.remote.proto.remote_asset_pb2_grpc import FetchStub, PushStub
    from grilse.storage.proto import remote_asset_pb2 as messages

    fetch = connection.stub(FetchStub)
    fetch_request = messages.FetchBlobRequest(instance_name=connection.instance)
    began = time.monotonic()
    _must_understand(
        connection,
        "Fetch",
        lambda timeout, metadata: fetch.FetchBlob(fetch_request, timeout=timeout, metadata=metadata),
    )
    seconds = time.monotonic() - began
    if push:
        to = connection.stub(PushStub)
        push_request = messages.PushBlobRequest(instance_name=connection.instance)
        _must_understand(
            connection, "Push", lambda timeout, metadata: to.PushBlob(push_request, timeout=timeout, metadata=metadata)
        )
    return {"seconds": seconds}


def _must_understand(connection: Connection, service: str, send: Callable[[float, Any], Any]) -> None:
    """Send a request without content to see whether the service is there."""
    try:
        connection.call(f"{service}Blob", send, seconds=_limit(connection), retries=_RETRIES)
    except CallFailed as error:
        if error.code == "UNIMPLEMENTED":
            raise RemoteError(
                f"It does not implement the {service} service of the Remote Asset API; "
                "if it is meant for content only, give it 'type: storage'"
            ) from error
        # A wrong name of an instance is an invalid argument, too.
        if error.code not in _UNDERSTOOD or "instance" in error.words.lower():
            raise


def _try_content(connection: Connection, push: bool) -> dict[str, Any]:
    began = time.monotonic()
    cas.find_missing(connection, [EMPTY])
    # The first request had to connect as well.
    seconds = time.monotonic() - began
    if not push:
        return {"read": True, "seconds": seconds}
    data = b"grilse doctor " + os.urandom(16).hex().encode()
    digest = digest_bytes(data)
    try:
        cas.update_batch(connection, [(digest, data)])
    except CallFailed as error:
        return {"write": False, "seconds": seconds, "problem": f"It cannot be written to: {error.message}"}
    found, _ = cas.read_batch(connection, [digest])
    return {"write": True, "read": bool(found), "seconds": seconds}
