"""Measure the frontend under a flood: 20 jobs that emit 10,000 messages a second in total, on a terminal.

    python -m bench.display_load [--seconds 10] [--rate 10000] [--plain]

A scripted backend sends the events, so that only the frontend is measured. Prints the frontend's share of one core, the
time from an event to the screen (50th and 99th percentile: the time in a job's newest progress, against the clock when
its bytes are read from the terminal), redraws a second and bytes.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = str(ROOT / "tests" / "e2e" / "fake" / "frontend.py")

PLAY = """
import os, time
from grilse.protocol import events as e
SECONDS, RATE = float(os.environ["LOAD_SECONDS"]), int(os.environ["LOAD_RATE"])
def play(stage):
    stage.start()
    stage.send(e.Queues(time=time.time(), queues=(e.QueueStatus("build", 0, 0, 0, 20, 20),), running=20))
    for job in range(20):
        stage.send(e.JobStarted(time=time.time(), job=job, element=f"element-{job}.bst", key="0123abcd", action="build",
                                log=None, worker=job))
    begin, sent, number = time.time(), 0, 0
    while (now := time.time()) < begin + SECONDS:
        batch = []
        while sent < (now - begin) * RATE:
            job, sent = sent % 20, sent + 1
            if sent // 20 % 10 == 0:
                batch.append(e.JobProgress(time=now, job=job, activity=f"at {now:.4f}"))
            else:
                text = f"at {now:.4f} message {sent}"
                batch.append(e.Text(time=now, kind="status", text=text, job=job, action="build",
                                    element=f"element-{job}.bst", key="0123abcd"))
        if batch:
            stage.send(*batch)
        time.sleep(0.01)
    stage.end(0)
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--plain", action="store_true", help="standard error is a pipe instead of a terminal")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        play = Path(directory) / "play.py"
        play.write_text(PLAY)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "FAKE_BACKEND": str(play),
            "LOAD_SECONDS": str(options.seconds),
            "LOAD_RATE": str(options.rate),
            "TERM": "xterm-256color",
        }
        command = [sys.executable, FRONTEND, "--no-interactive", "build"]
        reading, writing = os.pipe() if options.plain else pty.openpty()
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, start_new_session=True
        )
        os.close(writing)
        latencies, size, frames, cpu = [], 0, 0, 0.0
        begin = time.time()
        while True:
            if not select.select([reading], [], [], 0.2)[0]:
                cpu = _cpu(process.pid) or cpu
                continue
            try:
                data = os.read(reading, 1 << 16)
            except OSError:
                break
            if not data:
                break
            now = time.time()
            size += len(data)
            found = re.findall(rb"at (\d+\.\d{4})", data)
            if found:
                frames += 1
                # The newest time in a frame says how current the frame is.
                latencies.append(now - max(float(stamp) for stamp in found))
            cpu = _cpu(process.pid) or cpu
        wall = time.time() - begin
        process.wait()
    latencies.sort()
    if not latencies:
        print("nothing was shown", size, process.returncode)
        return 1
    middle, late = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    print(
        f"frontend CPU {100 * cpu / wall:.1f} % of a core, event to screen p50 {middle * 1000:.0f} ms "
        f"p99 {late * 1000:.0f} ms, {frames / wall:.1f} redraws/s, {size / 1000:.0f} kB in {wall:.1f} s, "
        f"exit {process.returncode}"
    )
    return 0


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
