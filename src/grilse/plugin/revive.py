"""Makes elements of records: the plugin and all that it sees of its dependencies.

Must not know jobs.  Only the element that is asked for is made at once; of its dependencies only facts are read, and
only as far as somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO, cast

from ..protocol.records import ElementBody, ElementRecord, PlanReader, PluginRecord, ProjectRecord, Ref, SourceRecord
from .aliases import Aliases
from .aliases import Mapping as AliasMapping
from .element import DependencyConfiguration, Element
from .importing import plugin_class
from .node import MappingNode
from .paths import ProjectPaths
from .source import Source, SourceSpec

if TYPE_CHECKING:
    from ..storage.digest import Digest
    from ..storage.directory import CasDirectory
    from ..storage.store import Store
    from .host import Host, RunHost
    from .sourcemirror import SourceMirror


class Projects(Protocol):
    """Where a project finds those above it."""

    @property
    def host(self) -> Host:
        """The process around plugins."""

    def project(self, ref: Ref) -> RecordedProject:
        """The project whose record is at `ref`."""


class RecordedProject:
    """A project as its record describes it; see `host.ProjectHost`."""

    def __init__(self, record: ProjectRecord, plan: Projects) -> None:
        self.name = record.name
        self.directory = record.directory
        self.junction = record.junction
        self.fatal_warnings: Sequence[str] = record.fatal_warnings
        self.provenance_attributes: Sequence[str] | None = record.provenance_attributes
        self.paths = ProjectPaths(record.directory)
        mapping = None
        if record.mapping is not None:
            mapping = AliasMapping(
                parent=plan.project(record.mapping.parent).aliases,
                names=record.mapping.names,
                identity=record.mapping.identity,
                only=record.mapping.only,
                label=record.mapping.label,
            )
        self.aliases: Aliases = Aliases(
            urls=record.aliases,
            mirrors=cache(lambda: _mirrors(record, self, plan.host)),
            default_mirror=record.default_mirror,
            fetch=record.fetch,
            track=record.track,
            user_mirrors=record.user_mirrors,
            mapping=mapping,
        )


class RevivableElement:
    """An element of which plain data is kept; see `host.ElementFacts`.  Derived classes know where from.

    Args:
        name, full_name: its names.
        plugin: where its plugin comes from.
        host: the process around plugins.
    """

    __slots__ = (
        "_body",
        "_build",
        "_element",
        "_host",
        "_node",
        "_runtime",
        "cache_key",
        "full_name",
        "kind",
        "name",
        "plugin",
        "strict_key",
        "weak_key",
        "workspace",
    )

    def __init__(self, name: str, full_name: str, plugin: PluginRecord, host: Host) -> None:
        self.name = name
        self.full_name = full_name
        self.kind = plugin.kind
        self.plugin = plugin
        self.workspace: str | None = None
        self.weak_key: str | None = None
        self.strict_key: str | None = None
        self.cache_key: str | None = None
        self._host = host
        self._body: ElementBody | None = None
        self._build: Sequence[RevivableElement] | None = None
        self._runtime: Sequence[RevivableElement] | None = None
        self._element: Element | None = None
        self._node: MappingNode | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.full_name}>"

    # What derived classes know

    def _read_body(self) -> ElementBody:
        raise NotImplementedError

    @property
    def project(self) -> RecordedProject:
        """Its project."""
        raise NotImplementedError

    def _source_records(self) -> Sequence[SourceRecord]:
        """The records of its sources."""
        return self.body.sources

    def _edges(self) -> Iterable[Edge]:
        """Its direct dependencies in staging order."""
        raise NotImplementedError

    # What follows from it

    @property
    def body(self) -> ElementBody:
        """The heavy half of what is kept."""
        if self._body is None:
            self._body = self._read_body()
        return self._body

    @property
    def node(self) -> MappingNode:
        """A node that says where the element is declared."""
        if self._node is None:
            self._node = MappingNode.from_plain({}, self.body.provenance or self.full_name)
        return self._node

    @property
    def description(self) -> str:
        """Text of its ``description``."""
        return self.body.description

    @property
    def build_dependencies(self) -> Sequence[RevivableElement]:
        """Direct build dependencies in staging order."""
        if self._build is None:
            self._build = [edge.element for edge in self._edges() if edge.build]
        return self._build

    @property
    def runtime_dependencies(self) -> Sequence[RevivableElement]:
        """Direct runtime dependencies in staging order."""
        if self._runtime is None:
            self._runtime = [edge.element for edge in self._edges() if edge.runtime]
        return self._runtime

    @property
    def sandbox(self) -> Mapping[str, Any]:
        """Sandbox configuration."""
        return self.body.sandbox

    def plugin_class(self) -> type[Element]:
        """The class of its plugin."""
        return cast("type[Element]", plugin_class(self.plugin))

    def variable(self, name: str) -> str | None:
        """The value of a variable, or None."""
        return self.body.variables.get(name)

    def variables(self) -> dict[str, str]:
        """Every variable."""
        return dict(self.body.variables)

    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        return dict(self.body.environment)

    def public(self) -> MappingNode:
        """Public data as declared."""
        return MappingNode.from_plain(self.body.public, self.node.file.displayname)

    def element(self) -> Element:
        """The plugin, made when it is first asked for."""
        if self._element is None:
            self._element = self._make()
        return self._element

    def _make(self, listener: Host | None = None) -> Element:
        """The plugin with its sources; what they say while they are made goes to `listener`, or nowhere."""
        host = self._host
        quiet = listener or _Quiet(host)
        place = self.node.file.displayname
        element = self.plugin_class()(self, quiet)
        element._configure(MappingNode.from_plain(self.body.config, place))
        sources = element._grilse.sources
        for index in range(len(self._source_records())):
            sources.append(self._make_source(index, quiet))
        if type(element).configure_dependencies is not Element.configure_dependencies:
            element.configure_dependencies(list(self._configurations(element)))
        element.preflight()
        for source in sources:
            source.preflight()
            source._grilse.host = host
        element._grilse.host = host

        return element

    def _single_source(self, index: int, listener: Host | None = None) -> Source:
        """One source by itself; what it says while it is made goes to `listener`, or nowhere."""
        source = self._make_source(index, listener or _Quiet(self._host))
        source._preflight()
        source._grilse.host = self._host
        return source

    def _make_source(self, index: int, host: Host) -> Source:
        record = self._source_records()[index]
        spec = SourceSpec(
            self.name,
            index,
            self.full_name,
            record.plugin.kind,
            MappingNode.from_plain({}, record.where or self.full_name),
            MappingNode.from_plain(record.config, record.where),
            directory=record.directory,
            provenance=None if record.provenance is None else MappingNode.from_plain(record.provenance, record.where),
            ref_node=None if record.ref is None else MappingNode.from_plain(record.ref, record.where),
            clear_ref=record.clear_ref,
        )
        source = cast("type[Source]", plugin_class(record.plugin))(spec, self.project, host)
        source._grilse.plugin = record.plugin
        source._load_ref()
        return source

    def _configurations(self, element: Element) -> Iterator[DependencyConfiguration]:
        for edge in self._edges():
            if not edge.build:
                continue
            proxy = cast("Element", element._proxy(edge.element))
            for config in edge.config or (None,):
                node = None if config is None else MappingNode.from_plain(config, self.body.provenance)
                yield DependencyConfiguration(proxy, edge.path, node)


class Edge(NamedTuple):
    """A direct dependency: the element, what it is needed for, the name in the declaration and its configuration."""

    element: Any
    build: bool
    runtime: bool
    path: str = ""
    config: Sequence[dict[str, Any]] | None = None


class RecordedElement(RevivableElement):
    """What a record of a plan says of an element."""

    __slots__ = ("_plan", "_project", "record")

    def __init__(self, record: ElementRecord, plan: Plan) -> None:
        super().__init__(record.name, record.full_name, record.plugin, plan.host)
        self.record = record
        self.workspace = record.workspace
        self.weak_key = record.weak_key
        self.strict_key = record.strict_key
        self.cache_key = record.cache_key
        self._plan = plan
        self._project: RecordedProject | None = None

    def _read_body(self) -> ElementBody:
        return self._plan.reader.body(self.record)

    @property
    def project(self) -> RecordedProject:
        """Its project."""
        if self._project is None:
            self._project = self._plan.project(self.record.project_ref)
        return self._project

    def _edges(self) -> Iterable[Edge]:
        facts = self._plan.facts
        return (
            Edge(facts(item.ref), item.build, item.runtime, item.path, item.config) for item in self.record.dependencies
        )


class Plan:
    """The elements of one plan file, for one host.

    Args:
        reader: reads the file.
        host: the process around plugins.
    """

    def __init__(self, reader: PlanReader, host: Host) -> None:
        self.reader = reader
        self.host = host
        self._facts: dict[int, RecordedElement] = {}
        self._projects: dict[int, RecordedProject] = {}

    def facts(self, ref: Ref) -> RecordedElement:
        """What is known of the element whose record stands at `ref`; always the same object."""
        found = self._facts.get(ref[0])
        if found is None:
            found = self._facts[ref[0]] = RecordedElement(self.reader.element(ref), self)
        return found

    def project(self, ref: Ref) -> RecordedProject:
        """The project whose record stands at `ref`."""
        found = self._projects.get(ref[0])
        if found is None:
            found = self._projects[ref[0]] = RecordedProject(self.reader.project(ref), self)
        return found


def revive_element(reader: PlanReader, ref: Ref, host: Host, *, full_key: str | None = None) -> Element:
    """The element whose record stands at `ref` of a plan, ready to run.

    Args:
        reader: reads the plan file.
        ref: where the record stands.
        host: the process around plugins.
        full_key: the element's full key, if it was not known yet when the plan was written.

    Raises:
        GrilseError: what the plugin says; whatever else it raises comes as it is.
    """
    facts = Plan(reader, host).facts(ref)
    if full_key is not None:
        facts.cache_key = full_key
    return facts.element()


def _mirrors(record: ProjectRecord, project: RecordedProject, host: Host) -> dict[str, SourceMirror]:
    found: dict[str, SourceMirror] = {}
    for item in record.mirrors:
        kind = cast("type[SourceMirror]", plugin_class(item.plugin))
        mirror = kind(MappingNode.from_plain(item.declaration, f"{record.name} (mirrors)"), project, host)
        found[mirror.name] = mirror
    return found


class _Quiet:
    """A host that says nothing: what plugins say while they are made, the backend has said already."""

    debug = False

    def __init__(self, host: Host) -> None:
        self._host = host
        self.source_directory = host.source_directory

    @property
    def log(self) -> TextIO | None:
        return self._host.log

    @property
    def store(self) -> Store:
        return self._host.store

    @property
    def run(self) -> RunHost:
        return self._host.run

    def message(
        self, kind: str, text: str, *, detail: str | None = None, element: str | None = None, key: str | None = None
    ) -> None:
        """Say nothing."""

    def timed(
        self,
        text: str,
        *,
        detail: str | None = None,
        silent_nested: bool = False,
        element: str | None = None,
        key: str | None = None,
    ) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def silenced(self) -> Iterator[None]:
        yield

    def tree_digest(self, path: str, *, mtimes: bool = False) -> Digest:
        return self._host.tree_digest(path, mtimes=mtimes)

    def stage_tree(self, path: str, *, mtimes: bool = False) -> CasDirectory:
        return self._host.stage_tree(path, mtimes=mtimes)
