"""What is in a directory tree, as plain data that two trees can be compared by.

Knows files, and nothing of who wrote them.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

# A modification time that is younger is that of the checkout, and called "now"
NOW_SECONDS = 3600


def snapshot(root: Path) -> dict[str, str]:
    """For each path below `root`: its kind, permissions, content digest or link target, and modification time.

    Modification times of links and directories are left out: no tool promises them.
    """
    now = time.time()
    found: dict[str, str] = {}
    for top, folders, files in os.walk(root):
        for name in sorted([*folders, *files]):
            path = os.path.join(top, name)
            status = os.lstat(path)
            relative = os.path.relpath(path, root)
            mode = stat.filemode(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                found[relative] = f"link to {os.readlink(path)}"
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                moment = "now" if now - status.st_mtime < NOW_SECONDS else int(status.st_mtime)
                found[relative] = f"{mode} {digest} {moment}"
            else:
                found[relative] = mode
    return found
