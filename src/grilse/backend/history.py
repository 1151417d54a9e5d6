"""Keeps the directories of past sessions within bounds of count and age.

Knows which directory is a session's and whether the session still runs; nothing of what events mean.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from typing import Final

from ..platform.files import NEW_READABLE, lock, try_lock

LOG_NAME: Final = "events.jsonl"
# What jobs are told is there when there were some.
PLAN_NAME: Final = "plan"
# Directory in that of a session with jobs that can be replayed.
JOBS: Final = "jobs"
# What the name of a session's directory begins with that is below the temporary directory.
MAKESHIFT: Final = "grilse-session-"

# Sessions kept at most, of those that had jobs and of the others (``show`` and the like), which are so many in no time
# that they must not drive out a build; and days after which one is dropped in any case.
SESSIONS_KEPT: Final = 100
DAYS_KEPT: Final = 30

# Held by a session as long as it runs, however it ends.
LOCK_NAME: Final = "running.lock"
# Without a lock that can be asked, a session counts as running until its log has been quiet for so long, seconds.
_QUIET: Final = 86_400
# `backend.session` gives the names; what is being removed has this before it, so that nobody takes it for a session.
_SESSION: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_DROPPED: Final = "dropped-"


def session_directory(root: str, identifier: str) -> str:
    """Make a new session's directory: below `root`, or where that cannot be written, below the temporary directory.

    In the second case what earlier sessions had to leave there is removed after a day.

    Raises:
        OSError: neither can be written.
    """
    directory = os.path.join(root, identifier)
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError:
        import tempfile

        _remove_old_makeshift(tempfile.gettempdir())
        directory = tempfile.mkdtemp(prefix=MAKESHIFT)
    return directory


def remove_makeshift(directory: str) -> None:
    """Remove a session's directory at its end if it is below the temporary directory.

    One with saved jobs stays, since the user was told of them.
    """
    if os.path.basename(directory).startswith(MAKESHIFT) and not os.path.exists(os.path.join(directory, JOBS)):
        shutil.rmtree(directory, ignore_errors=True)


def _remove_old_makeshift(place: str) -> None:
    for name in os.listdir(place):
        path = os.path.join(place, name)
        if not name.startswith(MAKESHIFT) or os.path.islink(path):
            continue
        try:
            quiet = time.time() - os.stat(os.path.join(path, LOG_NAME)).st_mtime
        except OSError:
            # Somebody else's, or not even begun.
            continue
        if quiet > _QUIET and _has_ended(path, quiet):
            shutil.rmtree(path, ignore_errors=True)


def claim_session(directory: str) -> int | None:
    """Mark a session's new directory as that of a running session.

    Returns:
        A descriptor: the session runs until it is closed, at the latest when the process ends.  None where the file
        system has no locks.
    """
    try:
        descriptor = os.open(os.path.join(directory, LOCK_NAME), NEW_READABLE, 0o644)
    except OSError:
        return None
    try:
        lock(descriptor)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def prune_sessions(root: str, *, kept: int = SESSIONS_KEPT, days: float = DAYS_KEPT) -> int:
    """Remove the directories of sessions that have ended: those beyond the newest, and those older than `days`.

    Of sessions that had jobs the newest `kept` stay, and as many of the others.

    Only what a session has made is touched: a directory with the name and the log of one.  What cannot be read or
    removed stays for the next time.

    Returns:
        How many were removed.
    """
    try:
        names = os.listdir(root)
    except OSError:
        return 0
    for name in names:
        # Somebody was interrupted here.
        if name.startswith(_DROPPED) and _SESSION.fullmatch(name.removeprefix(_DROPPED)):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    now = time.time()
    removed = 0
    seen = {True: 0, False: 0}
    # A name begins with the time its session began at: the newest first.
    for name, written in _sessions(root, sorted(names, reverse=True)):
        had_jobs = os.path.exists(os.path.join(root, name, PLAN_NAME))
        seen[had_jobs] += 1
        old = seen[had_jobs] > kept or now - written > days * 86_400
        if old and _has_ended(os.path.join(root, name), now - written):
            removed += _remove(root, name)
    return removed


def _sessions(root: str, names: list[str]) -> Iterator[tuple[str, float]]:
    """Those names that are of sessions, and when each wrote to its log last."""
    for name in names:
        path = os.path.join(root, name)
        if _SESSION.fullmatch(name) and not os.path.islink(path):
            try:
                yield name, os.stat(os.path.join(path, LOG_NAME)).st_mtime
            except OSError:
                continue


def _has_ended(directory: str, quiet: float) -> bool:
    try:
        descriptor = os.open(os.path.join(directory, LOCK_NAME), os.O_RDWR)
    except OSError:
        return quiet > _QUIET
    try:
        return try_lock(descriptor)
    except OSError:
        return quiet > _QUIET
    finally:
        os.close(descriptor)


def _remove(root: str, name: str) -> bool:
    away = os.path.join(root, _DROPPED + name)
    try:
        os.rename(os.path.join(root, name), away)
    except OSError:
        return False
    shutil.rmtree(away, ignore_errors=True)
    return not os.path.exists(away)
