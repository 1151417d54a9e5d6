"""Which means of running sandboxes this machine has.

Knows how to try them out; nothing of what is run later.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from grilse.sandbox import enter
from grilse.sandbox.bubblewrap import find_bubblewrap

_TRIAL_SECONDS = 10.0  # after which a trial counts as failed


@dataclass(frozen=True, slots=True)
class Means:
    """How sandboxes are run on this machine.

    Attributes:
        bwrap: path of bubblewrap, or None where it is missing or does not work: then nothing can be run.
        overlay: whether roots are overlays of unpacked artifacts; otherwise each is a copy of its own.
        problem: why nothing can be run, for users, or "".
    """

    bwrap: str | None
    overlay: bool
    problem: str = ""


def find_means(directory: str) -> Means:
    """Try out what works.

    Args:
        directory: where sandboxes will be; file systems differ in what can be an upper layer.

    Raises:
        OSError: `directory` cannot be written to.
    """
    bwrap = find_bubblewrap()
    if bwrap is None:
        return Means(None, False, "bubblewrap is not installed (program 'bwrap')")
    os.makedirs(directory, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix="trial-", ignore_cleanup_errors=True) as trial:
        for name in ("lower", "upper", "work", "root"):
            os.mkdir(os.path.join(trial, name))
        inner = [bwrap, "--unshare-user", "--unshare-pid", "--die-with-parent", "--dev-bind", "/", "/"]
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr,index=off"
        if (
            _works(trial, "root", options, [*inner, "--bind", os.path.join(trial, "root"), "/tmp", "--", "true"])
            is None
        ):
            return Means(bwrap, True)
        problem = _works(trial, "", "", [*inner, "--", "true"])
        if problem is None:
            return Means(bwrap, False)
        return Means(None, False, f"bubblewrap does not work here: {problem}")


def _works(directory: str, mountpoint: str, options: str, program: list[str]) -> str | None:
    """Why a program cannot be run in an overlay, or None if it can."""
    command = [sys.executable, "-I", "-S", enter.__file__, "0", directory, mountpoint, options, "", "-1", *program]
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if result.returncode == 0:
        return None
    return result.stderr.decode(errors="replace").strip() or f"exit status {result.returncode}"
