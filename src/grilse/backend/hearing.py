"""Hears what workers say: when to listen to whom, and all that has come at once, as it goes into the event log.

Knows the messages of workers, nothing of what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from ..platform.waiting import FrameReader, Waiter
from ..protocol.channel import Channel, ChannelClosed, ProtocolError
from ..protocol.events import Text
from ..protocol.jobs import FromWorker, JobActivity, JobLaunch, JobResult, JobSaid, ToWorker
from ..protocol.requests import Hello
from .loop import Callback, Loop

# What a worker says is heard at once this many times, and from then on, as long as it goes on talking, only so often
# (seconds), together with what others say that talk much: most of what a message costs is being woken up for it.
FREE_WORDS = 20
REST = 0.04
# Bytes of a message from a worker: what is longer is no message.  Workers keep the texts that they send far shorter.
FRAME_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """What a job has said in one go, one message or more.

    Attributes:
        lines: as it goes into the event log.
        texts: the same, decoded.
    """

    lines: bytes
    texts: list[Text]


Heard: TypeAlias = Hello | Said | JobActivity | JobLaunch | JobResult


class Ear:
    """Reads a worker's channel, which nobody else may read.

    Args:
        channel: the channel to the worker.
    """

    def __init__(self, channel: Channel[ToWorker, FromWorker]) -> None:
        self._channel = channel
        self._reader = FrameReader(channel.connection, FRAME_LIMIT)
        self._texts = msgspec.json.Decoder(Text)

    def hear(self) -> tuple[list[Heard], ProtocolError | None]:
        """What has come whole, in order, and what is wrong with what comes next, if something is.

        Waits only if nothing at all has come.

        Raises:
            ChannelClosed: the worker is gone, and all that it said was read.
        """
        try:
            frames = self._reader.read()
        except (OSError, EOFError) as error:
            raise ChannelClosed from error
        messages, bad = self._channel.decode_frames(frames)
        if bad is None and self._reader.bad is not None:
            bad = ProtocolError(f"not a message of this channel: {self._reader.bad}", reason="bad-message")
        heard: list[Heard] = []
        lines: list[bytes] = []
        try:
            for message in messages:
                if isinstance(message, JobSaid):
                    lines.append(message.lines)
                    continue
                if lines:
                    heard.append(self._said(lines))
                    lines = []
                heard.append(message)
            if lines:
                heard.append(self._said(lines))
        except ProtocolError as error:
            return heard, error
        return heard, bad

    @property
    def interrupted(self) -> bool:
        """Whether the beginning of a message has come, and not its end."""
        return self._reader.partial

    def _said(self, parts: list[bytes]) -> Said:
        lines = b"".join(parts)
        try:
            texts = self._texts.decode_lines(lines)
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"not lines of an event log: {error}", reason="bad-message") from error
        if not lines.endswith(b"\n"):
            raise ProtocolError("a line of an event log has no end", reason="bad-message")
        return Said(lines, texts)


@dataclass(slots=True)
class _Speaker:
    callback: Callback
    words: int = 0
    talks_much: bool = False


class Audience:
    """Calls back when there is something to hear of a connection: at once, or by and by if it talks much."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._speakers: dict[Any, _Speaker] = {}
        self._talkers = Waiter()
        self._listening = False

    def watch(self, connection: Any, callback: Callback) -> None:
        """Call back whenever something has come."""
        self._speakers[connection] = _Speaker(callback)
        self._loop.watch(connection, callback)

    def forget(self, connection: Any) -> None:
        """Listen no more; before the connection is closed."""
        speaker = self._speakers.pop(connection, None)
        if speaker is not None:
            (self._talkers.remove if speaker.talks_much else self._loop.forget)(connection)

    def heard(self, connection: Any) -> None:
        """Something of it was read."""
        speaker = self._speakers.get(connection)
        if speaker is None or speaker.talks_much:
            return
        speaker.words += 1
        if speaker.words >= FREE_WORDS:
            speaker.talks_much = True
            self._loop.forget(connection)
            self._talkers.add(connection)
            if not self._listening:
                self._listening = True
                self._loop.after(REST, self._listen)

    def attend(self, connection: Any) -> None:
        """Its next words are worth being woken up for."""
        speaker = self._speakers.get(connection)
        if speaker is None:
            return
        speaker.words = 0
        if speaker.talks_much:
            speaker.talks_much = False
            self._talkers.remove(connection)
            self._loop.watch(connection, speaker.callback)

    def close(self) -> None:
        """Forget everybody."""
        for connection in list(self._speakers):
            self.forget(connection)
        self._talkers.close()

    def _listen(self) -> None:
        talkers = [connection for connection, speaker in self._speakers.items() if speaker.talks_much]
        if not talkers:
            self._listening = False
            return
        ready = set(self._talkers.wait(0))
        for connection in talkers:
            if connection not in ready:
                self.attend(connection)
            elif (speaker := self._speakers.get(connection)) is not None:
                speaker.callback()
        self._loop.after(REST, self._listen)
