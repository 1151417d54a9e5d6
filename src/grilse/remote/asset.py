"""Requests to a remote's asset service: which digest has what is known by a URI.

Knows nothing of what the digests name.

Source: ``remote_asset.proto`` in ``storage/proto``.
"""

from __future__ import annotations

from collections.abc import Sequence

from grilse.remote.cas import from_message, to_message
from grilse.remote.connection import Connection
from grilse.remote.errors import CallFailed
from grilse.remote.proto.remote_asset_pb2_grpc import FetchStub, PushStub
from grilse.storage.digest import Digest
from grilse.storage.proto import remote_asset_pb2 as messages

# URIs that BuildStream gives to artifacts and sources; what follows is the name of the artifact or source.
ARTIFACT_URN = "urn:fdc:buildstream.build:2020:artifact:"
SOURCE_URN = "urn:fdc:buildstream.build:2020:source:"

_NOT_FOUND = 5


def fetch_blob(connection: Connection, uris: Sequence[str]) -> Digest | None:
    """The digest of the blob that is known by any of `uris`, or None.

    Raises:
        CallFailed, RemoteSilent: the remote does not say.
    """
    request = messages.FetchBlobRequest(instance_name=connection.instance, uris=uris)
    stub = connection.stub(FetchStub)
    try:
        response = connection.call(
            "FetchBlob", lambda timeout, metadata: stub.FetchBlob(request, timeout=timeout, metadata=metadata)
        )
    except CallFailed as error:
        if error.code != "NOT_FOUND":
            raise
        return None
    return from_message(response.blob_digest) if _is_there(connection, "FetchBlob", response.status) else None


def fetch_directory(connection: Connection, uris: Sequence[str]) -> Digest | None:
    """The digest of the directory that is known by any of `uris`, or None.

    Raises:
        CallFailed, RemoteSilent: the remote does not say.
    """
    request = messages.FetchDirectoryRequest(instance_name=connection.instance, uris=uris)
    stub = connection.stub(FetchStub)
    try:
        response = connection.call(
            "FetchDirectory", lambda timeout, metadata: stub.FetchDirectory(request, timeout=timeout, metadata=metadata)
        )
    except CallFailed as error:
        if error.code != "NOT_FOUND":
            raise
        return None
    found = _is_there(connection, "FetchDirectory", response.status)
    return from_message(response.root_directory_digest) if found else None


def push_blob(
    connection: Connection,
    uris: Sequence[str],
    digest: Digest,
    *,
    blobs: Sequence[Digest] = (),
    directories: Sequence[Digest] = (),
) -> None:
    """Let a blob be known by `uris`.

    Args:
        connection: to the remote.
        uris: names.
        digest: of the blob.
        blobs, directories: what it refers to, and what should live as long as it does.

    Raises:
        CallFailed, RemoteSilent: the remote does not do it.
    """
    request = messages.PushBlobRequest(
        instance_name=connection.instance,
        uris=uris,
        blob_digest=to_message(digest),
        references_blobs=map(to_message, blobs),
        references_directories=map(to_message, directories),
    )
    stub = connection.stub(PushStub)
    connection.call("PushBlob", lambda timeout, metadata: stub.PushBlob(request, timeout=timeout, metadata=metadata))


def push_directory(connection: Connection, uris: Sequence[str], digest: Digest) -> None:
    """Let a directory be known by `uris`.

    Raises:
        CallFailed, RemoteSilent: the remote does not do it.
    """
    request = messages.PushDirectoryRequest(
        instance_name=connection.instance, uris=uris, root_directory_digest=to_message(digest)
    )
    stub = connection.stub(PushStub)
    connection.call(
        "PushDirectory", lambda timeout, metadata: stub.PushDirectory(request, timeout=timeout, metadata=metadata)
    )


def _is_there(connection: Connection, what: str, status: object) -> bool:
    code = getattr(status, "code", 0)
    if code not in (0, _NOT_FOUND):
        raise CallFailed(what, connection.url, "UNKNOWN", f"status {code} {getattr(status, 'message', '')}".strip())
    return bool(code == 0)
