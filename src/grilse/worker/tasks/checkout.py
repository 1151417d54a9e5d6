"""Checks out an element's artifact, with what it needs, to a directory or an archive.

Knows what is written where; the backend has checked that it may be.
"""

from __future__ import annotations

import os
import tarfile
from typing import Any

from ...protocol.errors import GrilseError, StreamError
from ...sandbox.scratch import scratch_beside
from ...storage.checkout import export_tree, write_tar
from ...storage.digest import Digest
from ...storage.placing import move_into, put_in_place
from ..context import JobContext
from ..element import ElementJob
from ..staged import staged_sandbox

# Modification time of what an archive holds (2011-11-11 11:11:11 UTC), as in bst's.
ARCHIVE_MTIME = 1321009871


def run(job: JobContext) -> dict[str, Any]:
    """Check out.

    Raises:
        StreamError: something cannot be staged or written.
    """
    wanted = job.spec.parameters
    with ElementJob(job) as mine:
        try:
            with staged_sandbox(mine, wanted["deps"], integrate=wanted["integrate"]) as sandbox:
                _write(mine, sandbox.get_virtual_directory().digest())
        except GrilseError as error:
            raise StreamError(
                f"Error while staging dependencies into a sandbox: '{error}'", detail=error.detail, reason=error.reason
            ) from error
    return {}


def _write(mine: ElementJob, tree: Digest) -> None:
    job, wanted = mine.job, mine.job.spec.parameters
    tar = wanted["tar"]
    if tar is None:
        directory = wanted["directory"]
        with job.timed(f"Checking out files in '{directory}'"):
            _write_directory(mine, tree, directory, hardlinks=wanted["hardlinks"], fresh=wanted["fresh"])
        return
    with job.timed(f"Creating tarball '{tar}'"):
        write_archive(mine, tree, tar, wanted["compression"])


def _write_directory(mine: ElementJob, tree: Digest, directory: str, *, hardlinks: bool, fresh: bool) -> None:
    """Write a tree beside a directory, then rename it; `fresh`: the directory was made for it."""
    target = os.path.realpath(directory)
    try:
        with scratch_beside(target) as scratch:
            staged = os.path.join(scratch, "tree")
            export_tree(mine.store, tree, staged, hardlinks=hardlinks)
            if fresh:
                put_in_place(staged, target)
            else:
                move_into(staged, target)
    except OSError as error:
        raise StreamError(f"Failed to write to directory '{directory}': {error}") from error


def write_archive(mine: ElementJob, tree: Digest, path: str, compression: str | None) -> None:
    """Write a tree as a tar archive, whole or not at all.

    Raises:
        StreamError: it cannot be written.
    """
    mine.store.complete([tree])
    target = os.path.realpath(path)
    try:
        mode: Any = f"w:{compression or ''}"
        with scratch_beside(target) as scratch:
            temporary = os.path.join(scratch, "archive")
            with tarfile.open(temporary, mode) as archive:
                write_tar(mine.store, tree, archive, ".", ARCHIVE_MTIME)
            os.replace(temporary, target)
    except OSError as error:
        raise StreamError(f"Failed to create tarball '{path}': {error}") from error
