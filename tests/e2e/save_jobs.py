"""Saves jobs of a project to files, as the backend saves those that fail; a program, run by test_replay.py.

    save_jobs.py PROJECT DIRECTORY "TASK:ELEMENT[ PARAMETERS]"…

Writes ``DIRECTORY/NUMBER.job`` for each, elements loaded in the order given; parameters are JSON.
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from grilse.backend.items import Item
from grilse.backend.pipeline import Pipeline
from grilse.backend.replay import save_job
from grilse.backend.session import Session
from grilse.protocol.channel import Channel
from grilse.protocol.events import Event
from grilse.protocol.requests import Build, Command, Hello, Invocation, Request

# What the session says is for nobody: the other ends are never read, and kept as long as the process lives, since a
# session whose frontend is gone ends with an error
ENDS: list[Connection] = []


def main(project: str, directory: str, *jobs: str) -> None:
    wanted = [
        (*words.split(":", 1), json.loads(more or "{}")) for words, _, more in (job.partition(" ") for job in jobs)
    ]
    targets = tuple(element for _, element, _ in wanted)
    channels: list[Channel[Any, Any]] = []
    for sends, receives in ((Event | Hello, Request | Command), (Event | Hello, Event)):
        here, there = Pipe()
        ENDS.append(there)
        channels.append(Channel(here, sends, receives))
    request = Request(invocation=Invocation(argv=(), directory=project), action=Build(targets=targets))
    pipeline = Pipeline(Session(request, *channels))
    with pipeline.working():
        pipeline.open_project()
        for number, (element, (task, _, parameters)) in enumerate(zip(pipeline.load_elements(targets), wanted)):
            pipeline.states.full_key(element)
            item = Item(element, 0, 0, pipeline.states)
            spec = pipeline.book.spec(item, job=1, action=task, task=task, parameters=parameters)
            assert save_job(spec, str(Path(directory) / f"{number}.job"))


if __name__ == "__main__":
    main(*sys.argv[1:])
