"""A session that is ended in the middle of its work leaves nothing that would outlast it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# The main thread makes a mark in two steps while another thread aborts; the second step comes after the abort began.
_ABORTED = """
import sys, threading, time
from multiprocessing.connection import Pipe
from pathlib import Path
from grilse.backend.session import Session
from grilse.protocol.channel import Channel
from grilse.protocol.events import Event
from grilse.protocol.requests import Build, Command, Hello, Invocation, Request

mark = Path(sys.argv[1])
channels, ends = [], []
for receives in (Request | Command, Event):
    here, there = Pipe()
    ends.append(there)
    channels.append(Channel(here, Event | Hello, receives))
session = Session(Request(invocation=Invocation(argv=(), directory="."), action=Build(targets=())), *channels)
with session.lasting:
    threading.Thread(target=session.abort).start()
    while not session._ended:
        time.sleep(0.001)
    time.sleep(0.2)
    mark.touch()
    print("marked", flush=True)
    session.at_abort(mark.unlink)
time.sleep(60)
print("went on", flush=True)
"""


def test_an_abort_waits_for_what_is_being_made_and_undoes_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ABORTED, str(tmp_path / "mark")],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (255, "marked\n"), done.stderr
    assert not (tmp_path / "mark").exists()
