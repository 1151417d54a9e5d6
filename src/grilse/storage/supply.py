"""What a store may be given: who brings blobs that are somewhere else, and who decides whether there is room for more.

Knows only how they are asked; the first is ``remote/supplier``, the second ``admission``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from grilse.storage.digest import Digest

if TYPE_CHECKING:
    from grilse.storage.store import Store


class Supplier(Protocol):
    """Brings blobs into a store that are somewhere else, for instance the outputs of a build on another machine."""

    def supply(self, digests: Sequence[Digest]) -> list[Digest]:
        """Bring blobs; returns those that are not to be had.

        Raises:
            RemoteError: whoever has them does not answer.
        """

    def supply_trees(self, trees: Sequence[Digest], *, files: bool = True) -> list[Digest]:
        """Bring all that is missing of trees, or only their directories; returns what is not to be had.

        Raises:
            RemoteError: whoever has them does not answer.
        """

    def holds(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> bool:
        """Whether blobs and trees count as cached, since what is not here of them can be had at any time."""

    def settle(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> None:
        """See to it that what a record is about to name can be had whenever it is wanted.

        Raises:
            RemoteError: that cannot be done.
            CasError: something of it is nowhere.
        """


class Gate(Protocol):
    """Decides whether the cache may take what a record is about to name."""

    def admit(self, store: Store) -> None:
        """Return if it may.

        Raises:
            CasError: it may not (reason ``cache-too-full``).
        """
