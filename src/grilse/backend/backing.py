"""The storage service of the cache as the backend sees it: workers talk to it, and tell what it has.

Knows which job to run.  While the scheduler runs nothing is asked, since it must not wait: jobs tell by their results.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..storage.digest import Digest, parse_digest
from .single import run_task

if TYPE_CHECKING:
    from .pipeline import Pipeline

# Blobs that belong together, and roots of trees.
Content = tuple[Sequence[Digest], Sequence[Digest]]


class Backing:
    """Supplies a store of the backend (`grilse.storage.store.Supplier`).

    Args:
        pipeline: whose workers do it.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._held: set[Digest] = set()
        self._busy = False

    def supply(self, digests: Sequence[Digest]) -> list[Digest]:
        """Have blobs brought; returns those that are not to be had.

        Raises:
            GrilseError: the job failed.
        """
        return self._bring(digests, (), files=True)

    def supply_trees(self, trees: Sequence[Digest], *, files: bool = True) -> list[Digest]:
        """Have what is missing of trees brought, or only their directories; returns what is not to be had.

        Raises:
            GrilseError: the job failed.
        """
        return self._bring((), trees, files=files)

    def holds(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        """Whether blobs and trees can be had from the service."""
        if not self._knows(blobs, trees):
            self.ask([(blobs, trees)])
        return self._knows(blobs, trees)

    def settle(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> None:
        """Have the service take what a record is about to name.

        Raises:
            GrilseError: the job failed.
        """
        self._run({"settle": [_texts(blobs), _texts(trees)]})

    def ask(self, contents: Sequence[Content]) -> None:
        """Find out of which contents the service has what is not here, all at once."""
        unknown = [content for content in contents if not self._knows(*content)]
        if unknown and not self._busy:
            self._run({"holds": [[_texts(blobs), _texts(trees)] for blobs, trees in unknown]})

    def learn(self, held: Iterable[str]) -> None:
        """Take what a job was told or gave."""
        self._held.update(map(parse_digest, held))

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Ask nothing while the block lasts."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def _knows(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        return self._held.issuperset(blobs) and self._held.issuperset(trees)

    def _bring(self, blobs: Sequence[Digest], trees: Sequence[Digest], *, files: bool) -> list[Digest]:
        if self._busy:
            return [*blobs, *trees]
        values = self._run({"blobs": _texts(blobs), "trees": _texts(trees), "files": files})
        return [parse_digest(text) for text in values["missing"]]

    def _run(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return run_task(self._pipeline, "backing", parameters)


def _texts(digests: Sequence[Digest]) -> list[str]:
    return [str(digest) for digest in digests]
