"""The outbox with a frontend that reads late: nothing is lost, and who posts never waits."""

from __future__ import annotations

import time
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

from grilse.backend.eventlog import EventLog
from grilse.backend.outbox import BACKLOG_LIMIT, Outbox
from grilse.protocol.channel import Channel, ChannelClosed
from grilse.protocol.events import CaughtUp, Event, JobProgress, LoggedEvents, Output, Text, Values
from grilse.protocol.requests import Hello


class Frontend:
    """The other end, which reads when told to and puts the log together again of what it was sent."""

    def __init__(self, directory: Path) -> None:
        self._connection, theirs = Pipe()
        self.log = EventLog(str(directory / "events.jsonl"))
        self.outbox = Outbox(Channel(theirs, Event | Hello, Event), self.log)
        self._theirs = theirs
        self.seen = b""
        self.gaps = 0
        self.others: list[Any] = []

    def emit(self, text: str) -> None:
        self.outbox.post_lines(*self.log.append(Text(time=1.0, kind="info", text=text)))

    def read(self, until: int) -> None:
        channel: Channel[Any, Any] = Channel(self._connection, Event, Event)
        while len(self.seen) < until:
            for event in channel.receive_many():
                self._take(event)

    def _take(self, event: Any) -> None:
        if isinstance(event, LoggedEvents):
            self.seen += event.lines
        elif isinstance(event, CaughtUp):
            assert event.start == len(self.seen)
            self.gaps += 1
            self.seen = Path(str(self.log.path)).read_bytes()[: event.end]
        else:
            self.others.append(event)

    def rest(self) -> None:
        self._theirs.close()
        channel: Channel[Any, Any] = Channel(self._connection, Event, Event)
        try:
            while True:
                for event in channel.receive_many():
                    self._take(event)
        except ChannelClosed:
            return


def test_a_reader_that_comes_late_gets_everything_in_order_and_who_posts_never_waits(tmp_path: Path) -> None:
    frontend = Frontend(tmp_path)
    frontend.emit("first")
    started = time.monotonic()
    for number in range(3 * BACKLOG_LIMIT // 1000):
        frontend.emit(f"{number} " + "x" * 1000)
        if number == 20:
            frontend.outbox.post(Output(b"a result"))
            frontend.outbox.post(Values(data={"a": "result"}))
    assert time.monotonic() - started < 10.0
    assert frontend.outbox._bytes < BACKLOG_LIMIT
    frontend.read(frontend.log.size)
    frontend.emit("last")
    assert frontend.outbox.finish(5.0) is None
    frontend.rest()
    frontend.log.flush()
    assert frontend.seen == Path(str(frontend.log.path)).read_bytes()
    assert frontend.gaps in (1, 2)
    assert frontend.others == [Output(b"a result"), Values(data={"a": "result"})]


def test_of_progress_only_the_newest_of_a_job_is_sent(tmp_path: Path) -> None:
    frontend = Frontend(tmp_path)
    # More than the pipe takes: from then on it waits.
    for _ in range(400):
        frontend.emit("x" * 1000)
    for number in range(1000):
        for job in (1, 2):
            frontend.outbox.replace(JobProgress(time=1.0, job=job, activity=str(number)))
    frontend.read(frontend.log.size)
    assert frontend.outbox.finish(5.0) is None
    frontend.rest()
    assert [(event.job, event.activity) for event in frontend.others][-2:] == [(1, "999"), (2, "999")]
    assert len(frontend.others) < 10


def test_what_could_not_be_sent_is_said_to_be_in_the_log(tmp_path: Path) -> None:
    frontend = Frontend(tmp_path)
    for _ in range(2000):
        frontend.emit("x" * 1000)
    unsent = frontend.outbox.finish(0.1)
    assert unsent is not None
    start, end = unsent
    frontend.log.flush()
    assert end == frontend.log.size
    assert Path(str(frontend.log.path)).read_bytes()[start - 1 : start] == b"\n" or start == 0
