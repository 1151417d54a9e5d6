"""The messages with which bots and a service like BuildGrid talk: the parts of the Remote Workers API that a bot needs.

Source: ``google/devtools/remoteworkers/v1test2/bots.proto`` and ``worker.proto`` (field numbers).  Fields that are not
named here travel along unseen.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from grilse.storage.proto import status_pb2

_PACKAGE = "google.devtools.remoteworkers.v1test2"
_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {"string": _Field.TYPE_STRING, "int32": _Field.TYPE_INT32}
_MESSAGES = {
    "Property": {"key": (1, "string"), "value": (2, "string")},
    "Device": {"handle": (1, "string"), "properties": (2, "*Property")},
    "Worker": {"devices": (1, "*Device"), "properties": (2, "*Property"), "configs": (3, "*Property")},
    "Lease": {
        "id": (7, "string"),
        "payload": (8, ".google.protobuf.Any"),
        "result": (9, ".google.protobuf.Any"),
        "state": (2, "int32"),
        "status": (3, ".google.rpc.Status"),
    },
    "BotSession": {
        "name": (1, "string"),
        "bot_id": (2, "string"),
        "status": (3, "int32"),
        "worker": (4, "Worker"),
        "leases": (5, "*Lease"),
        "version": (7, "string"),
    },
    "CreateBotSessionRequest": {"parent": (1, "string"), "bot_session": (2, "BotSession")},
    "UpdateBotSessionRequest": {"name": (1, "string"), "bot_session": (2, "BotSession")},
}
# Of BotStatus and LeaseState, which travel as numbers.
OK = 1
TERMINATING = 4
PENDING, ACTIVE, COMPLETED, CANCELLED = 1, 2, 4, 5


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in (any_pb2, status_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="bots.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.extend([any_pb2.DESCRIPTOR.name, status_pb2.DESCRIPTOR.name])
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            made = message.field.add(name=field, number=number, label=_Field.LABEL_OPTIONAL)
            if kind.startswith("*"):
                made.label = _Field.LABEL_REPEATED
                kind = kind[1:]
            if kind in _KINDS:
                made.type = _KINDS[kind]
            else:
                made.type = _Field.TYPE_MESSAGE
                made.type_name = kind if kind.startswith(".") else f".{_PACKAGE}.{kind}"
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _pool()


def message(name: str) -> Any:
    """The class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


BotSession = message("BotSession")
CreateBotSessionRequest = message("CreateBotSessionRequest")
UpdateBotSessionRequest = message("UpdateBotSessionRequest")


class BotsStub:
    """Calls of the Bots service."""

    def __init__(self, channel: Any) -> None:
        def method(name: str, request: Any) -> Any:
            return channel.unary_unary(
                f"/{_PACKAGE}.Bots/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=BotSession.FromString,
            )

        self.CreateBotSession = method("CreateBotSession", CreateBotSessionRequest)
        self.UpdateBotSession = method("UpdateBotSession", UpdateBotSessionRequest)
