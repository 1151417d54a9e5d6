"""A base system for sandboxes, made of programs of this machine: small, and without a word to registries.

Knows what programs need to run; nothing of projects.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def make_base_system(base: Path, programs: Sequence[str]) -> None:
    """Lay out below `base` the named programs with the libraries that they are linked to."""
    paths = [str(shutil.which(name, path="/usr/bin:/bin")) for name in programs]
    listed = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=True).stdout
    libraries = {word for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    for source in (*paths, *libraries):
        inside = f"usr/bin/{os.path.basename(source)}" if source in paths else source.strip("/")
        (base / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, base / inside)
    (base / "bin").symlink_to("usr/bin")
