"""Makes the sources of elements of their declarations: configuration composed, refs found, plugins made.

Must not know how the rest of an element is resolved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ..plugin.composition import assert_fully_composed, compose
from ..plugin.node import MappingNode, Node
from ..plugin.plugin import made
from ..plugin.source import Source, SourceSpec, check_provenance
from ..plugin.variables import Variables
from ..protocol.errors import LoadError, LoadErrorReason
from .kinds import SourceKind
from .refs import PROJECT_REFS

if TYPE_CHECKING:
    from ..plugin.element import Element
    from ..plugin.factory import PluginFactory
    from ..plugin.host import Host
    from .load_element import LoadElement
    from .project import Project
    from .resolved import ResolvedElement


class SourceMaker:
    """Makes the sources of all elements of a session.

    Args:
        host: the process around plugins.
        factories: gives the plugin factory of a project and a tag.
        note: takes what plugin is about to be called, in words.

    Attributes:
        redundant_refs: sources with the refs in their declarations that do not count, since they are kept elsewhere.
        unchecked: provenance attributes of junctions' sources, with the project that has to declare them.
    """

    def __init__(
        self, host: Host, factories: Callable[[Project, str], PluginFactory], note: Callable[[str], None]
    ) -> None:
        self.redundant_refs: list[tuple[Source, Any]] = []
        self.unchecked: list[tuple[MappingNode, Project]] = []
        self._host = host
        self._factories = factories
        self._note = note
        self._kinds: dict[tuple[int, str, bool], SourceKind] = {}

    def make_all(self, resolved: ResolvedElement, element: Element, variables: Variables) -> None:
        """Make the sources of an element, and give them to its plugin; that of its workspace if one is open.

        Raises:
            LoadError: what is wrong with a declaration.
            PluginError: a plugin cannot be had.
            SourceError: what plugins say.
        """
        load_element = resolved.load_element
        project = load_element.project
        sources = element._grilse.sources
        workspace = project.context.workspaces.get(load_element.full_name)
        if workspace is not None:
            directory = project.context.workspaces.directory(load_element.full_name)
            resolved.workspace = directory
            config = MappingNode.from_plain(
                {"kind": "workspace", "path": directory, "last_build": workspace.last_build or ""}
            )
            sources.append(self._make(resolved, 0, "workspace", config, config, variables, None, None))
            return
        declared = load_element.node.get_sequence("sources", None)
        if declared is None:
            return
        for index in range(len(declared)):
            sources.append(self._read(resolved, index, declared.mapping_at(index), variables))

    def _read(self, resolved: ResolvedElement, index: int, node: MappingNode, variables: Variables) -> Source:
        kind = node.get_scalar("kind")
        if kind.as_str() == "workspace":
            raise LoadError(
                "Sources of the kind 'workspace' stand for open workspaces and cannot be declared",
                reason=LoadErrorReason.INVALID_DATA,
                where=str(kind.get_provenance()),
            )
        values = dict(node.value)
        del values["kind"]
        directory = node.get_str("directory", None)
        if directory:
            del values["directory"]
        provenance = node.get_mapping("provenance", None)
        if provenance is not None:
            del values["provenance"]
            attributes = resolved.project.provenance_attributes
            if attributes is None:
                self.unchecked.append((provenance, resolved.project.project))
            else:
                check_provenance(provenance, attributes)
        config = MappingNode(values, node.line, node.column, node.file)
        return self._make(resolved, index, kind.as_str(), node, config, variables, directory, provenance)

    def _make(
        self,
        resolved: ResolvedElement,
        index: int,
        kind_name: str,
        node: MappingNode,
        config: MappingNode,
        variables: Variables,
        directory: str | None,
        provenance: MappingNode | None,
    ) -> Source:
        load_element = resolved.load_element
        project = load_element.project
        self._note(f"the plugin '{kind_name}' of {node.get_provenance()}")
        kind = self._kind(project, kind_name, load_element.first_pass, node)
        if kind.config is not None:
            config = compose(kind.config, config)
        assert_fully_composed(config)
        config = variables.expand(config)
        if not kind.own:
            config = config.clone()
        ref_node, clear = _find_ref(load_element, index)
        spec = SourceSpec(
            load_element.name,
            index,
            load_element.full_name,
            kind_name,
            node,
            config,
            directory=directory or None,
            provenance=provenance,
            ref_node=ref_node,
            clear_ref=clear,
        )
        plugin = cast("type[Source]", kind.plugin.type)
        source = made(plugin, spec, resolved.project, self._host)
        source._grilse.plugin = kind.plugin.record
        if clear or ref_node is not None:
            source._load_ref()
            if source._grilse.redundant_ref is not None:
                self.redundant_refs.append((source, source._grilse.redundant_ref))
        return source

    def _kind(self, project: Project, name: str, first_pass: bool, node: Node) -> SourceKind:
        plugin = self._factories(project, "source").load(name, node)
        key = (id(project), name, first_pass)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = SourceKind(project, plugin, first_pass)
        return kind


def _find_ref(load_element: LoadElement, index: int) -> tuple[MappingNode | None, bool]:
    """Where a source's ref is kept apart from its declaration, and whether the one in the declaration counts not."""
    project = load_element.project
    toplevel = project.context.toplevel
    junction = load_element.kind == "junction"
    if project is not toplevel and toplevel.ref_storage == PROJECT_REFS:
        refs = toplevel.junction_refs if junction else toplevel.refs
        found = refs.lookup(project.name, load_element.name, index) if refs is not None else None
        if found is not None:
            return found, False
    if project.ref_storage == PROJECT_REFS:
        refs = project.junction_refs if junction else project.refs
        return (refs.lookup(project.name, load_element.name, index) if refs is not None else None), True
    return None, False
