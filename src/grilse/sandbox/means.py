"""Which means of running sandboxes this machine has.

Knows how to try them out; nothing of what is run later.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from grilse.sandbox import enter
from grilse.sandbox.bubblewrap import find_bubblewrap
from grilse.storage.refs import read_ref, write_ref

_NOTE = "means.json"
_TRIAL_SECONDS = 10.0  # after which a trial counts as failed


@dataclass(frozen=True, slots=True)
class Means:
    """How sandboxes are run on this machine.

    Attributes:
        bwrap: path of bubblewrap, or None where it is missing or does not work: then nothing can be run.
        overlay: whether roots are overlays of unpacked artifacts; otherwise each is a copy of its own.
        problem: why nothing can be run, for users, or "".
        personality: words before the command line that make the machine look like its 32-bit kin, or none.
    """

    bwrap: str | None
    overlay: bool
    problem: str = ""
    personality: tuple[str, ...] = ()


def find_means(directory: str) -> Means:
    """What works here, tried out once until the machine is started anew.

    Args:
        directory: where sandboxes will be; file systems differ in what can be an upper layer.

    Raises:
        OSError: `directory` cannot be written to.
        CasError: the same.
    """
    bwrap = find_bubblewrap()
    if bwrap is None:
        return Means(None, False, "bubblewrap is not installed (program 'bwrap')")
    os.makedirs(directory, exist_ok=True)
    circumstances = _circumstances(bwrap, directory)
    means = _noted(directory, circumstances)
    if means is None:
        means = _try_out(bwrap, directory)
        # What does not work may be set right at any moment, so that only success is noted.
        if means.bwrap is not None and circumstances:
            note = {"circumstances": circumstances, "overlay": means.overlay}
            write_ref(directory, _NOTE, json.dumps(note).encode())
    return means


def forget_means(directory: str) -> None:
    """What worked does not work any more: try it out the next time."""
    try:
        os.unlink(os.path.join(directory, _NOTE))
    except OSError:
        pass


def _circumstances(bwrap: str, directory: str) -> list[str | int]:
    """What must not have changed for a note to hold; empty where that cannot be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return [boot, bwrap, os.stat(bwrap).st_mtime_ns, os.stat(directory).st_dev, os.geteuid(), sys.executable]
    except OSError:
        return []


def _noted(directory: str, circumstances: list[str | int]) -> Means | None:
    try:
        note = json.loads(read_ref(directory, _NOTE) or b"{}")
        if circumstances and note["circumstances"] == circumstances:
            return Means(str(circumstances[1]), bool(note["overlay"]))
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _try_out(bwrap: str, directory: str) -> Means:
    with tempfile.TemporaryDirectory(dir=directory, prefix="trial-", ignore_cleanup_errors=True) as trial:
        for name in ("lower", "upper", "work", "root"):
            os.mkdir(os.path.join(trial, name))
        inner = [bwrap, "--unshare-user", "--unshare-pid", "--die-with-parent", "--dev-bind", "/", "/"]
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr,index=off"
        bound = [*inner, "--bind", os.path.join(trial, "root"), "/tmp", "--", "true"]
        if _can_mark(trial) and _works(trial, "root", options, bound) is None:
            return Means(bwrap, True)
        problem = _works(trial, "", "", [*inner, "--", "true"])
        if problem is None:
            return Means(bwrap, False)
        return Means(None, False, f"bubblewrap does not work here: {problem}")


def _can_mark(directory: str) -> bool:
    """Whether the marks of an upper layer can be made: some file systems mount as one, but cannot hold them."""
    try:
        os.setxattr(directory, "user.overlay.opaque", b"y")
        os.mknod(os.path.join(directory, "whiteout"), stat.S_IFCHR, 0)
    except (OSError, AttributeError):
        return False
    return True


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
