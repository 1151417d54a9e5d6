"""Turns resolved elements and their projects into the records that jobs work from.

Must not know jobs.  `plugin.revive` turns records into elements again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..plugin import keytext
from ..plugin.node import MappingNode
from ..protocol.records import (
    AliasMappingRecord,
    DependencyRecord,
    ElementBody,
    ElementRecord,
    MirrorRecord,
    PlanWriter,
    ProjectRecord,
    Ref,
    SourceRecord,
)

if TYPE_CHECKING:
    from ..plugin.source import Source
    from .resolved import ResolvedElement
    from .view import ProjectView


def element_record(element: ResolvedElement, writer: PlanWriter, refs: dict[int, Ref]) -> ElementRecord:
    """The record of an element; that of its project is written if it has not been.

    Args:
        element: the element.
        writer: writes the plan.
        refs: where records stand, by `id` of element and project view; those of the dependencies must be there.
    """
    body = ElementBody(
        config=element.plain_config(),
        variables=element.variables(),
        environment=element.environment(),
        nocache=element.nocache,
        public=element.plain_public(),
        sandbox=element.sandbox,
        sources=source_records(element),
        sources_key=element.sources_key(),
        provenance=str(element.node.get_provenance()),
        description=element.description,
    )
    return ElementRecord(
        name=element.name,
        full_name=element.full_name,
        project=element.project.name,
        project_ref=project_ref(element.project, writer, refs),
        plugin=element.plugin.record,
        project_directory=element.project.directory,
        weak_key=element.weak_key,
        strict_key=element.strict_key,
        cache_key=element.cache_key,
        workspace=element.workspace,
        dependencies=_dependencies(element, refs),
        body=writer.encode_body(body),
    )


def source_records(element: ResolvedElement, *, keys: bool = True) -> list[SourceRecord]:
    """The records of an element's sources; their unique keys and the names that follow from these only if `keys`."""
    return [_source(element, index, source, keys) for index, source in enumerate(element.sources)]


def source_key(element: ResolvedElement, index: int, source: Source) -> tuple[bool, Any]:
    """Whether a source of an element has a ref, and its unique key then: that may be None, and the same always."""
    if element.source_keys is not None:
        return True, element.source_keys[index]["key"]
    # Another source of the element may have none.
    return (True, source.get_unique_key()) if source.is_resolved() else (False, None)


class ProjectWriter(Protocol):
    """Where records of projects go."""

    def add(self, record: ProjectRecord) -> Ref:
        """Keep a record; gives where it is."""


def project_ref(view: ProjectView, writer: ProjectWriter, refs: dict[int, Ref]) -> Ref:
    """Where the record of a project stands; it is written if it has not been."""
    ref = refs.get(id(view))
    if ref is None:
        aliases = view.aliases
        mapping = None
        junction = view.project.junction
        if aliases.mapping is not None and junction is not None:
            mapping = AliasMappingRecord(
                parent=project_ref(view.parent(), writer, refs),
                names=aliases.mapping.names,
                identity=aliases.mapping.identity,
                only=aliases.mapping.only,
                label=aliases.mapping.label,
            )
        attributes = view.provenance_attributes
        mirrors, complete = view.mirror_plugins()
        record = ProjectRecord(
            name=view.name,
            directory=view.directory,
            junction=view.junction,
            fatal_warnings=list(view.fatal_warnings),
            provenance_attributes=None if attributes is None else list(attributes),
            aliases=aliases.urls,
            mirrors=[MirrorRecord(plugin, node.strip_node_info()) for plugin, node in mirrors],
            default_mirror=aliases.default_mirror,
            fetch=aliases.fetch,
            track=aliases.track,
            user_mirrors=aliases.user_mirrors,
            mapping=mapping,
        )
        ref = writer.add(record)
        if complete:
            refs[id(view)] = ref
    return ref


def _dependencies(element: ResolvedElement, refs: dict[int, Ref]) -> list[DependencyRecord]:
    return [
        DependencyRecord(
            ref=refs[id(below)],
            build=dependency.build,
            runtime=dependency.runtime,
            strict=dependency.strict,
            config=[element.expanded(config).strip_node_info() for config in dependency.config] or None,
            path=dependency.path,
        )
        for dependency, below in element.dependencies()
    ]


def _source(element: ResolvedElement, index: int, source: Source, keys: bool) -> SourceRecord:
    spec = source._grilse.spec
    resolved, key = source_key(element, index, source) if keys else (False, None)
    name = f"{spec.kind}/{keytext.digest(key)}" if resolved else None
    return SourceRecord(
        plugin=source._grilse.plugin,
        config=_plain(spec.config),
        directory=spec.directory,
        ref=None if spec.ref_node is None else _plain(spec.ref_node),
        clear_ref=spec.clear_ref,
        key=key,
        name=name,
        where=str(spec.node.get_provenance()),
        provenance=None if spec.provenance is None else _plain(spec.provenance),
    )


def _plain(node: MappingNode) -> dict[str, Any]:
    return node.strip_node_info()
