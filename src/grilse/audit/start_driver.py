"""Start processes by one method and time them: runs in an interpreter of its own, which is thrown away afterwards.

Knows nothing of the program whose steps are run.
"""

from __future__ import annotations

import json
import multiprocessing
import pickle
import time
from multiprocessing import reduction
from typing import Any

from .stepper import run_steps

_now = time.perf_counter_ns


def main(request_path: str, payload_path: str, reply_path: str) -> None:
    """Do what the request file says and write the reply file."""
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    with open(payload_path, "rb") as payload_file:
        payload = pickle.load(payload_file)
    method = request["method"]
    context: Any = multiprocessing.get_context(method)
    if method == "fork":
        for module in request["preload"]:
            __import__(module)
    elif method == "forkserver":
        context.set_forkserver_preload(request["preload"])
    steps = tuple((name, call) for name, call in request["steps"])
    sent = _count_sent()
    starts = []
    for _ in range(request["repetitions"] + 1):
        sent.clear()
        starts.append(_start(context, steps, request["first"], payload, ""))
    reply = {"starts": starts, "bytes_sent": sum(sent), "imports": [], "used": []}
    if request["watch"]:
        reply["imports"] = _start(context, steps, request["first"], payload, "imports")["imports"]
        reply["used"] = _start(context, steps, request["first"], payload, "uses")["used"]
    with open(reply_path, "w", encoding="utf-8") as file:
        json.dump(reply, file)


def _count_sent() -> list[int]:
    """A list that gets the bytes of every dump that multiprocessing sends to a new process.

    This interpreter is the measurement's own, so its multiprocessing may be changed.
    """
    sent: list[int] = []
    dump = reduction.dump

    def counting(obj: Any, file: Any, protocol: int | None = None) -> None:
        class Counted:
            def write(self, data: Any) -> int:
                size = len(data) if isinstance(data, bytes) else memoryview(data).nbytes
                sent.append(size)
                file.write(data)
                return size

        dump(obj, Counted(), protocol)

    reduction.dump = counting
    return sent


def _start(context: Any, steps: tuple[tuple[str, str], ...], first: int, payload: Any, watch: str) -> dict[str, Any]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_steps, args=(theirs, steps, first, payload, watch))
    begun = _now()
    process.start()
    started = _now()
    theirs.close()
    ours.recv()
    first_message = _now()
    done = ours.recv()
    process.join()
    ours.close()
    _, marks, seen = done
    return {
        "start": started - begun,
        "first": first_message - begun,
        "marks": [(name, at - begun) for name, at in marks],
        "memory": seen["memory"],
        "imports": seen["imports"],
        "used": seen["used"],
    }
