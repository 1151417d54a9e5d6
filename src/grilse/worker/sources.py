"""The sources of one element in a job: fetched, put into the store, staged together.

Knows source plugins and the source cache; nothing of how keys are made: names and keys come with the record.  A source
that does not depend on those before it is kept on its own; all of an element's sources are kept staged together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..plugin import keytext
from ..plugin.blame import REASON as BUG
from ..plugin.exceptions import ElementError, PluginError, SourceError
from ..plugin.fetching import fetch, track
from ..plugin.node import MappingNode
from ..plugin.surroundings import keeping_umask
from ..plugin.types import is_plain
from ..protocol.records import ElementBody
from ..sandbox.scratch import SOURCES, Scratch
from ..storage.capture import capture_tree
from ..storage.checkout import export_tree
from ..storage.digest import Digest
from ..storage.directory import CasDirectory
from ..storage.filetypes import DirectoryError
from ..storage.sources import SourceCache
from ..storage.store import Store

if TYPE_CHECKING:
    from ..plugin.source import Source

# Pulls one cached source (its name) or the sources of an element together (its key); whether that worked.
Pull = Callable[[str], bool]


class ElementSources:
    """See the module.

    Args:
        store: the content-addressed store.
        sources: the element's sources, configured.
        body: the heavy half of the element's record.
        pull_source: pulls one source from a remote, or None.
        pull_together: pulls all of the element's sources staged together, or None.
    """

    def __init__(
        self,
        store: Store,
        sources: Sequence[Source],
        body: ElementBody,
        *,
        pull_source: Pull | None = None,
        pull_together: Pull | None = None,
    ) -> None:
        self._store = store
        self._sources = sources
        self._names = [record.name for record in body.sources]
        self._key = body.sources_key
        self._fetched = set[int]()
        self._single = SourceCache(store)
        self._together = SourceCache(store, together=True)
        self._pull_source = pull_source
        self._pull_together = pull_together
        config = body.sources[0].config if body.sources and body.sources[0].plugin.kind == "workspace" else {}
        self.last_build: str | None = config.get("last_build") or None

    def fetch(self, *, original: bool = False) -> bool:
        """Make sure that the sources can be staged, and stage them together into the store.

        Args:
            original: fetch what the sources themselves keep, even if the store has what is in them.

        Returns:
            whether there was anything to do.

        Raises:
            SourceError: a source has no ref, or cannot be had.
            ElementError: ``stage-sources-fail`` if a source is in the way of another.
        """
        key = self._checked_key()
        if not original:
            if self._together.is_cached(key):
                return False
            if self._pull_together is not None and self._pull_together(key):
                return True
        elif self._together.is_cached(key) and all(source._is_cached() for source in self._sources):
            return False
        self._fetch_each(original, self._sources)
        if not self._together.is_cached(key):
            try:
                tree = self._stage()
            except DirectoryError as error:
                raise ElementError(
                    f"The sources cannot be staged on one another: {error.message}",
                    detail=error.detail,
                    reason="stage-sources-fail",
                ) from error
            self._together.write(key, tree.digest())
        return True

    def track(self, *, workspaced: bool) -> list[dict[str, Any]]:
        """New refs: for each source its index, its ref from now on, and whether that is another one.

        Raises:
            SourceError: a source cannot be tracked.
            PluginError: a plugin gives what is no ref.
        """
        found: list[dict[str, Any]] = []
        for index, source in enumerate(self._sources):
            old = source.get_ref()
            if source.BST_REQUIRES_PREVIOUS_SOURCES_TRACK:
                with self._previous(index) as directory:
                    ref = track(source, previous_sources_dir=directory)
            else:
                ref = track(source)
            if not is_plain(ref):
                raise PluginError(
                    f"{source}: track() of the plugin '{source.get_kind()}' should return a ref, which is plain data",
                    reason=BUG,
                )
            if ref is None:
                ref = old
            changed = ref != old
            if changed:
                source.info(f"Found new revision: {ref}")
                source.set_ref(ref, _ref_place(source))
                # What comes behind it may want to see it.
                self._names[index] = f"{source.get_kind()}/{keytext.digest(source.get_unique_key())}"
                if workspaced:
                    source.warn(
                        "Updated reference will be ignored as source has open workspace",
                        detail="This source has an open workspace.\n"
                        "To start using the new reference, please close the existing workspace.",
                    )
            found.append({"index": index, "ref": ref, "changed": changed})
        return found

    def tree(self) -> CasDirectory:
        """The sources staged together; made if they are not in the store.

        Raises:
            SourceError: they cannot be had.
        """
        if not self._sources:
            return CasDirectory(self._store)
        key = self._checked_key()
        if not self._together.is_cached(key):
            self.fetch()
        found = self._together.lookup(key)
        if found is None:
            raise SourceError(f"{self._sources[0]}: the sources are not in the cache any more")
        return CasDirectory(self._store, found)

    def _checked_key(self) -> str:
        if self._key is None:
            unresolved = [str(source) for source in self._sources if not source.is_resolved()]
            raise SourceError(f"These sources have no ref: {', '.join(unresolved)}")
        return self._key

    def _fetch_each(self, original: bool, sources: Sequence[Source]) -> None:
        for index, source in enumerate(sources):
            if original or _depends_on_previous(source):
                if not self._is_cached(index):
                    self._fetch_original(index, source)
            else:
                self._digest(index, source)

    def _is_cached(self, index: int) -> bool:
        """Whether a source need not be fetched: there are plugins that never say so."""
        return index in self._fetched or self._sources[index]._is_cached()

    def _fetch_original(self, index: int, source: Source) -> None:
        if source.BST_REQUIRES_PREVIOUS_SOURCES_FETCH:
            with self._previous(index) as directory, keeping_umask():
                fetch(source, previous_sources_dir=directory)
        else:
            with keeping_umask():
                fetch(source)
        self._fetched.add(index)

    def _digest(self, index: int, source: Source) -> Digest:
        """The tree of a source that does not depend on those before it; fetched if need be."""
        name = self._names[index]
        assert name is not None
        if not self._single.is_cached(name):
            pulled = self._pull_source is not None and self._pull_source(name)
            if not pulled:
                if not self._is_cached(index):
                    self._fetch_original(index, source)
                tree = CasDirectory(self._store)
                self._stage_one(source, tree)
                self._single.write(name, tree.digest())
        found = self._single.lookup(name)
        if found is None:
            raise SourceError(f"{source}: it is not in the cache any more")
        return found

    def _stage(self, stop: int | None = None) -> CasDirectory:
        """The sources before `stop`, or all, in one tree."""
        root = CasDirectory(self._store)
        for index, source in enumerate(self._sources[:stop]):
            directory = source._grilse.spec.directory
            target = root.open_directory(directory.lstrip("/"), create=True) if directory else root
            if _depends_on_previous(source):
                self._stage_one(source, target)
            else:
                target.import_files(CasDirectory(self._store, self._digest(index, source)), collect_result=False)
        return root

    def _stage_one(self, source: Source, tree: CasDirectory) -> None:
        """Let a source stage itself onto `tree`."""
        with keeping_umask():
            source.validate_cache()
        if source.BST_STAGE_VIRTUAL_DIRECTORY:
            with keeping_umask():
                source.stage_directory(tree)
            return
        with self._scratch() as scratch:
            if len(tree):
                export_tree(self._store, tree.digest(), scratch)
            with keeping_umask():
                source.stage(scratch)
            tree.reset(capture_tree(self._store, scratch, move=True).digest)

    @contextmanager
    def _previous(self, index: int) -> Iterator[str | CasDirectory]:
        """A directory with the sources before one that wants to see them: what is where it will be staged itself.

        A source that is staged into a `Directory` gets one here, too.
        """
        source = self._sources[index]
        self._fetch_each(False, self._sources[:index])
        tree = self._stage(index)
        directory = source._grilse.spec.directory
        if directory:
            tree = tree.open_directory(directory.lstrip("/"), create=True)
        if source.BST_STAGE_VIRTUAL_DIRECTORY:
            yield tree
            return
        with self._scratch() as scratch:
            export_tree(self._store, tree.digest(), scratch)
            yield scratch

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        with Scratch(os.path.join(self._store.cachedir, "build"), SOURCES) as scratch:
            # What a source unpacks may have modes that keep its owner out, so the tree has a directory of its own.
            inner = os.path.join(scratch, "tree")
            os.mkdir(inner)
            yield inner


def _ref_place(source: Source) -> MappingNode:
    """What `Source.set_ref` gets to write into: what the declaration or ``project.refs`` says, which stays as it is."""
    spec = source._grilse.spec
    if spec.ref_node is not None:
        return spec.ref_node.clone()
    if spec.clear_ref:
        return MappingNode.from_plain({})
    node = spec.config.clone()
    for key in source.COMMON_CONFIG_KEYS:
        node.safe_del(key)
    return node


def _depends_on_previous(source: Source) -> bool:
    return source.BST_REQUIRES_PREVIOUS_SOURCES_FETCH or source.BST_REQUIRES_PREVIOUS_SOURCES_STAGE
