"""A worker whose job says so many messages a second, evenly; see bench/event_cost.py."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from grilse.protocol.channel import Channel, ChannelClosed
from grilse.protocol.jobs import FromWorker, JobResult, JobSpec, ToWorker
from grilse.protocol.pauses import Pauses
from grilse.protocol.requests import Hello
from grilse.worker.context import JobContext


def main() -> None:
    channel: Channel[FromWorker, ToWorker] = Channel(Connection(int(sys.argv[2])), FromWorker, ToWorker)
    channel.send(Hello(role="worker", program="", pid=os.getpid()))
    try:
        while True:
            spec = channel.receive()
            if isinstance(spec, JobSpec):
                _talk(spec, channel)
    except ChannelClosed:
        return


def _talk(spec: JobSpec, channel: Channel[FromWorker, ToWorker]) -> None:
    nothing: Any = None
    job = JobContext(spec, channel, nothing, nothing, nothing, Pauses(""), SimpleQueue())
    rate, seconds = spec.parameters["rate"], spec.parameters["seconds"]
    begin = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        job.message("status", f"line {number} of the build")
    time.sleep(max(0.0, begin + seconds - time.monotonic()))
    channel.send(JobResult(job=spec.job, status="ok"))


main()
