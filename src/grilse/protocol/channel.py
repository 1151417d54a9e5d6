"""A typed, framed channel over a connection that keeps frames apart.

Knows nothing of processes or of what messages mean.  Frames are bytes (`send_bytes`, `recv_bytes`): nothing is
ever pickled, and what is not a message of the channel can neither be sent nor received.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import UnionType
from typing import Any, Generic, Protocol, TypeVar, get_args

import msgspec

from .errors import ErrorDomain, GrilseError
from .message import PROTOCOL_VERSION, Message
from .requests import Hello

# Bytes of one frame that a peer may send; a larger one is garbage.
MAX_FRAME = 256 * 1024 * 1024

# First byte of a msgpack array, by which a frame of several messages is told from one message (a map).
_ARRAY_TYPES = frozenset(bytes([first]) for first in (*range(0x90, 0xA0), 0xDC, 0xDD))

Sent = TypeVar("Sent", bound=Message)
Received = TypeVar("Received", bound=Message)


class Connection(Protocol):
    """What a channel needs of a connection: `platform.connection` has it, and `multiprocessing` as well."""

    def send_bytes(self, data: bytes, /) -> None: ...
    def recv_bytes(self, limit: int, /) -> bytes: ...
    def poll(self, timeout: float, /) -> bool: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class ProtocolError(GrilseError):
    """A peer speaks another protocol version, or sends what is not a message."""

    default_domain = ErrorDomain.APP


class ChannelClosed(Exception):
    """The other side has closed its end, or has died."""


class Channel(Generic[Sent, Received]):
    """Sends messages of one union and receives those of another.

    Any thread may send; one thread at a time may receive.

    Args:
        connection: a duplex or one-way connection; the channel owns it from now on.
        sends: union of message types that may be sent.
        receives: union of message types that may be received.
    """

    def __init__(self, connection: Connection, sends: Any, receives: Any) -> None:
        self.connection = connection
        self._sendable = frozenset(members(sends))
        self._encoder = msgspec.msgpack.Encoder()
        self._receives: Any = receives
        # Made when something is received: working out what all events may hold takes milliseconds, and a backend only
        # sends them.
        self._one: msgspec.msgpack.Decoder[Any] | None = None
        self._batch: msgspec.msgpack.Decoder[Any] | None = None
        self._lock = threading.Lock()

    def encode(self, message: Sent) -> bytes:
        """Encode one message of this channel.

        Raises:
            TypeError: `message` is not one that this channel carries.
        """
        if type(message) not in self._sendable:
            raise TypeError(f"{type(message).__name__} is not a message of this channel")
        return self._encoder.encode(message)

    def send(self, message: Sent) -> None:
        """Send one message; blocks while the peer does not read.

        Raises:
            TypeError: `message` is not one that this channel carries.
            ChannelClosed: the peer is gone.
        """
        self.send_encoded(self.encode(message))

    def send_encoded(self, data: bytes) -> None:
        """Send what `encode` returned."""
        with self._lock:
            try:
                self.connection.send_bytes(data)
            except (OSError, ValueError) as error:
                raise ChannelClosed from error

    def send_many(self, encoded: Sequence[bytes]) -> None:
        """Send several messages, each as `encode` returned it, in one frame: a msgpack array of them.

        The peer must read with `receive_many`.  At thousands of messages a second most of the cost is that of frames.

        Raises:
            ChannelClosed: the peer is gone.
        """
        self.send_encoded(join_messages(encoded))

    def receive(self) -> Received:
        """Wait for the next message.

        Raises:
            ChannelClosed: the peer is gone.
            ProtocolError: what came is not a message of this channel.
        """
        data = self._receive_frame()
        try:
            message: Received = self._decoder().decode(data)
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"not a message of this channel: {error}", reason="bad-message") from error
        return message

    def receive_many(self) -> list[Received]:
        """Wait for the next frame; its messages, one or many.

        Raises:
            ChannelClosed: the peer is gone.
            ProtocolError: what came are not messages of this channel.
        """
        return self._decode_many(self._receive_frame())

    def decode_frames(self, frames: Sequence[bytes]) -> tuple[list[Received], ProtocolError | None]:
        """The messages in frames that somebody else has read, and what is wrong with the first that is none, if one is.

        What follows a bad frame is not looked at.
        """
        if len(frames) > 1 and _ARRAY_TYPES.isdisjoint([frame[:1] for frame in frames]):
            try:
                return self._batch_decoder().decode(join_messages(frames)), None
            except msgspec.MsgspecError:
                # One of them is bad: which one is seen when they are taken one by one.
                pass
        messages: list[Received] = []
        for frame in frames:
            try:
                messages += self._decode_many(frame)
            except ProtocolError as error:
                return messages, error
        return messages, None

    def _decode_many(self, data: bytes) -> list[Received]:
        try:
            if data[:1] in _ARRAY_TYPES:
                messages: list[Received] = self._batch_decoder().decode(data)
                return messages
            return [self._decoder().decode(data)]
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"not a message of this channel: {error}", reason="bad-message") from error

    def _decoder(self) -> msgspec.msgpack.Decoder[Any]:
        if self._one is None:
            self._one = msgspec.msgpack.Decoder(self._receives)
        return self._one

    def _batch_decoder(self) -> msgspec.msgpack.Decoder[Any]:
        if self._batch is None:
            self._batch = _decoder_of_many(self._receives)
        return self._batch

    def _receive_frame(self) -> bytes:
        try:
            return self.connection.recv_bytes(MAX_FRAME)
        except (OSError, EOFError, ValueError) as error:
            raise ChannelClosed from error

    def poll(self, timeout: float = 0.0) -> bool:
        """Whether a message (or the end) can be received within `timeout` seconds."""
        try:
            return self.connection.poll(timeout)
        except (OSError, EOFError):
            return True

    def fileno(self) -> int:
        """The descriptor or handle, so that the channel can be waited for."""
        return self.connection.fileno()

    def close(self) -> None:
        """Close this end; a blocked peer sees the end."""
        self.connection.close()


def _decoder_of_many(receives: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(list[receives])


def join_messages(encoded: Sequence[bytes]) -> bytes:
    """One frame of several encoded messages, for `Channel.send_encoded`."""
    return b"".join((b"\xdd", len(encoded).to_bytes(4, "big"), *encoded))


def members(union: Any) -> tuple[type[Message], ...]:
    """The message types of a union, or of a single type."""
    return get_args(union) if isinstance(union, UnionType) else (union,)


def check_hello(message: object, role: str) -> Hello:
    """Check the first message of a channel.

    Raises:
        ProtocolError: it is not a hello, not from `role`, or of another protocol version.
    """
    if not isinstance(message, Hello):
        raise ProtocolError(f"expected a hello, got {type(message).__name__}", reason="no-hello")
    if message.protocol != PROTOCOL_VERSION:
        raise ProtocolError(
            f"the {message.role} speaks protocol {message.protocol}, this program {PROTOCOL_VERSION}: "
            "two versions of grilse are mixed in this installation",
            reason="protocol-mismatch",
        )
    if message.role != role:
        raise ProtocolError(f"expected a {role}, got a {message.role}", reason="wrong-role")
    return message
