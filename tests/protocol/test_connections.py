"""Connections frame what they send as those of `multiprocessing` do, and end as they do."""

from __future__ import annotations

import gc
import os
import threading
import time
from multiprocessing import connection as standard

import pytest

from grilse.platform.connection import pair, wait

LIMIT = 10_000_000
SIZES = [0, 1, 16_383, 16_384, 16_385, 70_000, 3_000_000]

posix = pytest.mark.skipif(os.name == "nt", reason="Windows uses the connections of multiprocessing")


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_arrives_as_it_was_sent(size: int) -> None:
    here, there = pair(duplex=True)
    data = os.urandom(size)
    thread = threading.Thread(target=lambda: [here.send_bytes(data), here.send_bytes(b"next")])
    thread.start()
    assert there.recv_bytes(LIMIT) == data
    assert there.recv_bytes(LIMIT) == b"next"
    thread.join()


@posix
@pytest.mark.parametrize("size", SIZES)
def test_frames_are_those_of_multiprocessing(size: int) -> None:
    here, there = pair(duplex=True)
    other = standard.Connection(os.dup(there.fileno()))
    data = os.urandom(size)
    for send, receive in ((here.send_bytes, other.recv_bytes), (other.send_bytes, here.recv_bytes)):
        thread = threading.Thread(target=send, args=(data,))
        thread.start()
        assert receive(LIMIT) == data
        thread.join()
    other.close()


def test_the_end_of_one_side_is_the_end_for_the_other() -> None:
    here, there = pair(duplex=True)
    here.send_bytes(b"last")
    here.close()
    here.close()
    assert there.poll(0)
    assert there.recv_bytes(LIMIT) == b"last"
    with pytest.raises(EOFError):
        there.recv_bytes(LIMIT)
    with pytest.raises(OSError):
        there.send_bytes(b"x")
    with pytest.raises(OSError):
        here.send_bytes(b"x")
    with pytest.raises(OSError):
        here.fileno()


@posix
def test_an_end_within_a_frame_is_an_error() -> None:
    here, there = pair(duplex=True)
    os.write(here.fileno(), b"\x00\x00\x00\x05abc")
    here.close()
    with pytest.raises(OSError, match="within a frame"):
        there.recv_bytes(LIMIT)


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x65", b"\xff\xff\xff\xff" + b"\x7f" * 8, b"\xff\xff\xff\xfe"])
@posix
def test_a_frame_that_is_too_large_is_not_read(head: bytes) -> None:
    here, there = pair(duplex=True)
    os.write(here.fileno(), head)
    with pytest.raises(OSError):
        there.recv_bytes(100)
    with pytest.raises(OSError):
        there.fileno()


def test_a_pipe_goes_one_way() -> None:
    reader, writer = pair(duplex=False)
    writer.send_bytes(b"!")
    assert reader.recv_bytes(1) == b"!"
    with pytest.raises(OSError):
        reader.send_bytes(b"?")


def test_what_can_be_read_is_told_apart_from_what_cannot() -> None:
    here, there = pair(duplex=True)
    quiet, other = pair(duplex=True)
    assert wait([there, quiet], 0) == []
    here.send_bytes(b"x")
    assert wait([there, quiet, quiet.fileno()], 5) == [there]
    other.close()
    assert set(wait([there, quiet], None)) == {there, quiet}
    assert wait([], 0) == []


def test_waiting_ends_in_time() -> None:
    here, there = pair(duplex=True)
    begun = time.monotonic()
    assert not there.poll(0.05)
    assert time.monotonic() - begun >= 0.05
    here.close()


@posix
def test_a_connection_that_nobody_has_is_closed_and_none_is_inherited() -> None:
    here, there = pair(duplex=True)
    assert not os.get_inheritable(here.fileno())
    assert not os.get_inheritable(there.fileno())
    del here
    gc.collect()
    with pytest.raises(EOFError):
        there.recv_bytes(LIMIT)
