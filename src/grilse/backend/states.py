"""What is cached of elements, and the state that follows from it; every question is asked once.

Knows caches and resolved elements, nothing of jobs or displays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from ..project.recall import RecalledElement
from ..project.resolved import ResolvedElement
from ..storage.artifact import Artifact
from ..storage.artifacts import ArtifactCache
from ..storage.closure import Presence
from ..storage.digest import Digest
from ..storage.sessions import guard
from ..storage.sources import SourceCache
from ..storage.store import Store

# An element as far as states go
Planned = ResolvedElement | RecalledElement


class States:
    """Remembers the artifacts and cached sources of a session's elements.

    Args:
        store: the content-addressed store.
        strict: whether the build plan is strict.
        guarded: whether what is found will be relied on, so that nothing may be expired while it is looked up.
        settled: whether the session itself writes nothing: where a directory of records is not there, no single record
            has to be looked for.
    """

    def __init__(self, store: Store, *, strict: bool, guarded: bool = False, settled: bool = False) -> None:
        self._strict = strict
        self._cache = ArtifactCache(store)
        self._sources = SourceCache(store, together=True)
        self._presence = Presence(store)
        self._artifacts: dict[int, Artifact | None] = {}
        self._discarded: set[int] = set()
        self._has_sources: dict[int, bool] = {}
        self._usable: dict[int, bool] = {}
        self._required: set[int] = set()
        self._guarded = guarded
        self._settled = settled
        self._directories: dict[str, bool] = {}

    @property
    def cache(self) -> ArtifactCache:
        """The artifacts."""
        return self._cache

    @property
    def presence(self) -> Presence:
        """Which blobs are here."""
        return self._presence

    def artifact(self, element: Planned) -> Artifact | None:
        """The element's artifact if it is here with all its blobs, of a build that succeeded or failed."""
        known = self._artifacts.get(id(element), _UNASKED)
        if known is not _UNASKED:
            return known  # type: ignore[return-value]
        with self._guard():
            found = self._find(element)
        self._artifacts[id(element)] = found
        return found

    def ask_storage(self, elements: Iterable[Planned]) -> None:
        """Find out at once what the storage service of the cache has of what is not here, if there is a service."""
        supplier = self._cache.store.supplier
        if supplier is None:
            return
        from .backing import Backing

        assert isinstance(supplier, Backing)
        alone = Presence(self._cache.store, alone=True)
        wanted: list[tuple[list[Digest], list[Digest]]] = []
        for element in elements:
            for key in (element.strict_key, element.weak_key):
                artifact = self._cache.lookup(element.project.name, element.name, key, touch=False) if key else None
                if artifact is not None and not self._cache.is_cached(artifact, alone):
                    wanted += [([blob], []) for blob in artifact.blobs()]
                    wanted += [([], [artifact.files])] if artifact.files is not None else []
            sources = element.sources_key()
            tree = self._sources.lookup(sources, touch=False) if sources is not None else None
            if tree is not None and not alone.tree(tree):
                wanted.append(([], [tree]))
        supplier.ask(wanted)

    def _guard(self) -> AbstractContextManager[None]:
        return guard(self._cache.store.cachedir) if self._guarded else nullcontext()

    def _lacks(self, directory: str) -> bool:
        """Whether a directory of records is not there, nor will be."""
        if not self._settled:
            return False
        found = self._directories.get(directory)
        if found is None:
            try:
                os.stat(directory)
                found = True
            except (FileNotFoundError, NotADirectoryError):
                found = False
            except OSError:
                found = True  # whoever reads records says what is wrong
            self._directories[directory] = found
        return not found

    def _find(self, element: Planned) -> Artifact | None:
        project = element.project.name
        if self._lacks(os.path.join(self._cache.base, project)):
            return None
        keys = (element.strict_key,) if self._strict else (element.strict_key, element.weak_key)
        for key in keys:
            if key is None:
                continue
            artifact = self._cache.lookup(project, element.name, key)
            if artifact is None or (not artifact.success and id(element) in self._discarded):
                continue
            if self._cache.is_cached(artifact, self._presence):
                return artifact
        return None

    def discard_failure(self, element: ResolvedElement) -> None:
        """Let a cached failure count no more, until the element has been built."""
        self._discarded.add(id(element))
        self.forget(element)

    def built(self, element: ResolvedElement) -> None:
        """The element was built just now, with success or not."""
        self._discarded.discard(id(element))
        self.forget(element)

    def lacks_tree(self, element: Planned) -> bool:
        """Whether the element's artifact was made with a build tree that is not here."""
        artifact = self.artifact(element)
        return artifact is not None and self.tree_missing(artifact)

    def tree_missing(self, artifact: Artifact) -> bool:
        """Whether an artifact was made with a build tree that is not here."""
        trees = (artifact.buildtree, artifact.buildroot)
        with self._guard():
            return any(tree is not None and not self._presence.tree(tree) for tree in trees)

    def forget(self, element: ResolvedElement) -> None:
        """Ask again: a job may have made the artifact or fetched the sources."""
        self._artifacts.pop(id(element), None)
        self._has_sources.pop(id(element), None)
        self._usable.clear()
        self._directories.clear()

    def cached_success(self, element: Planned) -> bool:
        """Whether an artifact is here that can be used."""
        artifact = self.artifact(element)
        return artifact is not None and artifact.success

    def cached_failure(self, element: ResolvedElement) -> Artifact | None:
        """The artifact of a build that failed, or None."""
        artifact = self.artifact(element)
        return artifact if artifact is not None and not artifact.success else None

    def logs(self, artifact: Artifact) -> list[bytes]:
        """What was logged when an artifact was made, as far as it is here."""
        store = self.cache.store
        with self._guard():
            return [store.read(entry.digest) for entry in artifact.logs if store.contains(entry.digest)]

    def sources_cached(self, element: Planned) -> bool:
        """Whether the element's sources are in the store, staged together."""
        key = element.sources_key()
        if self._lacks(self._sources.base):
            return False
        with self._guard():
            return key is not None and self._sources.is_cached(key, self._presence)

    def fetch_needed(self, element: Planned) -> bool:
        """Whether a source has to be fetched before the element can be built."""
        known = self._has_sources.get(id(element))
        if known is None:
            sources = element.sources
            known = not sources or self.sources_cached(element) or element.sources_present()
            self._has_sources[id(element)] = known
        return not known

    def usable(self, element: Planned) -> bool:
        """Whether the element's artifact is here, and those of all that it needs to run."""
        stack = [element]
        while stack:
            current = stack[-1]
            if id(current) in self._usable:
                stack.pop()
                continue
            below = [needed for needed in current.runtime_dependencies if id(needed) not in self._usable]
            if below:
                stack += below
                continue
            stack.pop()
            self._usable[id(current)] = self.cached_success(current) and all(
                self._usable[id(needed)] for needed in current.runtime_dependencies
            )
        return self._usable[id(element)]

    def buildable(self, element: Planned) -> bool:
        """Whether all that the element is built with is here."""
        return all(self.usable(needed) for needed in element.build_dependencies)

    def state(self, element: Planned) -> str:
        """One of: no reference, junction, failed, cached, fetch needed, buildable, waiting."""
        if not element.is_resolved:
            return "no reference"
        if element.kind == "junction":
            return "junction"
        artifact = self.artifact(element)
        if artifact is not None:
            return "cached" if artifact.success else "failed"
        if self.fetch_needed(element):
            return "fetch needed"
        return "buildable" if self.buildable(element) else "waiting"

    def require(self, targets: Iterable[ResolvedElement]) -> None:
        """Note what has to be here for the targets: they, what they need to run, and what those not cached need to be
        built. In a build that is not strict, only what is cached or required has a key.
        """
        stack = list(targets)
        while stack:
            element = stack.pop()
            if id(element) in self._required:
                continue
            self._required.add(id(element))
            stack += element.runtime_dependencies
            if not self.cached_success(element):
                stack += element.build_dependencies

    def key(self, element: Planned) -> tuple[str | None, bool]:
        """The element's full key, None if it has none yet; and whether it is that of a strict build."""
        if self._strict:
            return element.strict_key, True
        known = id(element) in self._required or self.artifact(element) is not None
        # What is recalled is strict.
        key = self.full_key(element) if known and isinstance(element, ResolvedElement) else None
        return key, key == element.strict_key

    def full_key(self, element: ResolvedElement) -> str | None:
        """The key that the element's artifact has, or will have when it is built: in a build that is not strict it
        depends on what is cached of its dependencies.
        """
        if self._strict:
            return element.strict_key
        if element.cache_key is None:
            # Dependencies come first: no recursion, however long the chain
            for needed in (*element.build_closure, element):
                if needed.cache_key is None:
                    artifact = self.artifact(needed)
                    needed.cache_key = artifact.strong_key if artifact else needed.full_key(_cache_key)
        return element.cache_key


def _cache_key(element: ResolvedElement) -> str | None:
    return element.cache_key


_UNASKED = object()
