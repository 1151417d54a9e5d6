"""Runs one command of one tool and measures it: wall time, CPU time, memory of all its processes.

Knows processes, and nothing of which rows a table has. Every process started for a run carries a mark in its
environment, so that those which outlive it are found.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "GRILSE_BENCH_RUN"
# Of prctl(2).
_PR_SET_CHILD_SUBREAPER = 36
RUN_LIMIT_SECONDS = 1800
MEMORY_SAMPLE_SECONDS = 0.025
# How often the table of processes is read while waiting for all to be gone
LEFTOVER_SAMPLE_SECONDS = 0.005
LEFTOVER_LIMIT_SECONDS = 20

USER_CONFIGURATION = """\
cachedir: {home}/cache
logdir: {home}/logs
scheduler:
  on-error: continue
"""


class RunFailed(Exception):
    """A measured command failed; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A command that speaks BuildStream's command line.

    `name` stands in the table, `command` are the words that start it, `python_path` is where its Python looks for
    modules beside its own environment.
    """

    name: str
    command: tuple[str, ...]
    python_path: str = ""

    def words(self, home: Path, *words: str) -> list[str]:
        """A whole command line, with the caches and logs below `home`."""
        settings = home / "user.conf"
        if not settings.exists():
            home.mkdir(parents=True, exist_ok=True)
            settings.write_text(USER_CONFIGURATION.format(home=home))
        return [*self.command, "--config", str(settings), *words]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: wall seconds, the CPU seconds of the command and of all that it started, and what it printed."""

    seconds: float
    cpu_seconds: float
    output: bytes


def environment_of(tool: Tool, home: Path, mark: str) -> dict[str, str]:
    """The environment of a run: homes of its own below `home`, and the mark.

    Bytecode is kept whatever the user's settings are: an installed program has it, and sources that are compiled
    again by each of a tool's processes would be measured instead.
    """
    homes = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, **homes, "PYTHONPATH": tool.python_path, MARK: mark}


def run(tool: Tool, home: Path, *words: str) -> Measured:
    """Run a command to its end without a terminal. Raises RunFailed when it fails."""
    command = tool.words(home, *words)
    errors = home / "stderr"
    others = _children()
    start = time.monotonic()
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=environment_of(tool, home, "run"),
        )
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_seconds = usage.ru_utime + usage.ru_stime + _orphans_cpu_seconds(others)
    if process.returncode != 0:
        tail = errors.read_bytes()[-2000:].decode(errors="replace")
        raise RunFailed(f"{' '.join(command)}: status {process.returncode}\n{tail}")
    return Measured(seconds, cpu_seconds, output)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def _orphans_cpu_seconds(others: set[int]) -> float:
    """The CPU seconds of processes that a command left to this one (see `adopt_orphans`); waits until they have ended.

    `others` are children that were there before.  Those that go on for more than `LEFTOVER_LIMIT_SECONDS` do not count.
    """
    total = 0.0
    deadline = time.monotonic() + LEFTOVER_LIMIT_SECONDS
    while (left := _children() - others) and time.monotonic() < deadline:
        for child in left:
            pid, _, usage = os.wait4(child, os.WNOHANG)
            if pid != 0:
                total += usage.ru_utime + usage.ru_stime
        time.sleep(LEFTOVER_SAMPLE_SECONDS)
    return total


def adopt_orphans() -> None:
    """Let this process become the parent of what commands leave behind, so that their CPU seconds are known; Linux."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def peak_memory(tool: Tool, home: Path, *words: str) -> int:
    """Run a command and return the most memory that all its processes had together, in bytes (shared parts once)."""
    command = tool.words(home, *words)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment_of(tool, home, "memory"),
    ) as process:
        peak = 0
        ended = threading.Event()
        watched = psutil.Process(process.pid)

        def watch() -> None:
            nonlocal peak
            while not ended.wait(MEMORY_SAMPLE_SECONDS):
                peak = max(peak, _memory_now(watched))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            process.wait(RUN_LIMIT_SECONDS)
        finally:
            ended.set()
            watcher.join()
    if process.returncode != 0:
        raise RunFailed(f"{' '.join(command)}: status {process.returncode}")
    return peak


def _memory_now(process: psutil.Process) -> int:
    total = 0
    try:
        members = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in members:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue  # it ended between the two looks
    return total


def first_line_seconds(tool: Tool, home: Path, *words: str) -> float:
    """Seconds from the start of a command until its first sign of life.

    For a tool that writes events (grilse) that is the first event; for BuildStream the first line of its log.
    """
    command = tool.words(home, *words)
    pipe = home / "events"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    environment = {**environment_of(tool, home, "first"), "GRILSE_EVENTS": str(pipe)}
    own_events = tool.name == "grilse"
    try:
        start = time.monotonic()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if own_events else subprocess.PIPE,
            env=environment,
        ) as process:
            if own_events:
                _wait_readable(reader, process)
            else:
                assert process.stderr is not None
                process.stderr.readline()
            seconds = time.monotonic() - start
            if process.stderr is not None:
                process.stderr.read()
            else:
                _drain(reader, process)
        return seconds
    finally:
        os.close(reader)


def _wait_readable(descriptor: int, process: subprocess.Popen[bytes]) -> None:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + RUN_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if any(event & select.POLLIN for _, event in poll.poll(1)):
            return
        if process.poll() is not None:
            raise RunFailed(f"no event before the command ended with status {process.returncode}")
    raise RunFailed("no event")


def _drain(descriptor: int, process: subprocess.Popen[bytes]) -> None:
    """Read the events until the command has ended, so that it never waits for us."""
    while process.poll() is None:
        try:
            if not os.read(descriptor, 65536):
                process.wait(RUN_LIMIT_SECONDS)
        except BlockingIOError:
            time.sleep(LEFTOVER_SAMPLE_SECONDS)


def marked_processes(mark: str) -> list[int]:
    """Process ids of everything that carries `mark` in its environment and is not dead."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(entry.name))
        except OSError:
            continue  # ended, or not ours
    return found


def program_name(pid: int) -> str:
    """The name of the program that a process runs, or "?" when it has ended."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "?"


def seconds_to_stop(
    tool: Tool, home: Path, signal_number: int, after: float, words: Sequence[str]
) -> tuple[float, list[str]]:
    """Start a command, send it a signal `after` seconds, and return the seconds until none of its processes is left.

    Infinite when something is still there after LEFTOVER_LIMIT_SECONDS; it is killed then, and its programs are named
    in the list. Raises RunFailed when the command ended by itself before.
    """
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        tool.words(home, *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment_of(tool, home, mark),
        start_new_session=True,
    )
    try:
        process.wait(after)
        raise RunFailed(f"ended with status {process.returncode} within {after:.2f} s")
    except subprocess.TimeoutExpired:
        pass
    start = time.monotonic()
    process.send_signal(signal_number)
    while marked_processes(mark):
        process.poll()
        if time.monotonic() - start > LEFTOVER_LIMIT_SECONDS:
            left = marked_processes(mark)
            names = sorted(program_name(pid) for pid in left)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            process.wait()
            return math.inf, names
        time.sleep(LEFTOVER_SAMPLE_SECONDS)
    seconds = time.monotonic() - start
    process.wait()
    return seconds, []
