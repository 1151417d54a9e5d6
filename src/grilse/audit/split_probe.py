"""Run a program's own main while watching its split: when it starts its other half, and what crosses until that speaks.

Runs in an interpreter of its own.  Which program, and by which function it starts the other half, is in the request;
this module knows only that the two talk through ``multiprocessing.connection``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

_now = time.perf_counter_ns
# Nanoseconds between two looks at the other half's memory, and how many messages are kept.
_MEMORY_EVERY = 20_000_000
_MESSAGES = 64


class _Seen:
    """What was seen so far; times are nanoseconds since the program was executed."""

    def __init__(self, begun: int) -> None:
        self.begun = begun
        self.marks: list[tuple[str, int]] = []
        self.messages: list[tuple[str, int, int]] = []
        self.memory: tuple[int, int] | None = None
        self.pid: int | None = None
        self.looked = 0

    def mark(self, name: str) -> None:
        """Note that something has just been reached."""
        self.marks.append((name, _now() - self.begun))

    def message(self, direction: str, size: int) -> None:
        """Note that a message crossed."""
        at = _now() - self.begun
        if len(self.messages) < _MESSAGES:
            self.messages.append((direction, size, at))
        if direction == "from" and self.pid is not None and at - self.looked > _MEMORY_EVERY:
            self.looked = at
            self.memory = memory_of(self.pid) or self.memory


def memory_of(pid: int) -> tuple[int, int] | None:
    """Shared and private bytes of a process; None where the system does not say."""
    from .observe import parse_memory

    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return parse_memory(file.readlines())
    except OSError:
        return None


def main(request_path: str, reply_path: str, *arguments: str) -> None:
    """Run the program with the arguments as the request says; write what was seen, however it ends."""
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    seen = _Seen(request["begun"])
    seen.mark("interpreter")
    _watch_spawn(request, seen)
    status: Any = 0
    try:
        sys.argv = [request["program"], *arguments]
        status = _function(request["main"])()
    except SystemExit as stop:
        status = stop.code
    finally:
        seen.mark("end")
        with open(reply_path, "w", encoding="utf-8") as file:
            reply = {"marks": seen.marks, "messages": seen.messages, "memory": seen.memory, "status": status}
            json.dump(reply, file)


def _function(call: str) -> Any:
    module_name, _, name = call.partition(":")
    __import__(module_name)
    return getattr(sys.modules[module_name], name)


def _watch_spawn(request: dict[str, Any], seen: _Seen) -> None:
    """Put a watched function in place of the one that starts the other half."""
    real = _function(request["spawn"])
    module_name, _, name = request["spawn"].partition(":")
    module = sys.modules[module_name]

    def spawn(script: str, arguments: Any, connections: Any, **rest: Any) -> Any:
        seen.mark("frontend ready to start the backend")
        setattr(module, name, real)
        if request["method"] == "fork":
            process = _fork(request, arguments, connections, rest.get("stderr"))
        else:
            if request["watch"]:
                rest["environment"] = {**os.environ, **request["environment"], "GRILSE_AUDIT_SCRIPT": script}
                script = request["watcher"]
            process = real(script, arguments, connections, **rest)
        seen.pid = process.pid
        seen.mark("backend process started")
        _count_messages(_function(request["connection"])(), seen)
        return process

    setattr(module, name, spawn)


def _count_messages(kind: Any, seen: _Seen) -> None:
    """Put watched methods in the class of connections."""
    send_bytes, recv_bytes = kind.send_bytes, kind.recv_bytes

    def send(self: Any, buf: Any, *rest: Any) -> None:
        seen.message("to", memoryview(buf).nbytes)
        send_bytes(self, buf, *rest)

    def receive(self: Any, *rest: Any) -> bytes:
        data: bytes = recv_bytes(self, *rest)
        seen.message("from", len(data))
        return data

    kind.send_bytes = send
    kind.recv_bytes = receive


def _fork(request: dict[str, Any], arguments: Any, connections: Any, stderr: int | None) -> Any:
    """Start the other half by forking this process: only to compare with, never what the program itself does."""
    pid = os.fork()
    if pid:
        for connection in connections:
            connection.close()
        return _function(request["process"])(pid)
    status = 1
    try:
        os.setsid()
        if stderr is not None:
            os.dup2(stderr, 2)
        status = _function(request["forked"])([*arguments, *(str(connection.fileno()) for connection in connections)])
    finally:
        os._exit(status)
