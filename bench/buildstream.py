"""Gets the BuildStream that is measured beside grilse: a release from PyPI, in an environment of its own.

Knows how to install it, and nothing of what is measured.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

RELEASE = "2.8.1"
INSTALL_LIMIT_SECONDS = 900


class NoBuildStream(Exception):
    """BuildStream cannot be installed here; the message says why."""


def ensure_buildstream(folder: Path) -> Path:
    """The path of `bst` in an environment below `folder`, which is made when it is not there.

    Raises NoBuildStream when the installation fails (no network, no wheel for this system or this Python).
    """
    place = folder / f"buildstream-{RELEASE}"
    bst, ready = place / "bin" / "bst", place / ".ready"
    if ready.exists():
        return bst
    shutil.rmtree(place, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "pip"), "install", "--quiet", f"BuildStream=={RELEASE}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_SECONDS)
        if done.returncode != 0:
            raise NoBuildStream(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    ready.touch()
    return bst
