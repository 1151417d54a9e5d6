"""Puts finished trees where a user wants them: what was there before stays there until what is new takes its place.

Knows host directories; nothing of what is in them, nor of the store.  What is put in place has been written beside it,
on the same file system, so that no write can fail here any more: there are renames only.
"""

from __future__ import annotations

import os

from grilse.platform.files import exchange


def put_in_place(source: str, target: str) -> None:
    """Rename a directory to `target`, which does not exist or is empty and was made for it.

    Raises:
        OSError: it cannot be renamed, nor its entries be moved.
    """
    try:
        os.rename(source, target)
    except OSError:
        # Some systems replace no directory, and none replaces one that something is mounted on.
        move_into(source, target)


def move_into(source: str, target: str) -> None:
    """Move the entries of a host directory into another one of the same file system, replacing what has the same name.

    Each file is the old one or the new one at any time.  Directories are merged and get the times of those that are
    merged into them; symbolic links at `target` are replaced, never followed.

    Raises:
        OSError: something cannot be moved or replaced.
        FileExistsError: a directory that holds something is where a file should be; nothing has been moved then.
    """
    os.makedirs(target, exist_ok=True)
    _refuse(source, target)
    _move(source, target)


def replace_tree(source: str, target: str, aside: str) -> None:
    """Put a directory in the place of another one, which is at `aside` then; all at once where the system can do that.

    Raises:
        OSError: something cannot be renamed.
    """
    if exchange(source, target):
        os.rename(source, aside)
        return
    os.mkdir(aside)
    for name in os.listdir(target):
        place = os.path.join(target, name)
        # The directory that all this happens in may be in the target itself.
        if not source.startswith(place + os.sep):
            os.rename(place, os.path.join(aside, name))
    _move(source, target)


def _refuse(source: str, target: str) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            place = os.path.join(target, entry.name)
            if not os.path.isdir(place) or os.path.islink(place):
                continue
            if entry.is_dir(follow_symlinks=False):
                _refuse(entry.path, place)
            elif os.listdir(place):
                raise FileExistsError(f"'{place}' is a directory that is not empty, and should be a file")


def _move(source: str, target: str) -> None:
    moment = os.stat(source).st_mtime_ns
    for entry in list(os.scandir(source)):
        place = os.path.join(target, entry.name)
        stands = os.path.isdir(place) and not os.path.islink(place)
        if entry.is_dir(follow_symlinks=False):
            if stands:
                _move(entry.path, place)
            elif not os.path.lexists(place):
                os.rename(entry.path, place)
            elif not exchange(entry.path, place):
                os.unlink(place)
                os.rename(entry.path, place)
        else:
            if stands:
                os.rmdir(place)
            os.replace(entry.path, place)
    os.utime(target, ns=(moment, moment))
