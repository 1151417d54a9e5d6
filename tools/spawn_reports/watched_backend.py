"""Run grilse's backend as it is, and record every frame that crosses its channels: started in its place.

``watched_frontend.py`` has the frontend start it; what else it needs is in variables that begin with
``SPAWN_REPORT_``.  When the first job is sent, it looks once at what the process holds by then: the objects of the
core are audited, and the process is forked a few times, to say what a forked job would have cost.  Changes nothing that
crosses.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import struct
import sys
import time
from types import ModuleType
from typing import Any

# Before each frame in the file: 0 for one sent and 1 for one received, and its length in bytes.
HEADER = struct.Struct("<BI")
# How often the process is forked to time that, and seconds to wait for a fork's word.
FORKS = 5
FORK_SECONDS = 20.0


_JOB = b"\xa5event\xa8job-spec"


class Recorder:
    """Appends frames to a file, and looks at the process when the first job of the wanted task is sent."""

    def __init__(self, frames: str, facts: str, task: str, classes: list[str]) -> None:
        self.file = open(frames, "ab", buffering=0)  # noqa: SIM115 - open as long as the process lives
        self.facts = facts
        self.classes = classes
        # As msgpack writes a job's tag and its task.
        self.task = b"\xa4task" + bytes([0xA0 + len(task)]) + task.encode()
        self.looked = False
        self.found: dict[str, Any] = {}

    def frame(self, direction: int, data: bytes) -> None:
        """Record one frame."""
        self.file.write(HEADER.pack(direction, len(data)) + data)
        if direction or _JOB not in data:
            return
        if not self.looked and self.task in data:
            self.looked = True
            # Forked first: an audit leaves memory of its own behind.
            self.found = {"forks": forked(), "objects": audited(self.classes)}
        if self.looked:
            # The plan goes with the session, and grows until the last job.
            from msgspec import msgpack

            self.found["plan_bytes"] = os.stat(msgpack.decode(data)["plan"]).st_size
            with open(self.facts, "w", encoding="utf-8") as file:
                json.dump(self.found, file)


# The core, by module and class: what BuildStream's scheduler would have had to send, by grilse's names.
CORE = (
    ("grilse.backend.session", "Session"),
    ("grilse.backend.pipeline", "Pipeline"),
    ("grilse.backend.scheduler", "Scheduler"),
    ("grilse.backend.pool", "Pool"),
    ("grilse.backend.loop", "Loop"),
    ("grilse.backend.reporter", "Reporter"),
    ("grilse.backend.outbox", "Outbox"),
    ("grilse.backend.planbook", "PlanBook"),
    ("grilse.project.api", "LoadSession"),
    ("grilse.project.project", "Project"),
    ("grilse.project.plugins", "PluginFactories"),
    ("grilse.project.resolved", "ResolvedElement"),
)


def audited(classes: list[str]) -> list[dict[str, Any]]:
    """What the audit says of one live instance of each class of the core, or of those that are named."""
    from grilse.audit import audit

    instances = _instances()
    found = []
    for name in CORE:
        if name in instances and (not classes or name[1] in classes):
            report = audit(instances[name], spawn=False)
            found.append(
                {
                    "cls": ".".join(name),
                    "picklable": report.picklable,
                    "blockers": len(report.blockers),
                    "nodes": report.nodes,
                    "bytes": report.bytes,
                }
            )
    return found


def _instances() -> dict[tuple[str, str], Any]:
    """A live instance of each class of the core, found from what the running functions hold."""
    found: dict[tuple[str, str], Any] = {}
    frame = sys._getframe()
    waiting: list[Any] = []
    while frame is not None:
        waiting.extend(frame.f_locals.values())
        frame = frame.f_back  # type: ignore[assignment]
    # Not ``gc.get_objects``: what has been loaded is taken out of the collector's sight.
    seen: dict[int, Any] = {}
    for obj in waiting:
        if id(obj) in seen or isinstance(obj, (type, ModuleType)):
            continue
        seen[id(obj)] = obj
        name = type(obj).__module__, type(obj).__qualname__
        if name in CORE and name not in found:
            found[name] = obj
            if len(found) == len(CORE):
                break
        waiting.extend(gc.get_referents(obj))
    return found


def forked() -> dict[str, Any]:
    """What it takes to fork this process as it is: microseconds to the child's first word, and memory in bytes.

    The children say one word, look once at every object that the collector sees, as Python code does with whatever it
    uses, and end; nothing of the program runs in them.
    """
    from grilse.audit.split_probe import memory_of

    words = []
    memory: dict[str, Any] = {}
    for _ in range(FORKS):
        ours, theirs = os.pipe()
        go, going = os.pipe()
        begun = time.perf_counter_ns()
        pid = os.fork()
        if not pid:
            os.write(theirs, b"1")
            for obj in gc.get_objects():
                obj.__class__  # noqa: B018 - counts a reference, which copies the page
            os.write(theirs, b"2")
            os.read(go, 1)
            os._exit(0)
        if not select.select([ours], [], [], FORK_SECONDS)[0]:
            raise TimeoutError("a forked process says nothing")
        os.read(ours, 1)
        words.append((time.perf_counter_ns() - begun) / 1000)
        if select.select([ours], [], [], FORK_SECONDS)[0]:
            os.read(ours, 1)
        seen = memory_of(pid)
        if seen is not None:
            memory = {"shared": seen[0], "private": seen[1]}
        os.write(going, b"3")
        os.waitpid(pid, 0)
        for descriptor in (ours, theirs, go, going):
            os.close(descriptor)
    return {"first_word_us": sorted(words)[len(words) // 2], **memory}


def main() -> None:
    """Record, and run the backend's own script as the main module."""
    from grilse.platform.connection import connection_class
    from grilse.platform.waiting import FrameReader

    variables = os.environ
    recorder = Recorder(
        variables["SPAWN_REPORT_FRAMES"],
        variables["SPAWN_REPORT_FACTS"],
        variables["SPAWN_REPORT_TASK"],
        variables["SPAWN_REPORT_CLASSES"].split(),
    )
    kind: Any = connection_class()
    send_bytes, recv_bytes, read = kind.send_bytes, kind.recv_bytes, FrameReader.read

    def send(self: Any, buf: Any, *rest: Any) -> None:
        recorder.frame(0, bytes(buf))
        send_bytes(self, buf, *rest)

    def receive(self: Any, *rest: Any) -> bytes:
        data: bytes = recv_bytes(self, *rest)
        recorder.frame(1, data)
        return data

    def read_frames(self: Any) -> list[bytes]:
        frames = read(self)
        for data in frames:
            recorder.frame(1, data)
        return frames

    FrameReader.read = read_frames  # type: ignore[method-assign]
    kind.send_bytes = send
    kind.recv_bytes = receive
    script = variables["SPAWN_REPORT_SCRIPT"]
    sys.argv = [script, *sys.argv[1:]]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
