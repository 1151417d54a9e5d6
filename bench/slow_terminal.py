"""Runs a command on a pseudo-terminal that is read at a limited rate, as over a slow line.

Knows terminals and time, and nothing of the command. POSIX only.

    python -m bench.slow_terminal BYTES_PER_SECOND COMMAND [WORD ...]        (0: as fast as it goes)
"""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Small reads, so that a limited rate is felt evenly
READ_BYTES = 512


@dataclass(frozen=True, slots=True)
class TerminalRun:
    """One run: seconds until the command ended, bytes that it showed, its own CPU seconds, its exit status.

    `first_seconds` is the time until the first byte, `written` what it showed (empty unless asked to keep it).
    """

    seconds: float
    first_seconds: float
    shown: int
    cpu_seconds: float
    status: int
    written: bytes


def run_on_terminal(
    command: Sequence[str],
    rate: float,
    *,
    environment: Mapping[str, str] | None = None,
    columns: int = 120,
    lines: int = 40,
    keep: bool = False,
) -> TerminalRun:
    """Run `command` on a terminal of its own, reading `rate` bytes a second (0: without a limit).

    Raises FileNotFoundError when there is no such command.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    settings = dict(os.environ if environment is None else environment)
    settings.update(TERM="xterm-256color", COLUMNS=str(columns), LINES=str(lines))
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    os.set_inheritable(ours, False)
    start = time.monotonic()
    # The first terminal that the leader of a new session opens becomes the one that controls it
    pid = os.posix_spawn(
        program,
        list(command),
        settings,
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, name, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ],
    )
    os.close(theirs)
    first = 0.0
    shown = 0
    free_at = start
    kept: list[bytes] = []
    try:
        while data := _read(ours):
            shown += len(data)
            first = first or time.monotonic() - start
            if keep:
                kept.append(data)
            if rate > 0:
                # The line is busy until it has carried what was read; time that it was idle is not made up for
                free_at = max(free_at, time.monotonic()) + len(data) / rate
                time.sleep(max(0.0, free_at - time.monotonic()))
        _, status, usage = os.wait4(pid, 0)
    finally:
        os.close(ours)
    return TerminalRun(
        seconds=time.monotonic() - start,
        first_seconds=first,
        shown=shown,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        status=os.waitstatus_to_exitcode(status),
        written=b"".join(kept),
    )


def _read(terminal: int) -> bytes:
    """The next bytes, or none when nobody holds the other end any more (Linux reports that as an error)."""
    try:
        return os.read(terminal, READ_BYTES)
    except OSError:
        return b""


def main() -> int:
    if len(sys.argv) < 3:
        print("usage: python -m bench.slow_terminal BYTES_PER_SECOND COMMAND [WORD ...]", file=sys.stderr)
        return 2
    run = run_on_terminal(sys.argv[2:], float(sys.argv[1]))
    print(f"{run.seconds:.2f} s, {run.shown} bytes, CPU {run.cpu_seconds:.2f} s, status {run.status}")
    return run.status


if __name__ == "__main__":
    sys.exit(main())
