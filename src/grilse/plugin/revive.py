"""Makes elements of the records in a plan file: the plugin and all that it sees of its dependencies.

Must not know jobs.  Only the element that is asked for is made at once; of its dependencies only facts are read, and
only as far as somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO, cast

from ..protocol.records import ElementBody, ElementRecord, PlanReader, ProjectRecord, Ref
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


class RecordedProject:
    """A project as its record describes it; see `host.ProjectHost`."""

    def __init__(self, record: ProjectRecord, plan: Plan) -> None:
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
            mirrors=lambda: _mirrors(record, self, plan.host),
            default_mirror=record.default_mirror,
            fetch=record.fetch,
            track=record.track,
            user_mirrors=record.user_mirrors,
            mapping=mapping,
        )


class RecordedElement:
    """What a record says of an element; see `host.ElementFacts`."""

    __slots__ = (
        "_body",
        "_build",
        "_element",
        "_node",
        "_plan",
        "_project",
        "_runtime",
        "cache_key",
        "full_name",
        "kind",
        "name",
        "record",
        "strict_key",
        "weak_key",
        "workspace",
    )

    def __init__(self, record: ElementRecord, plan: Plan) -> None:
        self.record = record
        self.name = record.name
        self.full_name = record.full_name
        self.kind = record.plugin.kind
        self.workspace = record.workspace
        self.weak_key = record.weak_key
        self.strict_key = record.strict_key
        self.cache_key = record.cache_key
        self._plan = plan
        self._body: ElementBody | None = None
        self._build: list[RecordedElement] | None = None
        self._runtime: list[RecordedElement] | None = None
        self._element: Element | None = None
        self._project: RecordedProject | None = None
        self._node: MappingNode | None = None

    def __repr__(self) -> str:
        return f"<RecordedElement {self.full_name}>"

    @property
    def body(self) -> ElementBody:
        """The heavy half of the record."""
        if self._body is None:
            self._body = self._plan.reader.body(self.record)
        return self._body

    @property
    def project(self) -> RecordedProject:
        """Its project."""
        if self._project is None:
            self._project = self._plan.project(self.record.project_ref)
        return self._project

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
    def build_dependencies(self) -> Sequence[RecordedElement]:
        """Direct build dependencies in staging order."""
        if self._build is None:
            self._build = [self._plan.facts(item.ref) for item in self.record.dependencies if item.build]
        return self._build

    @property
    def runtime_dependencies(self) -> Sequence[RecordedElement]:
        """Direct runtime dependencies in staging order."""
        if self._runtime is None:
            self._runtime = [self._plan.facts(item.ref) for item in self.record.dependencies if item.runtime]
        return self._runtime

    @property
    def sandbox(self) -> Mapping[str, Any]:
        """Sandbox configuration."""
        return self.body.sandbox

    def plugin_class(self) -> type[Element]:
        """The class of its plugin."""
        return cast("type[Element]", plugin_class(self.record.plugin))

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

    def _make(self) -> Element:
        host = self._plan.host
        quiet = _Quiet(host)
        place = self.node.file.displayname
        element = self.plugin_class()(self, quiet)
        element._configure(MappingNode.from_plain(self.body.config, place))
        sources = element._grilse.sources
        for index in range(len(self.body.sources)):
            sources.append(self._make_source(index, quiet))
        if type(element).configure_dependencies is not Element.configure_dependencies:
            element.configure_dependencies(list(self._configurations(element)))
        element.preflight()
        for source in sources:
            source.preflight()
            source._grilse.host = host
        element._grilse.host = host

        return element

    def _make_source(self, index: int, host: Host) -> Source:
        record = self.body.sources[index]
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
        for item in self.record.dependencies:
            if not item.build:
                continue
            proxy = cast("Element", element._proxy(self._plan.facts(item.ref)))
            for config in item.config or (None,):
                node = None if config is None else MappingNode.from_plain(config, self.body.provenance)
                yield DependencyConfiguration(proxy, item.path, node)


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
