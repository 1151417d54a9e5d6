"""Makes a session's elements of a snapshot, if everything that the snapshot was made from is as it was.

Must not know commands.  Nothing is loaded, composed or resolved, and most plugins are not even imported; an element
that somebody asks for more than its keys is made from its body, as a worker makes it.  Plugins whose code may read
anything at all are asked again, on the configuration that was resolved before: if one of them gives another key, or
says something else, the snapshot is of no use.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from ..plugin.revive import Edge, RecordedProject, RevivableElement
from ..protocol.errors import CasError
from ..protocol.records import ElementBody, PluginRecord, Ref, SourceRecord
from .files import content_digest_of
from .inputs import TreeInput, unchanged
from .load_element import BUILD, RUNTIME
from .recognition import key_digest, traits
from .snapshot import WHOLE, ElementEntry, Said, Snapshot

if TYPE_CHECKING:
    from ..plugin.source import Source
    from .plan_host import PlanHost


class RecalledElement(RevivableElement):
    """An element of a snapshot: both what `LoadElement` and what `ResolvedElement` are to those who select and show.

    Attributes:
        dependencies: its direct dependencies in staging order.
        is_resolved: whether all its sources have refs.
    """

    __slots__ = ("_entry", "_recalled", "_records", "_sources", "dependencies", "is_resolved")

    def __init__(self, entry: ElementEntry, recalled: Recalled) -> None:
        super().__init__(
            entry.name, entry.full_name, recalled.snapshot.index.plugins[entry.plugin].record, recalled.host
        )
        elements = recalled.elements
        self.weak_key = entry.weak_key
        self.strict_key = self.cache_key = entry.strict_key
        self.is_resolved = entry.sources_key is not None
        self.dependencies = [
            Edge(elements[place], kinds & BUILD != 0, kinds & RUNTIME != 0) for place, kinds in entry.depends
        ]
        self._entry = entry
        self._recalled = recalled
        self._sources: Sequence[Source] | None = None
        self._records: list[SourceRecord] | None = None

    @property
    def load_element(self) -> RecalledElement:
        """What stands for its `LoadElement`."""
        return self

    @property
    def description(self) -> str:
        """Text of its ``description``."""
        return self._entry.description

    @property
    def project(self) -> RecordedProject:
        """Its project."""
        return self._recalled.project((self._entry.project, 0))

    @property
    def sources(self) -> Sequence[Source]:
        """Its sources, each made when it is first asked for."""
        if self._element is not None:
            return self._element._grilse.sources
        if self._sources is None:
            self._sources = _Sources(self) if self._entry.sources else ()
        return self._sources

    def sources_present(self) -> bool:
        """Whether all its sources are on this machine, each by itself."""
        for index, presence in enumerate(self._entry.sources):
            if presence is None:
                if not self.sources[index]._is_cached():
                    return False
            elif presence is not True and not os.path.isfile(presence):
                return False
        return True

    def sources_key(self) -> str | None:
        """The key under which its sources are cached together, or None if one has no ref."""
        return self._entry.sources_key

    def plain_config(self) -> dict[str, Any]:
        """Its configuration as plain data."""
        return self.body.config

    def plain_public(self) -> dict[str, Any]:
        """Public data as declared, plain; not to be changed."""
        return self.body.public

    def is_as_before(self, host: PlanHost) -> bool:
        """Make its plugins anew that must be asked, and see whether they give the keys that they gave before.

        Raises:
            Exception: whatever the plugins raise.
        """
        entry = self._entry
        if WHOLE in entry.asked:
            element = self._element = self._make(host)
            return (
                self._recalled.has_traits(self.plugin, type(element))
                and key_digest(element.get_unique_key()) == entry.unique_key
                and all(map(self._is_same_source, element._grilse.sources, self._source_records(), entry.source_keys))
            )
        sources = self.sources
        assert isinstance(sources, _Sources)
        return all(
            self._is_same_source(sources.make(index, host), self._source_records()[index], entry.source_keys[index])
            for index in entry.asked
        )

    def _is_same_source(self, source: Source, record: SourceRecord, key: bytes) -> bool:
        if not self._recalled.has_traits(record.plugin, type(source)):
            return False
        if not source.is_resolved():
            return not key
        return key_digest(source.get_unique_key()) == key

    def _read_body(self) -> ElementBody:
        return self._recalled.snapshot.body(self._entry)

    def _source_records(self) -> Sequence[SourceRecord]:
        if self._records is None:
            self._records = self._recalled.snapshot.sources(self._entry)
        return self._records

    def _edges(self) -> Iterable[Edge]:
        details = self._recalled.snapshot.details(self._entry)
        return (
            edge._replace(path=detail.path, config=detail.config)
            for edge, detail in zip(self.dependencies, details, strict=True)
        )

    @property
    def build_dependencies(self) -> Sequence[RecalledElement]:
        """Direct build dependencies in staging order."""
        if self._build is None:
            self._build = [edge.element for edge in self.dependencies if edge.build]
        return cast("Sequence[RecalledElement]", self._build)

    @property
    def runtime_dependencies(self) -> Sequence[RecalledElement]:
        """Direct runtime dependencies in staging order."""
        if self._runtime is None:
            self._runtime = [edge.element for edge in self.dependencies if edge.runtime]
        return cast("Sequence[RecalledElement]", self._runtime)


class _Sources(Sequence["Source"]):
    """The sources of an element, each made when it is first asked for: often the first one settles the question."""

    __slots__ = ("_element", "_made")

    def __init__(self, element: RecalledElement) -> None:
        self._element = element
        self._made: list[Source | None] = [None] * len(element._entry.sources)

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._made[index] or self.make(index)

    def make(self, index: int, listener: PlanHost | None = None) -> Source:
        """Make a source; what it says meanwhile goes to `listener`, or nowhere."""
        source = self._made[index] = self._element._single_source(index, listener)
        return source

    def __iter__(self) -> Iterator[Source]:
        return (self[place] for place in range(len(self._made)))


class Recalled:
    """What a snapshot holds, as a session uses it.

    Attributes:
        snapshot: the snapshot.
        host: the process around plugins.
        elements: all elements, dependencies first.
    """

    def __init__(self, snapshot: Snapshot, host: PlanHost) -> None:
        self.snapshot = snapshot
        self.host = host
        self._projects: dict[int, RecordedProject] = {}
        self._traits: dict[PluginRecord, list[Any] | None] = {
            plugin.record: None if plugin.plain else plugin.traits for plugin in snapshot.index.plugins
        }
        self._checked: set[PluginRecord] = set()
        self.elements: list[RecalledElement] = []
        for entry in snapshot.index.elements:
            self.elements.append(RecalledElement(entry, self))

    @property
    def targets(self) -> list[RecalledElement]:
        """What was asked for, in order."""
        return [self.elements[place] for place in self.snapshot.index.targets]

    def said(self, phase: int) -> Iterator[Said]:
        """What was said in a phase of loading."""
        return (said for said in self.snapshot.index.said if said.phase == phase)

    def project(self, ref: Ref) -> RecordedProject:
        """The project at a place."""
        found = self._projects.get(ref[0])
        if found is None:
            found = self._projects[ref[0]] = RecordedProject(self.snapshot.index.projects[ref[0]], self)
        return found

    def has_traits(self, record: PluginRecord, plugin: type[Any]) -> bool:
        """Whether a plugin's class says the same about all that it makes as it did."""
        if record in self._checked:
            return True
        expected = self._traits[record]
        if expected is not None and traits(plugin) != expected:
            return False
        self._checked.add(record)
        return True


