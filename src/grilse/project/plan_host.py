"""The surroundings of plugins in a process that plans: they are configured, asked for keys, and say things.

Must not know commands or jobs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from ..plugin.exceptions import ImplError

if TYPE_CHECKING:
    from ..plugin.host import RunHost
    from ..storage.digest import Digest
    from ..storage.directory import CasDirectory
    from ..storage.store import Store
    from ..storage.treedigests import TreeDigests

# Takes kind, text, detail and element of a message.
Say = Callable[[str, str, str | None, str | None], None]


class PlanHost:
    """See `plugin.host.Host`.

    Args:
        cachedir: bst's ``cachedir``.
        source_directory: where sources keep what they download.
        root: directory of the toplevel project.
        say: sends messages.
        debug: whether debug messages are wanted.
        remember: whether digests of local files are kept for the next session.
        note: is told of each tree whose digest was asked for: path, `mtimes`, hash and size.
    """

    def __init__(
        self,
        cachedir: str,
        source_directory: str,
        root: str,
        say: Say,
        *,
        debug: bool = False,
        remember: bool = True,
        note: Callable[[str, bool, str, int], None] | None = None,
    ) -> None:
        self.debug = debug
        self.source_directory = source_directory
        self.log: TextIO | None = None
        self._cachedir = cachedir
        self._root = root
        self._say = say
        self._remember = remember
        self._note = note
        self._store: Store | None = None
        self._trees: TreeDigests | None = None

    @property
    def store(self) -> Store:
        """The content-addressed store."""
        if self._store is None:
            from ..storage.store import Store

            self._store = Store(self._cachedir)
        return self._store

    def message(
        self, kind: str, text: str, *, detail: str | None = None, element: str | None = None, key: str | None = None
    ) -> None:
        """Send a message: what bst says while it loads a project is what it says of activities kept silent."""
        if kind in ("info", "warn", "error"):
            self._say(kind, text, detail, element)

    @contextmanager
    def timed(
        self,
        text: str,
        *,
        detail: str | None = None,
        silent_nested: bool = False,
        element: str | None = None,
        key: str | None = None,
    ) -> Iterator[None]:
        """Nothing is worth timing here."""
        yield

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Nothing more than always."""
        yield

    def tree_digest(self, path: str, *, mtimes: bool = False) -> Digest:
        """The digest of a host file or directory as a tree.

        Raises:
            CasError: something cannot be read.
        """
        if self._trees is None:
            from ..storage.treedigests import TreeDigests

            self._trees = TreeDigests(self._cachedir if self._remember else None, self._root)
        digest = self._trees.find(path, mtimes=mtimes)
        if self._note is not None:
            self._note(path, mtimes, digest.hash, digest.size)
        return digest

    def stage_tree(self, path: str, *, mtimes: bool = False) -> CasDirectory:
        """Put a host file or directory into the store.

        Raises:
            CasError: something cannot be read or stored.
        """
        from ..storage.directory import CasDirectory

        tree = CasDirectory(self.store)
        if os.path.isdir(path) and not os.path.islink(path):
            tree.import_tree(path, mtimes=mtimes, remember=True, collect_result=False)
        else:
            tree.import_single_file(path)
        return tree

    @property
    def run(self) -> RunHost:
        """Elements do not run here.

        Raises:
            ImplError: always.
        """
        raise ImplError("A plugin asks for what only a running job has")

    def close(self) -> None:
        """Keep digests of local files for the next session."""
        if self._trees is not None:
            self._trees.save()
