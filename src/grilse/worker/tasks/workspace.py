"""Fills a directory that is to be a workspace with an element's sources."""

from __future__ import annotations

import os
from typing import Any

from ...plugin.exceptions import SourceError
from ...protocol.errors import StreamError
from ...storage.checkout import export_tree
from ...storage.directory import CasDirectory
from ..context import JobContext
from ..element import ElementJob


def run(job: JobContext) -> dict[str, Any]:
    """Stage the sources to where the workspace is made, from where it is put in its place.

    Raises:
        GrilseError: a source cannot be fetched or staged.
        SourceError: ``ensure-stage-dir-fail`` if a local source would replace files of another.
        StreamError: the workspace cannot be written.
    """
    target = job.spec.parameters["directory"]
    with ElementJob(job) as mine, job.timed(f"Staging sources to {target}"):
        mine.sources.fetch(original=True)
        try:
            _stage(mine, job.spec.parameters["staged"])
        except OSError as error:
            raise StreamError(f"cannot fill the workspace '{target}': {error}") from error
    return {}


def _stage(mine: ElementJob, root: str) -> None:
    for source in mine.element.sources():
        directory = source._grilse.spec.directory
        place = os.path.join(root, directory.lstrip("/")) if directory else root
        os.makedirs(place, exist_ok=True)
        source.validate_cache()
        if source.BST_STAGE_VIRTUAL_DIRECTORY:
            tree = CasDirectory(mine.store)
            source.init_workspace_directory(tree)
            if source._needs_room() and _clash(tree, place):
                raise SourceError(
                    f"{source}: its files would replace those of an earlier source", reason="ensure-stage-dir-fail"
                )
            export_tree(mine.store, tree.digest(), place)
        else:
            source.init_workspace(place)


def _clash(tree: CasDirectory, place: str) -> bool:
    """Whether files of `tree` would replace something at `place`; an empty directory does not count."""
    for path in tree.list_relative_paths():
        target = os.path.join(place, path)
        if os.path.isdir(target) and not os.path.islink(target):
            if not tree.isdir(path) and os.listdir(target):
                return True
        elif os.path.lexists(target):
            return True
    return False