def recall(snapshot: Snapshot, host: PlanHost, listener: PlanHost, heard: list[Said]) -> Recalled | None:
    """The elements of a snapshot, or None if it is of no use any more.

    Args:
        snapshot: the snapshot.
        host: the process around plugins.
        listener: one that adds to `heard` what plugins say.
        heard: what plugins say.
    """
    index = snapshot.index
    if not unchanged(index.inputs, content_digest_of):
        return None
    try:
        if not all(_same_tree(tree, host) for tree in index.inputs.trees):
            return None
        recalled = Recalled(snapshot, host)
        said: dict[str | None, list[Said]] = {}
        for one in recalled.said(2):
            said.setdefault(one.element, []).append(one)
        for entry, element in zip(index.elements, recalled.elements):
            if entry.asked:
                heard.clear()
                if not element.is_as_before(listener) or heard != said.get(entry.full_name, []):
                    return None
    except Exception:  # noqa: BLE001 - whatever is wrong now, loading in full says it with its place
        return None
    # Whoever asked for what was not kept may have made something of not getting it.
    return None if snapshot.lacked else recalled


def _same_tree(tree: TreeInput, host: PlanHost) -> bool:
    try:
        digest = host.tree_digest(tree.path, mtimes=tree.mtimes)
    except CasError:
        return False
    return digest.hash == tree.hash and digest.size == tree.size
