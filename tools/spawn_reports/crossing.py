"""Run a session of grilse with its frames recorded, and say what each sort of message costs.

Knows where grilse's processes are cut and how its messages are encoded; nothing of reports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Pipe
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from grilse import platform
from grilse.backend.pool import WORKER_SCRIPT
from grilse.protocol.channel import Channel
from grilse.protocol.events import Event
from grilse.protocol.jobs import FromWorker, ToWorker
from grilse.protocol.requests import Command, Hello, Request

from .watched_backend import HEADER

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SESSION_LIMIT_SECONDS = 1800
# How often a worker is started, and how often a frame crosses and comes back, to time that.
STARTS = 7
ROUNDS = 2000
# Messages of one sort that are encoded and decoded to time that, and how often each.
TIMED = 40
REPEATS = 15

_ECHO = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[-1]))
try:
    while True:
        connection.send_bytes(connection.recv_bytes())
except EOFError:
    pass
"""


class SessionFailed(Exception):
    """A session of grilse did not come as far as it should; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Session:
    """What was recorded of one session.

    ``messages`` are direction, tag and bytes, in the order in which they were sent or received; the directions are
    those of ``DIRECTIONS``.  Events that cross as lines of the log, in bundles, are there one by one, as these lines.
    ``facts`` are what was seen when the first job was sent, and ``plan_bytes`` at the last.
    """

    messages: list[tuple[str, str, bytes]]
    facts: dict[str, Any]


# By whether the backend received it and whether a worker was at the other end.
DIRECTIONS = {
    (True, False): "frontend → backend",
    (False, False): "backend → frontend",
    (False, True): "backend → worker",
    (True, True): "worker → backend",
}
_TAGS_OF_WORKERS = {
    False: frozenset(kind.__struct_config__.tag for kind in ToWorker.__args__),
    True: frozenset(kind.__struct_config__.tag for kind in FromWorker.__args__ if kind is not Hello),
}
# Messages that carry lines of the event log.
_BUNDLES = {"logged-events": "backend → frontend", "job-said": "worker → backend"}
_ANY = {False: ToWorker | Event | Hello, True: Request | Command | FromWorker}


def run_session(
    project: Path,
    words: list[str],
    folder: Path,
    task: str,
    *,
    classes: tuple[str, ...] = (),
    may_fail: bool = False,
    options: tuple[str, ...] = (),
) -> Session:
    """Run ``grilse WORDS`` in a project with caches below ``folder``; look at the backend at its first job of ``task``.

    ``classes`` of the core are audited then, all of them if none is named.

    :raises SessionFailed: if it fails, unless it may, or if no such job was sent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "user.conf"
    configuration.write_text(f"cachedir: {folder / 'cache'}\nlogdir: {folder / 'logs'}\n")
    frames, facts = folder / "frames", folder / "facts.json"
    environment = {
        **environment_of(folder),
        "SPAWN_REPORT_SCRIPT": str(ROOT / "src" / "grilse" / "backend" / "__main__.py"),
        "SPAWN_REPORT_FRAMES": str(frames),
        "SPAWN_REPORT_FACTS": str(facts),
        "SPAWN_REPORT_TASK": task,
        "SPAWN_REPORT_CLASSES": " ".join(classes),
    }
    command = [
        sys.executable,
        str(HERE / "watched_frontend.py"),
        "--config",
        str(configuration),
        *options,
        *words,
    ]
    done = subprocess.run(
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SESSION_LIMIT_SECONDS,
        check=False,
    )
    if (done.returncode and not may_fail) or not facts.exists():
        said = done.stdout[-3000:]
        raise SessionFailed(f"'grilse {' '.join(words)}' ended with status {done.returncode}:\n{said}")
    return Session(list(_messages(frames)), json.loads(facts.read_text()))


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a session whose caches are below ``folder``."""
    homes = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    path = os.pathsep.join(part for part in (str(ROOT / "src"), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, **homes, "PYTHONPATH": path}


def _messages(path: Path) -> Iterator[tuple[str, str, bytes]]:
    data = path.read_bytes()
    place = 0
    while place < len(data):
        direction, length = HEADER.unpack_from(data, place)
        place += HEADER.size
        frame = data[place : place + length]
        place += length
        if frame == b"!":  # the backend's loop wakes itself
            continue
        found = msgspec.msgpack.decode(frame)
        many = isinstance(found, list)
        for message in found if many else [found]:
            tag = message["event"]
            received = bool(direction)
            if tag in _BUNDLES:
                for line in message["lines"].splitlines(keepends=True):
                    yield _BUNDLES[tag], json.loads(line)["event"], line
                continue
            worker = tag in _TAGS_OF_WORKERS[received] or (tag == "hello" and received)
            encoded = msgspec.msgpack.encode(message) if many else frame
            yield DIRECTIONS[received, worker], tag, encoded


def costs_of(session: Session) -> list[dict[str, Any]]:
    """What each sort of message costs: how many there were, their bytes, and microseconds to encode and decode one."""
    sorts: dict[tuple[str, str], list[bytes]] = {}
    for direction, tag, data in session.messages:
        sorts.setdefault((direction, tag), []).append(data)
    found = []
    for (direction, tag), all_of_it in sorted(
        sorts.items(), key=lambda entry: list(DIRECTIONS.values()).index(entry[0][0])
    ):
        decoder: msgspec.json.Decoder[Any] | msgspec.msgpack.Decoder[Any]
        if all_of_it[0].startswith(b"{"):
            decoder, encode = msgspec.json.Decoder(Event), msgspec.json.Encoder().encode
        else:
            decoder = msgspec.msgpack.Decoder(_ANY[direction in ("frontend → backend", "worker → backend")])
            encode = msgspec.msgpack.Encoder().encode
        sample = all_of_it[:: max(1, len(all_of_it) // TIMED)][:TIMED]
        messages = [decoder.decode(data) for data in sample]
        found.append(
            {
                "message": f"{direction}: {tag}",
                "count": len(all_of_it),
                "bytes": _spread([len(data) for data in all_of_it]),
                "encode_us": round(median(_fastest(encode, message) for message in messages), 2),
                "decode_us": round(median(_fastest(decoder.decode, data) for data in sample), 2),
            }
        )
    return found


def _spread(sizes: list[int]) -> dict[str, int]:
    sizes = sorted(sizes)
    return {
        "p50": sizes[(len(sizes) - 1) // 2],
        "p99": sizes[min(len(sizes) - 1, -(-len(sizes) * 99 // 100) - 1)],
        "most": sizes[-1],
        "all": sum(sizes),
    }


def _fastest(call: Callable[[Any], Any], argument: Any) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter_ns()
        call(argument)
        best = min(best, time.perf_counter_ns() - start)
    return best / 1000


def first_job(session: Session, task: str) -> dict[str, Any]:
    """The first job of a task, as plain data."""
    for direction, tag, data in session.messages:
        if direction == "backend → worker" and tag == "job-spec":
            spec: dict[str, Any] = msgspec.msgpack.decode(data)
            if spec["task"] == task:
                return spec
    raise SessionFailed(f"no job to {task} was sent")


def request_of(session: Session) -> dict[str, Any]:
    """The request, as plain data."""
    request: dict[str, Any] = next(
        msgspec.msgpack.decode(data) for direction, tag, data in session.messages if tag == "request"
    )
    return request


def worker_start_us() -> float:
    """Microseconds from the execution of a worker until its hello has been received; the median of several."""
    taken = []
    for _ in range(STARTS):
        ours, theirs = Pipe()
        begun = time.perf_counter_ns()
        process = platform.spawn(WORKER_SCRIPT, ["worker"], [theirs])
        channel: Channel[ToWorker, FromWorker] = Channel(ours, ToWorker, FromWorker)
        channel.receive()
        taken.append((time.perf_counter_ns() - begun) / 1000)
        channel.close()
        process.wait(10.0)
        process.close()
    return median(taken)


def one_way_us(size: int, folder: Path) -> float:
    """Microseconds that a frame of so many bytes takes to another process: half of what there and back takes."""
    script = folder / "echo.py"
    script.write_text(_ECHO)
    ours, theirs = Pipe()
    process = platform.spawn(str(script), [], [theirs])
    data = bytes(size)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        ours.send_bytes(data)
        ours.recv_bytes()
        best = min(best, time.perf_counter_ns() - start)
    ours.close()
    process.wait(10.0)
    process.close()
    return best / 2000
