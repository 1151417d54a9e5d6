"""Every message round-trips on its channel, and nothing else can be sent."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grilse.protocol import events, jobs, requests
from grilse.protocol.channel import Channel, ChannelClosed, ProtocolError, check_hello, members
from grilse.protocol.errors import GrilseError
from grilse.protocol.message import Message
from grilse.protocol.requests import Hello

CHANNELS = {
    "control": requests.Request | requests.Command,
    "events": events.Event | Hello,
    "to-worker": jobs.ToWorker,
    "from-worker": jobs.FromWorker,
}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """A strategy for a msgspec type."""
    return _from_info(msgspec.inspect.type_info(kind))


def _from_info(info: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    i = msgspec.inspect
    match info:
        case i.AnyType() | i.RawType():
            return PLAIN
        case i.NoneType():
            return st.none()
        case i.BoolType():
            return st.booleans()
        case i.IntType():
            return st.integers(-(2**63), 2**63 - 1)
        case i.FloatType():
            return st.floats(allow_nan=False)
        case i.StrType():
            return st.text(max_size=12)
        case i.BytesType():
            return st.binary(max_size=12)
        case i.VarTupleType():
            return st.lists(_from_info(info.item_type), max_size=3).map(tuple)
        case i.TupleType():
            return st.tuples(*map(_from_info, info.item_types))
        case i.ListType():
            return st.lists(_from_info(info.item_type), max_size=3)
        case i.DictType():
            return st.dictionaries(_from_info(info.key_type), _from_info(info.value_type), max_size=3)
        case i.UnionType():
            return st.one_of(*map(_from_info, info.types))
        case i.StructType():
            return st.builds(info.cls, **{field.name: _from_info(field.type) for field in info.fields})
    raise NotImplementedError(info)


ALL = [(name, kind) for name, union in CHANNELS.items() for kind in members(union)]


class Loopback:
    """A connection whose two ends are one queue."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send_bytes(self, data: bytes) -> None:
        self.frames.append(bytes(data))

    def recv_bytes(self, limit: int) -> bytes:
        if not self.frames:
            raise EOFError
        return self.frames.pop(0)


def loopback(union: Any) -> Channel[Any, Any]:
    return Channel(Loopback(), union, union)  # type: ignore[arg-type]


@pytest.mark.parametrize(("channel", "kind"), ALL, ids=[f"{c}-{k.__name__}" for c, k in ALL])
def test_every_message_round_trips(channel: str, kind: type[Message]) -> None:
    pipe = loopback(CHANNELS[channel])

    @settings(max_examples=15, deadline=None)
    @given(strategy(kind))
    def check(message: Message) -> None:
        pipe.send(message)
        assert pipe.receive() == message

    check()


@pytest.mark.parametrize("channel", CHANNELS)
def test_nothing_but_the_messages_of_a_channel_can_be_sent(channel: str) -> None:
    pipe = loopback(CHANNELS[channel])
    allowed = set(members(CHANNELS[channel]))
    for thing in (object(), "text", {"event": "text"}, b"bytes", None, 1, Exception("x"), GrilseError("x")):
        with pytest.raises(TypeError):
            pipe.send(thing)
    for _, kind in ALL:
        if kind not in allowed:
            with pytest.raises(TypeError):
                pipe.send(kind.__new__(kind))


@pytest.mark.parametrize("channel", CHANNELS)
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=64) | PLAIN.map(msgspec.msgpack.encode) | PLAIN.map(pickle.dumps))
def test_garbage_is_refused_and_never_executed(channel: str, data: bytes) -> None:
    pipe = loopback(CHANNELS[channel])
    pipe.connection.send_bytes(data)
    with pytest.raises(ProtocolError):
        for message in pipe.receive_many():
            raise ProtocolError(f"decoded {message}")
        raise ProtocolError("an empty frame")
    with pytest.raises(ChannelClosed):
        pipe.receive()


def test_another_protocol_version_is_a_clear_error() -> None:
    with pytest.raises(ProtocolError, match="speaks protocol 999") as caught:
        check_hello(Hello(role="backend", protocol=999, program="9.9", pid=1), "backend")
    assert caught.value.reason == "protocol-mismatch"
    with pytest.raises(ProtocolError, match="expected a backend"):
        check_hello(Hello(role="worker", program="0.1", pid=1), "backend")


def test_an_error_refuses_to_be_pickled() -> None:
    with pytest.raises(TypeError, match="Failure"):
        pickle.dumps(GrilseError("no"))


def test_the_event_log_holds_the_error_form_that_machines_read() -> None:
    line = msgspec.json.encode(events.Error(scope="main", domain="LOAD", reason="MISSING_FILE", message="m"))
    read = msgspec.json.decode(line)
    assert {key: read[key] for key in ("event", "scope", "domain", "reason", "message")} == {
        "event": "error",
        "scope": "main",
        "domain": "LOAD",
        "reason": "MISSING_FILE",
        "message": "m",
    }
    assert msgspec.json.decode(msgspec.json.encode(events.Unhandled(message="m")))["event"] == "unhandled"


def test_the_protocol_document_is_what_the_messages_say() -> None:
    tool = Path(__file__).parents[2] / "tools" / "protocol_document.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
