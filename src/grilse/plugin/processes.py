"""Runs programs on the host for plugins: in a session of their own, killed as a whole when the job is cancelled.

Must not know plugins.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import IO, Any, TextIO

from .. import platform

# Programs must not make files that others may write, whatever the user's mask: what sources download is shared.
_UMASK = 0o022


def shown(args: Any) -> str:
    """A command or path as text."""
    if isinstance(args, str | bytes | os.PathLike):
        return os.fsdecode(args)
    return " ".join(os.fsdecode(arg) for arg in args)


def run(
    args: Any,
    *,
    collect: bool,
    log: TextIO | None,
    cwd: Any = None,
    env: dict[str, str] | None = None,
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
) -> tuple[int, str]:
    """Run a program to its end.

    Args:
        args: program and arguments.
        collect: whether to return what it prints to standard output.
        log: where output goes that is not directed elsewhere; the null device if None.
        cwd, env, stdin, stdout, stderr: as for `subprocess.Popen`.

    Returns:
        exit status (negative for a signal), and the output (undecodable bytes replaced), "" if not collected.
    """
    sink: int | IO[Any] = subprocess.DEVNULL if log is None else log
    with subprocess.Popen(
        args if isinstance(args, str | bytes | os.PathLike) else _arguments(args),
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=subprocess.PIPE if collect else (sink if stdout is None else stdout),
        stderr=sink if stderr is None else stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        umask=_UMASK,
    ) as process:
        try:
            # No limit: a download may take hours, and a cancelled job interrupts this.
            output, _ = process.communicate()
        except BaseException:
            platform.kill_tree(process.pid)
            raise
    return process.returncode, output or ""


def _arguments(args: Sequence[Any]) -> list[Any]:
    return list(args)
