"""Several messages in one frame."""

from __future__ import annotations

from multiprocessing.connection import Pipe
from typing import Any

import msgspec
import pytest

from grilse.protocol.channel import Channel, ProtocolError
from grilse.protocol.events import Event, LogStyle, Output, Text
from grilse.protocol.requests import Command, Quit


def pair() -> tuple[Channel[Any, Any], Channel[Any, Any]]:
    here, there = Pipe()
    return Channel(here, Event, Command), Channel(there, Command, Event)


def test_a_batch_arrives_whole_and_in_order() -> None:
    sender, receiver = pair()
    messages = [Text(time=1.0, kind="info", text=str(number)) for number in range(300)]
    sender.send_many([sender.encode(message) for message in messages])
    assert receiver.receive_many() == messages


def test_single_messages_and_batches_mix_on_one_channel() -> None:
    sender, receiver = pair()
    sender.send(LogStyle())
    sender.send_many([sender.encode(Output(b"\x90\xff"))])
    assert receiver.receive_many() == [LogStyle()]
    assert receiver.receive_many() == [Output(b"\x90\xff")]


@pytest.mark.parametrize("frame", [b"", b"\xdd\x00\x00\x00\x02\x80", msgspec.msgpack.encode([1, 2])])
def test_garbage_in_a_frame_is_a_protocol_error(frame: bytes) -> None:
    sender, receiver = pair()
    sender.send_encoded(frame)
    with pytest.raises(ProtocolError):
        receiver.receive_many()


def test_a_batch_holds_messages_of_the_channel_only() -> None:
    sender, _ = pair()
    with pytest.raises(TypeError):
        sender.encode(Quit())
