"""Requests to a remote's action cache: what came of an action before.

Knows messages and their digests only.

Source: ``remote_execution.proto`` in ``storage/proto``.
"""

from __future__ import annotations

from typing import Any

from grilse.remote.cas import to_message
from grilse.remote.connection import Connection
from grilse.remote.errors import CallFailed
from grilse.remote.proto.remote_execution_pb2_grpc import ActionCacheStub
from grilse.storage.digest import Digest
from grilse.storage.proto import remote_execution_pb2 as messages


def get_result(connection: Connection, action: Digest) -> Any:
    """The ``ActionResult`` of an action, or None if it is not known.

    Raises:
        CallFailed, RemoteSilent: the remote does not say.
    """
    request = messages.GetActionResultRequest(instance_name=connection.instance, action_digest=to_message(action))
    stub = connection.stub(ActionCacheStub)
    try:
        return connection.call(
            "GetActionResult",
            lambda timeout, metadata: stub.GetActionResult(request, timeout=timeout, metadata=metadata),
        )
    except CallFailed as error:
        if error.code != "NOT_FOUND":
            raise
        return None


def update_result(connection: Connection, action: Digest, result: Any) -> None:
    """Let the remote know what came of an action.

    Raises:
        CallFailed, RemoteSilent: it does not want to.
    """
    request = messages.UpdateActionResultRequest(
        instance_name=connection.instance, action_digest=to_message(action), action_result=result
    )
    stub = connection.stub(ActionCacheStub)
    connection.call(
        "UpdateActionResult",
        lambda timeout, metadata: stub.UpdateActionResult(request, timeout=timeout, metadata=metadata),
    )
