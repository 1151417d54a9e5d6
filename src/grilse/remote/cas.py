"""Single requests to a remote's content-addressable storage.

Knows nothing of trees or of what is worth sending; `transfer` does.  Everything that arrives is compared with its
digest before a caller sees it as a blob.

Source: ``remote_execution.proto`` in ``storage/proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from grilse.remote.connection import Connection
from grilse.remote.errors import BlobCorrupt, CallFailed
from grilse.remote.proto.remote_execution_pb2_grpc import CapabilitiesStub, ContentAddressableStorageStub
from grilse.storage.digest import Digest, digest_bytes
from grilse.storage.proto import remote_execution_pb2
from grilse.storage.wire import MessageError, as_bytes, fields

# What a message may hold besides the data of blobs, so that it stays below the limit of 4 MiB that gRPC servers have.
MESSAGE_BYTES = 4 << 20
_HEADROOM_BYTES = 256 << 10
# A digest with all that protobuf adds takes less than 80 bytes.
DIGESTS_PER_REQUEST = 12_000
# Besides its data, a blob in a batch takes about this.
BLOB_OVERHEAD_BYTES = 120

_NOT_FOUND = 5
_OK = 0
_TREE = "/build.bazel.remote.execution.v2.ContentAddressableStorage/GetTree"

_Message = remote_execution_pb2.Digest


def to_message(digest: Digest) -> _Message:
    """The protobuf message of a digest."""
    return _Message(hash=digest.hash, size_bytes=digest.size)


def from_message(message: _Message) -> Digest:
    """The digest in a protobuf message; an absent message gives an empty hash."""
    return Digest(message.hash, message.size_bytes)


def capabilities(connection: Connection, *, seconds: float | None = None, retries: int | None = None) -> Any:
    """What the remote can do, asked once: its ``ServerCapabilities``.

    Raises:
        CallFailed: it does not answer.
    """
    found = connection.memory.get("capabilities")
    if found is None:
        request = remote_execution_pb2.GetCapabilitiesRequest(instance_name=connection.instance)
        stub = connection.stub(CapabilitiesStub)
        try:
            found = connection.call(
                "GetCapabilities",
                lambda timeout, metadata: stub.GetCapabilities(request, timeout=timeout, metadata=metadata),
                seconds=seconds,
                retries=retries,
            )
        except CallFailed as error:
            if error.code != "UNIMPLEMENTED":
                raise
            found = remote_execution_pb2.ServerCapabilities()
        connection.memory["capabilities"] = found
    return found


def batch_limit(connection: Connection) -> int:
    """Bytes that the blobs of one batch may have together."""
    told = capabilities(connection).cache_capabilities.max_batch_total_size_bytes
    return min(told or MESSAGE_BYTES, MESSAGE_BYTES - _HEADROOM_BYTES)


def find_missing(connection: Connection, digests: Sequence[Digest]) -> list[Digest]:
    """Those of `digests`, at most `DIGESTS_PER_REQUEST`, that the remote does not have.

    Raises:
        CallFailed: it does not say.
    """
    request = remote_execution_pb2.FindMissingBlobsRequest(
        instance_name=connection.instance, blob_digests=map(to_message, digests)
    )
    stub = connection.stub(ContentAddressableStorageStub)
    response = connection.call(
        "FindMissingBlobs",
        lambda timeout, metadata: stub.FindMissingBlobs(request, timeout=timeout, metadata=metadata),
        size=80 * len(digests),
    )
    return [from_message(message) for message in response.missing_blob_digests]


def read_batch(connection: Connection, digests: Sequence[Digest]) -> tuple[list[tuple[Digest, bytes]], list[Digest]]:
    """Blobs that together fit into `batch_limit`, and those that the remote does not have.

    Raises:
        CallFailed: it does not answer, or something is wrong with a blob.
        BlobCorrupt: it sends something else.
    """
    request = remote_execution_pb2.BatchReadBlobsRequest(
        instance_name=connection.instance, digests=map(to_message, digests)
    )
    stub = connection.stub(ContentAddressableStorageStub)
    response = connection.call(
        "BatchReadBlobs",
        lambda timeout, metadata: stub.BatchReadBlobs(request, timeout=timeout, metadata=metadata),
        size=sum(digest.size for digest in digests) + BLOB_OVERHEAD_BYTES * len(digests),
    )
    found: list[tuple[Digest, bytes]] = []
    wanted = set(digests)
    for answer in response.responses:
        digest = from_message(answer.digest)
        if digest not in wanted:
            continue  # asked for twice or not at all
        if answer.status.code == _OK:
            data = answer.data
            actual = digest_bytes(data)
            if actual != digest:
                raise BlobCorrupt(connection.url, digest, str(actual))
            found.append((digest, data))
        elif answer.status.code != _NOT_FOUND:
            raise _refused(connection, "BatchReadBlobs", digest, answer.status)
        else:
            continue
        wanted.discard(digest)
    return found, [digest for digest in digests if digest in wanted]


def update_batch(connection: Connection, blobs: Sequence[tuple[Digest, bytes]]) -> None:
    """Upload blobs that together fit into `batch_limit`.

    Raises:
        CallFailed: it does not answer, or refuses a blob (reason ``cache-too-full`` when there is no space).
    """
    request = remote_execution_pb2.BatchUpdateBlobsRequest(instance_name=connection.instance)
    for digest, data in blobs:
        request.requests.add(digest=to_message(digest), data=data)
    stub = connection.stub(ContentAddressableStorageStub)
    response = connection.call(
        "BatchUpdateBlobs",
        lambda timeout, metadata: stub.BatchUpdateBlobs(request, timeout=timeout, metadata=metadata),
        size=sum(digest.size for digest, _ in blobs) + BLOB_OVERHEAD_BYTES * len(blobs),
    )
    for answer in response.responses:
        if answer.status.code != _OK:
            raise _refused(connection, "BatchUpdateBlobs", from_message(answer.digest), answer.status)


def get_tree(connection: Connection, root: Digest) -> Iterator[bytes]:
    """The ``Directory`` messages of a tree, each as it was stored; perhaps not all of them, perhaps others too.

    Raises:
        CallFailed: the remote has not all of it (code ``NOT_FOUND``), does not answer, or cannot do this (code
            ``UNIMPLEMENTED``).
    """
    call_tree = connection.channel().unary_stream(
        _TREE, request_serializer=remote_execution_pb2.GetTreeRequest.SerializeToString
    )
    token = ""
    while True:
        connection.check_breaker()
        request = remote_execution_pb2.GetTreeRequest(
            instance_name=connection.instance, root_digest=to_message(root), page_token=token
        )
        token = ""
        call = call_tree(request, metadata=connection.metadata())
        with connection.watched(call, "GetTree") as watch:
            for page in call:
                watch.moved(len(page))
                for number, value in _page_fields(connection, page):
                    if number == 1:
                        yield value
                    elif number == 2:
                        token = value.decode("utf-8", "replace")
        connection.answered()
        if not token:
            return


def _page_fields(connection: Connection, page: bytes) -> Iterator[tuple[int, bytes]]:
    # Not by the generated class: a directory must keep the very bytes that its digest is of.
    try:
        for number, value in fields(page):
            yield number, as_bytes(value)
    except MessageError as error:
        raise CallFailed("GetTree", connection.url, "DATA_LOSS", str(error)) from error


def _refused(connection: Connection, what: str, digest: Digest, status: Any) -> CallFailed:
    from grpc import StatusCode

    names = {code.value[0]: code.name for code in StatusCode}
    return CallFailed(
        f"{what} of blob {digest.hash}", connection.url, names.get(status.code, "UNKNOWN"), status.message
    )
