"""Gets the BuildGrid that tests start: a release from PyPI, in an environment of its own below `.cache`.

    python -m tests.remote.get_buildgrid

Once it is there the tests find it; GRILSE_BUILDGRID names another one.  Knows how to install it, and nothing of how it
is run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASE = "0.4.4"
REQUIREMENTS = (f"buildgrid=={RELEASE}", "psycopg2-binary")
INSTALL_LIMIT_SECONDS = 900


class NoBuildGrid(Exception):
    """BuildGrid cannot be installed here; the message says why."""


def place_of(folder: Path = REPOSITORY / ".cache") -> Path:
    """Its environment below `folder`, whether it is there or not."""
    return folder / f"buildgrid-{RELEASE}-python-{sys.version_info[0]}.{sys.version_info[1]}"


def installed(folder: Path = REPOSITORY / ".cache") -> Path | None:
    """The path of `bgd` in that environment, or None if that is not ready."""
    place = place_of(folder)
    return place / "bin" / "bgd" if (place / ".ready").exists() else None


def ensure_buildgrid(folder: Path = REPOSITORY / ".cache") -> Path:
    """The path of `bgd` in an environment below `folder`, which is made when it is not there.

    Raises:
        NoBuildGrid: the installation fails (no network, no wheel for this system or this Python).
    """
    found = installed(folder)
    if found is not None:
        return found
    place = place_of(folder)
    shutil.rmtree(place, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "pip"), "install", "--quiet", *REQUIREMENTS],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_SECONDS)
        if done.returncode != 0:
            raise NoBuildGrid(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
    (place / ".ready").touch()
    return place / "bin" / "bgd"


if __name__ == "__main__":
    try:
        print(ensure_buildgrid())
    except NoBuildGrid as error:
        sys.exit(f"BuildGrid cannot be installed: {error}")
