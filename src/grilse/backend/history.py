"""Keeps the directories of past sessions within bounds of count and age.

Knows nothing of what is in them.
"""

from __future__ import annotations

import os
import shutil
import time

# Sessions kept at most, and days after which one is dropped in any case.
SESSIONS_KEPT = 100
DAYS_KEPT = 30


def prune_sessions(root: str, current: str) -> int:
    """Drop the oldest sessions below `root`, never the `current` one nor one of the last hour; returns how many."""
    try:
        names = sorted(name for name in os.listdir(root) if name != current)
    except OSError:
        return 0
    now = time.time()
    dropped = 0
    for index, name in enumerate(names):
        path = os.path.join(root, name)
        try:
            age = now - os.stat(path).st_mtime
        except OSError:
            continue
        too_many = len(names) - index >= SESSIONS_KEPT
        if age > 3600 and (too_many or age > DAYS_KEPT * 86400):
            shutil.rmtree(path, ignore_errors=True)
            dropped += 1
    return dropped
