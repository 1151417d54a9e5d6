"""What surrounds plugins in a worker: messages go to the job, trees to the store, artifacts come from the cache.

Implements the interfaces of `plugin.host`; knows nothing of tasks.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Final, TextIO

from ..plugin.exceptions import ElementError
from ..plugin.node import MappingNode
from ..storage.artifact import Artifact
from ..storage.artifacts import ArtifactCache
from ..storage.closure import Presence
from ..storage.directory import CasDirectory
from ..storage.store import Store
from .closures import find_artifact
from .context import JobContext

if TYPE_CHECKING:
    from ..plugin.host import ElementFacts, RunHost
    from ..storage.digest import Digest
    from .sources import ElementSources

# Public data of dependencies that one worker keeps decoded between jobs: closures overlap.
PUBLIC_KEPT = 4096


class PublicData:
    """Public data of artifacts by digest, decoded once per worker."""

    def __init__(self) -> None:
        self._known: dict[Digest, MappingNode] = {}

    def get(self, store: Store, digest: Digest) -> MappingNode:
        """The public data in a blob; shared, so to be cloned before it is changed.

        Raises:
            CasError: the blob is not here.
            ElementError: it is no YAML mapping.
        """
        found = self._known.get(digest)
        if found is None:
            if len(self._known) >= PUBLIC_KEPT:
                self._known.pop(next(iter(self._known)))
            found = self._known[digest] = _parse(store.read(digest))
        return found


def _parse(data: bytes) -> MappingNode:
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        plain = yaml.load(data, Loader=loader)
    except yaml.YAMLError as error:
        raise ElementError(f"The public data of an artifact cannot be read: {error}") from error
    if not isinstance(plain, dict):
        raise ElementError("The public data of an artifact is no mapping")
    return MappingNode.from_plain(plain, "public data of an artifact")


class WorkerHost:
    """See `plugin.host.Host`.

    Args:
        job: the job that plugins run for.
        store: the content-addressed store.
        public: decoded public data, kept between jobs.
    """

    def __init__(self, job: JobContext, store: Store, public: PublicData) -> None:
        self._job = job
        self._public = public
        self.store = store
        self.artifacts = ArtifactCache(store)
        self.own: ElementFacts | None = None
        self._sources: ElementSources | None = None
        self.debug: bool = bool(job.settings("debug", False))
        self.source_directory: str = job.settings("sourcedir")

    @property
    def log(self) -> TextIO | None:
        """Where the output of programs goes."""
        return self._log

    @cached_property
    def _log(self) -> TextIO | None:
        descriptor = self._job.log_descriptor
        if descriptor is None:
            return None
        return os.fdopen(os.dup(descriptor), "w", encoding="utf-8", errors="replace")

    def message(
        self, kind: str, text: str, *, detail: str | None = None, element: str | None = None, key: str | None = None
    ) -> None:
        """Report a message of the job."""
        if kind == "debug" and not self.debug:
            return
        self._job.message(kind, text, detail=detail, element=element, key=key)

    def timed(
        self,
        text: str,
        *,
        detail: str | None = None,
        silent_nested: bool = False,
        element: str | None = None,
        key: str | None = None,
    ) -> AbstractContextManager[None]:
        """Report an activity of the job."""
        return self._job.timed(text, detail=detail, silent_nested=silent_nested, element=element, key=key)

    def silenced(self) -> AbstractContextManager[None]:
        """Keep messages below a warning to the log."""
        return self._job.silenced()

    def tree_digest(self, path: str, *, mtimes: bool = False) -> Digest:
        """The digest of a host file or directory as a tree."""
        return self.stage_tree(path, mtimes=mtimes).digest()

    def stage_tree(self, path: str, *, mtimes: bool = False) -> CasDirectory:
        """Put a host file or directory into the store."""
        from ..storage.capture import capture_tree

        if os.path.isdir(path) and not os.path.islink(path):
            return CasDirectory(self.store, capture_tree(self.store, path, mtimes=mtimes, remember=True).digest)
        directory = CasDirectory(self.store)
        directory.import_single_file(path)
        return directory

    @property
    def run(self) -> RunHost:
        """What a running element needs."""
        return self._run

    @cached_property
    def _run(self) -> _RunHost:
        return _RunHost(self, self._job, self._public)

    def run_artifact(self, facts: ElementFacts) -> Artifact:
        """An element's artifact.

        Raises:
            ElementError: it is not cached.
        """
        return self._run.artifact(facts)

    def open_run(self, sources: ElementSources) -> None:
        """The job's element runs, with these sources."""
        self._sources = sources

    def staged_sources(self, facts: ElementFacts) -> CasDirectory:
        """The sources of the job's element as one tree.

        Raises:
            ElementError: they are not those of the job's element.
        """
        if self._sources is None or facts is not self.own:
            raise ElementError(f"{facts.full_name}: this job stages no sources of it")
        tree = self._sources.tree()
        last = self._last_build(facts)
        if last is None:
            return tree
        self._job.message("info", "Incremental build")
        old = CasDirectory(self.store, last.buildtree)
        old.apply_changes(CasDirectory(self.store, last.sources), tree)
        return old

    def _last_build(self, facts: ElementFacts) -> Artifact | None:
        """The artifact of the last build of the element's workspace, if what it left can be built on."""
        key = self._sources.last_build if self._sources is not None else None
        if facts.workspace is None or not key:
            return None
        artifact = self.artifacts.lookup(facts.project.name, facts.name, key)
        if artifact is None or artifact.buildtree is None or artifact.sources is None:
            return None
        before = [needed.artifact for needed in artifact.build_dependencies]
        assert self._job.record is not None
        now = self._job.closures.dependencies(self._job.record, self.artifacts)
        if before != [needed.artifact for needed in now]:
            # What it was built with has changed, which no build system may notice: build all of it.
            return None
        presence = Presence(self.store)
        usable = self.artifacts.is_cached(artifact, presence)
        return artifact if usable and presence.tree(artifact.buildtree) and presence.tree(artifact.sources) else None

    def close(self) -> None:
        """Close the log's file object."""
        log = self.__dict__.pop("_log", None)
        if log is not None:
            log.close()


