"""``job replay``: run a saved job again in a new worker, without project or scheduler.

Knows that a job's message is complete; nothing of tasks.
"""

from __future__ import annotations

import json
import os

import msgspec

from ...protocol.jobs import JobActivity, JobLaunch, JobResult
from ...protocol.requests import JobReplay, Terminate
from ..hearing import Said
from ..pool import Pool
from ..replay import load_job
from ..session import Session
from ..shells import shell_ready
from ..single import obey, raised
from ..workers import Job


def replay(session: Session, action: JobReplay) -> int:
    """Replay a job.

    Raises:
        GrilseError: the file is no saved job, or the job fails.
    """
    reporter = session.reporter
    spec = load_job(action.file, os.path.join(session.directory, "replayed-plan"))
    spec = msgspec.structs.replace(spec, log=os.path.join(session.directory, "replay.log"), action=spec.task)
    outcome: list[JobResult] = []
    lost: list[str] = []

    def on_message(message: Said | JobActivity | JobLaunch) -> None:
        if isinstance(message, JobLaunch):
            # The frontend runs it, as it did before; the job waits for that.
            reporter.emit(shell_ready(message, spec.task))
        elif isinstance(message, Said):
            reporter.relay(message.lines)

    pool = Pool(session.loop, 1)
    try:
        pool.submit(Job(spec, on_message, outcome.append, lost.append))
        session.control.serve(
            lambda command: session.loop.call(lambda: obey(pool, session.clock, spec.job, command)),
            lambda: session.loop.call(lambda: obey(pool, session.clock, spec.job, Terminate(hurry=True))),
        )

        while not outcome and not lost:
            session.loop.turn()
    finally:
        pool.close()
    if lost:
        reporter.text("failure", f"The worker died: {lost[0]}", log=spec.log)
        return 1
    result = outcome[0]
    if result.failure is not None:
        raise raised(result.failure)
    data = {"task": spec.task, "status": result.status, "values": result.values, "seconds": result.seconds}
    if session.request.output_json:
        reporter.values(data)
    else:
        reporter.output(f"{result.status} {json.dumps(result.values, sort_keys=True)}\n")
    return 0
