"""Several messages in one frame."""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import Pipe
from typing import Any

import msgspec
import pytest

from grilse.platform.waiting import FrameReader
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


@pytest.mark.parametrize("size", [0, 1, 100, 300_000])
def test_frames_are_read_as_a_connection_sends_them(size: int) -> None:
    here, there = Pipe()
    reader = FrameReader(there, 1_000_000)
    sent = [b"x" * size, b"", b"y" * (size // 2), b"z"]
    threading.Thread(target=lambda: [here.send_bytes(frame) for frame in sent]).start()
    read: list[bytes] = []
    while len(read) < len(sent):
        read += reader.read()
    assert read == sent
    here.close()
    with pytest.raises((EOFError, OSError)):
        reader.read()


def test_a_frame_beyond_the_limit_is_refused() -> None:
    here, there = Pipe()
    here.send_bytes(b"good")
    here.send_bytes(b"x" * 1000)
    reader = FrameReader(there, 999)
    if os.name == "nt":
        with pytest.raises(OSError):
            reader.read() and reader.read()
        return
    read: list[bytes] = []
    while reader.bad is None:
        read += reader.read()
    assert read == [b"good"]
    assert reader.bad == "a frame of 1000 bytes"


@pytest.mark.skipif(os.name == "nt", reason="a message of a pipe is a frame on Windows")
def test_a_frame_is_put_together_from_any_pieces() -> None:
    here, there = Pipe()
    reader = FrameReader(there, 1000)
    stream = b"\x00\x00\x00\x03one" + b"\xff\xff\xff\xff" + (5).to_bytes(8) + b"fifth" + bytes(4)
    read: list[bytes] = []
    for number in range(len(stream)):
        assert reader.partial == (number not in (0, 7, 24))
        os.write(here.fileno(), stream[number : number + 1])
        read += reader.read()
    assert read == [b"one", b"fifth", b""]


def test_the_good_messages_before_a_bad_frame_count_and_none_after_it() -> None:
    sender, receiver = pair()
    good = [sender.encode(Text(time=1.0, kind="info", text=str(number))) for number in range(3)]
    messages, bad = receiver.decode_frames([*good[:2], b"\x00", good[2]])
    assert [message.text for message in messages] == ["0", "1"]
    assert isinstance(bad, ProtocolError)
    assert receiver.decode_frames(good) == ([receiver.decode_frames([one])[0][0] for one in good], None)