# Tasks that want of an element what it has been built to be
_WITH_ARTIFACT: Final = ("checkout", "shell")


class _RunHost:
    """See `plugin.host.RunHost`."""

    def __init__(self, host: WorkerHost, job: JobContext, public: PublicData) -> None:
        self._host = host
        self._job = job
        self._public = public
        self._artifacts: dict[int, Artifact] = {}

    @property
    def keeps_buildtree(self) -> bool:
        """Whether the build tree is wanted even of a build that succeeds."""
        return bool(self._job.settings("cache_buildtrees") == "always")

    def artifact(self, facts: ElementFacts) -> Artifact:
        """An element's artifact.

        Raises:
            ElementError: it is not cached.
        """
        found = self._artifacts.get(id(facts))
        if found is None:
            weak = None if self._job.settings("strict", True) else facts.weak_key
            keys = (facts.cache_key, facts.strict_key, weak)
            found = find_artifact(self._host.artifacts, facts.project.name, facts.name, keys)
            if found is None:
                raise ElementError(
                    f"{facts.full_name}: the artifact is not in the local cache",
                    reason="uncached-checkout-attempt",
                )
            self._artifacts[id(facts)] = found
        return found

    def artifact_files(self, facts: ElementFacts) -> CasDirectory:
        """The files of an element's artifact."""
        return CasDirectory(self._host.store, self.artifact(facts).files)

    def artifact_public(self, facts: ElementFacts) -> MappingNode:
        """Public data as it was when the element was built."""
        if facts is self._host.own and self._job.spec.task not in _WITH_ARTIFACT:
            # It is being built: what its plugin changes goes into the artifact.
            return facts.public()
        digest = self.artifact(facts).public_data
        if digest is None:
            return facts.public()
        return self._public.get(self._host.store, digest).clone()

    def staged_sources(self, facts: ElementFacts) -> CasDirectory:
        """The element's sources as one tree."""
        return self._host.staged_sources(facts)
