"""From loaded elements to resolved ones: configuration composed, variables replaced, plugins made, keys computed.

Must not know files, processes or commands.  Elements are resolved one after the other, dependencies first, so that a
chain of them may have any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from ..plugin import keytext
from ..plugin.composition import assert_fully_composed, compose
from ..plugin.element import DependencyConfiguration, Element
from ..plugin.exceptions import BstError, ElementError, PluginError
from ..plugin.node import MappingNode, Node, ScalarNode
from ..plugin.source import Source, SourceSpec, check_provenance
from ..plugin.variables import Variables
from ..protocol.errors import LoadError, LoadErrorReason
from .junction import refuse_protected
from .keys import KeyText, close_over, key_fragment, with_itself
from .kinds import ElementKind, SourceKind, public_data
from .refs import PROJECT_REFS
from .resolved import ResolvedElement
from .sandbox_config import read_sandbox_config
from .template import Expanded, Template
from .view import ProjectView

__all__ = ["ResolvedElement", "Resolver"]

if TYPE_CHECKING:
    from ..plugin.factory import LoadedPlugin, PluginFactory
    from ..plugin.host import Host
    from ..plugin.plugin import Plugin
    from .load_element import LoadElement
    from .project import Project

_EMPTY = Node.from_dict({})


class Resolver:
    """Resolves elements of all projects of a session.

    Args:
        host: the process around plugins.
        factories: gives the plugin factory of a project and a tag.
        strict: whether build plans are strict.
        note: takes what plugin is about to be called, in words, in case that it ends the process.

    Attributes:
        redundant_refs: sources with the refs in their declarations that do not count, since they are kept elsewhere.
    """

    def __init__(
        self,
        host: Host,
        factories: Callable[[Project, str], PluginFactory],
        *,
        strict: bool = True,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self._host = host
        self._factories = factories
        self._strict = strict
        self._note = note or _note_nothing
        self._views: dict[tuple[int, bool], ProjectView] = {}
        self._element_kinds: dict[tuple[int, str, bool], ElementKind] = {}
        self._source_kinds: dict[tuple[int, str, bool], SourceKind] = {}
        self._resolved: dict[int, ResolvedElement] = {}
        # Plugins of mirrors found so far, by project, while the others are looked for.
        self._mirrors_under_way: dict[int, list[tuple[LoadedPlugin, MappingNode]]] = {}
        self.redundant_refs: list[tuple[Source, Any]] = []
        # Provenance attributes of junctions' sources, with the project that has to declare them.
        self._unchecked: list[tuple[MappingNode, Project]] = []

    def resolve(self, targets: Iterable[LoadElement]) -> list[ResolvedElement]:
        """The elements of `targets`, resolved with everything below them.

        Raises:
            LoadError: what is wrong with a declaration.
            PluginError: a plugin cannot be had, or misbehaves.
            ElementError, SourceError: what plugins say.
        """
        result = []
        for target in targets:
            stack = [target]
            while stack:
                load_element = stack[-1]
                if id(load_element) in self._resolved:
                    stack.pop()
                    continue
                missing = [
                    dependency.element
                    for dependency in load_element.dependencies
                    if id(dependency.element) not in self._resolved
                ]
                if missing:
                    stack.extend(reversed(missing))
                else:
                    stack.pop()
                    self._resolved[id(load_element)] = self._resolve_blaming(load_element)
            result.append(self._resolved[id(target)])
        return result

    def check_projects(self, projects: Iterable[Project]) -> None:
        """Check what only shows when projects are fully loaded: source mirrors, provenance of junctions' sources.

        Raises:
            LoadError: UNDEFINED_SOURCE_PROVENANCE_ATTRIBUTE or INVALID_DATA.
            PluginError: the plugin of a source mirror cannot be had.
        """
        for project in projects:
            if project.config.mirrors:
                self.view(project).aliases.mirrors()
        while self._unchecked:
            node, project = self._unchecked.pop()
            check_provenance(node, project.full.source_provenance_attributes.keys())

    def all(self) -> list[ResolvedElement]:
        """Every resolved element, dependencies before dependants."""
        return list(self._resolved.values())

    def known(self, load_element: LoadElement) -> ResolvedElement:
        """The resolved element of one that was resolved before."""
        return self._resolved[id(load_element)]

    def view(self, project: Project, first_pass: bool = False) -> ProjectView:
        """A project as plugins see it."""
        key = (id(project), first_pass)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = ProjectView(project, first_pass, self.view, self._mirror_plugins, self._host)
        return view

    # Elements

    def _resolve_blaming(self, load_element: LoadElement) -> ResolvedElement:
        """Resolve an element; what its plugins raise by mistake becomes an error that names them."""
        note = self._note
        note(f"the plugin '{load_element.kind}' of {load_element.provenance}")
        try:
            return self._resolve(load_element)
        except BstError:
            raise
        # Whatever it is: a plugin that calls for the end of the process is no reason to end it.
        except BaseException as error:
            from ..plugin.blame import as_plugin_error

            orderly = as_plugin_error(error, load_element.provenance)
            if orderly is None:
                raise
            raise orderly from error
        finally:
            note("")

    def _resolve(self, load_element: LoadElement) -> ResolvedElement:
        first_pass = load_element.first_pass
        kind = self._element_kind(load_element)
        view = self.view(load_element.project, first_pass)
        resolved = ResolvedElement(load_element, view, kind.plugin)
        node = load_element.node
        variables = _variables(load_element, kind)
        resolved._variables = variables
        resolved._environment = _environment(node, kind, variables)
        resolved.nocache = [*kind.nocache, *node.get_str_list("environment-nocache", [])]
        resolved._public = _public(node, kind, variables)
        resolved.config = _config(node, kind, variables)
        resolved.sandbox = read_sandbox_config(_section(node, "sandbox", kind.sandbox, variables).node)
        self._link(resolved)
        element = resolved._element = resolved.plugin_class()(resolved, self._host)
        element._configure(resolved.config if kind.own else resolved.config.clone())
        self._make_sources(resolved, element, variables)
        self._configure_dependencies(resolved, element, variables)
        _preflight(resolved, element)
        self._compute_keys(resolved, element)
        return resolved

    def _link(self, resolved: ResolvedElement) -> None:
        build: list[ResolvedElement] = []
        runtime: list[ResolvedElement] = []
        strict: list[ResolvedElement] = []
        for dependency in resolved.load_element.dependencies:
            below = self._resolved[id(dependency.element)]
            if dependency.build:
                build.append(below)
            if dependency.runtime:
                runtime.append(below)
            if dependency.strict:
                strict.append(below)
        resolved.build_dependencies = build
        resolved.runtime_dependencies = runtime
        resolved.strict_dependencies = strict
        below_build = close_over(build)
        resolved.build_closure = below_build
        resolved.run_closure = with_itself(resolved, below_build if runtime == build else close_over(runtime))

    def _configure_dependencies(self, resolved: ResolvedElement, element: Element, variables: Variables) -> None:
        supported = type(element).configure_dependencies is not Element.configure_dependencies
        found: list[DependencyConfiguration] = []
        for dependency in resolved.load_element.dependencies:
            if not dependency.build:
                continue
            if not supported:
                if dependency.config:
                    raise LoadError(
                        f"The plugin '{resolved.kind}' does not support configuration of dependencies",
                        reason=LoadErrorReason.INVALID_DEPENDENCY_CONFIG,
                        where=str(dependency.config[0].get_provenance()),
                    )
                continue
            proxy = cast("Element", element._proxy(self._resolved[id(dependency.element)]))
            configs: list[MappingNode | None] = [variables.expand(config).clone() for config in dependency.config]
            configs = configs or [None]
            found.extend(DependencyConfiguration(proxy, dependency.path, config) for config in configs)
        if supported:
            element.configure_dependencies(found)

    # Sources

    def _make_sources(self, resolved: ResolvedElement, element: Element, variables: Variables) -> None:
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
            sources.append(self._make_source(resolved, 0, "workspace", config, config, variables, None, None))
            return
        declared = load_element.node.get_sequence("sources", None)
        if declared is None:
            return
        for index in range(len(declared)):
            sources.append(self._read_source(resolved, index, declared.mapping_at(index), variables))

    def _read_source(self, resolved: ResolvedElement, index: int, node: MappingNode, variables: Variables) -> Source:
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
                self._unchecked.append((provenance, resolved.project.project))
            else:
                check_provenance(provenance, attributes)
        config = MappingNode(values, node.line, node.column, node.file)
        return self._make_source(resolved, index, kind.as_str(), node, config, variables, directory, provenance)

    def _make_source(
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
        kind = self._source_kind(project, kind_name, load_element.first_pass, node)
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
        source = plugin(spec, resolved.project, self._host)
        source._grilse.plugin = kind.plugin.record
        if clear or ref_node is not None:
            source._load_ref()
            if source._grilse.redundant_ref is not None:
                self.redundant_refs.append((source, source._grilse.redundant_ref))
        return source

    # Keys

    def _compute_keys(self, resolved: ResolvedElement, element: Element) -> None:
        sources = element._grilse.sources
        if not all(source.is_resolved() for source in sources):
            return
        keys: list[dict[str, Any]] = []
        for source in sources:
            entry: dict[str, Any] = {"key": source.get_unique_key(), "name": source.get_kind()}
            if source._grilse.spec.directory:
                entry["directory"] = source._grilse.spec.directory
            keys.append(entry)
        resolved.source_keys = keys
        resolved.encoded_sources = b"[" + b",".join(map(_encoded, sources, keys)) + b"]"
        text = resolved.key_text = KeyText(_key_parts(resolved, element))
        closure = resolved.build_closure
        if element.BST_STRICT_REBUILD or not resolved.strict_dependencies:
            weak = text.weak(closure, element.BST_STRICT_REBUILD)
        else:
            weak = text.weak(closure, resolved.strict_dependencies)
        if weak is None:
            return
        strict = text.strict(closure, weak)
        names = resolved.fragments[0]
        assert names is not None
        resolved.weak_key = weak
        resolved.fragments[1] = key_fragment(names, weak)
        resolved.strict_key = strict
        resolved.fragments[2] = key_fragment(names, strict)
        if self._strict:
            resolved.cache_key = strict
        element._grilse.key = strict

    # Kinds

    def _element_kind(self, load_element: LoadElement) -> ElementKind:
        project, first_pass = load_element.project, load_element.first_pass
        # The plugin is looked up each time, since a deprecated one is warned of each time.
        plugin = self._factories(project, "element").load(load_element.kind, load_element.node)
        key = (id(project), load_element.kind, first_pass)
        kind = self._element_kinds.get(key)
        if kind is None:
            kind = self._element_kinds[key] = ElementKind(project, plugin, first_pass)
        return kind

    def _source_kind(self, project: Project, name: str, first_pass: bool, node: Node) -> SourceKind:
        plugin = self._factories(project, "source").load(name, node)
        key = (id(project), name, first_pass)
        kind = self._source_kinds.get(key)
        if kind is None:
            kind = self._source_kinds[key] = SourceKind(project, plugin, first_pass)
        return kind

    def _mirror_plugins(self, view: ProjectView) -> tuple[list[tuple[LoadedPlugin, MappingNode]], bool]:
        """See `ProjectView.mirror_plugins`."""
        project = view.project
        under_way = self._mirrors_under_way.get(id(project))
        if under_way is not None:
            return list(under_way), False
        found = self._mirrors_under_way[id(project)] = []
        try:
            factory = self._factories(project, "source-mirror")
            for node in project.pass_config(view.first_pass).mirrors:
                found.append((factory.load(node.get_str("kind", "default"), node), node))
        finally:
            del self._mirrors_under_way[id(project)]
        return found, True


def _note_nothing(text: str) -> None:
    """Where nobody wants to know."""


def _variables(load_element: LoadElement, kind: ElementKind) -> Variables:
    own = load_element.node.get_mapping("variables", None)
    name = ScalarNode(load_element.name)
    if own is None:
        return _checked(Variables(MappingNode({"element-name": name}), kind.variables), load_element)
    assert_fully_composed(own)
    refuse_protected(own)
    merged = MappingNode({**own.value, "element-name": name}, own.line, own.column, own.file)
    return _checked(Variables(merged, kind.variables), load_element)


def _checked(variables: Variables, load_element: LoadElement) -> Variables:
    if not load_element.first_pass:
        variables.check()
    return variables


def _section(node: MappingNode, key: str, template: Template, variables: Variables) -> Expanded:
    """One section of an element's declaration laid over what its kind has, variables replaced."""
    own = node.get_mapping(key, None)
    if own is None or not own.value:
        return template.expand(variables)
    composed = compose(template.expand(variables).node, variables.expand(own))
    assert_fully_composed(composed)
    return Expanded(composed)


def _environment(node: MappingNode, kind: ElementKind, variables: Variables) -> Expanded:
    return _section(node, "environment", kind.environment, variables)


def _config(node: MappingNode, kind: ElementKind, variables: Variables) -> MappingNode:
    return _section(node, "config", kind.config, variables).node


def _public(node: MappingNode, kind: ElementKind, variables: Variables) -> Expanded:
    own = node.get_mapping("public", None)
    if own is None or not own.value:
        return kind.public.expand(variables)
    composed = public_data(variables.expand(own), kind.split_rules.expand(variables).node)
    assert_fully_composed(composed)
    return Expanded(composed)


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


def _preflight(resolved: ResolvedElement, element: Element) -> None:
    """Make sure that an element has only what its plugin allows, and that its plugins can work."""
    sources = element._grilse.sources
    build, runtime = resolved.build_dependencies, resolved.runtime_dependencies
    if element.BST_FORBID_RDEPENDS and element.BST_FORBID_BDEPENDS and (build or runtime):
        raise _forbidden(element, "Dependencies", "depends")
    if element.BST_FORBID_RDEPENDS and runtime:
        raise _forbidden(element, "Runtime dependencies", "rdepends")
    if element.BST_FORBID_BDEPENDS and build:
        raise _forbidden(element, "Build dependencies", "bdepends")
    if element.BST_FORBID_SOURCES and sources:
        raise _forbidden(element, "Sources", "sources")
    try:
        element.preflight()
    except BstError as error:
        raise ElementError(f"{element}: {error}", detail=error.detail, reason=error.reason) from error
    if not sources:
        return
    first = sources[0]
    if first.BST_REQUIRES_PREVIOUS_SOURCES_TRACK or first.BST_REQUIRES_PREVIOUS_SOURCES_FETCH:
        raise ElementError(
            f"{element}: {first} cannot be the first source of an element, since it works on those before it"
        )
    for source in sources:
        source._preflight()


def _forbidden(element: Element, what: str, word: str) -> ElementError:
    return ElementError(
        f"{element}: {what} are forbidden for '{element.get_kind()}' elements", reason=f"element-forbidden-{word}"
    )


def _key_parts(resolved: ResolvedElement, element: Element) -> bytes:
    """What of an element counts in its keys, dependencies left out: a mapping with sorted keys."""
    text = keytext.encode_text
    parts = [
        b'{"element-base-key":' + text({"build-root": resolved.variable("build-root")}),
        b'"element-plugin-key":' + _encoded(element, element.get_unique_key()),
        b'"element-plugin-name":' + text(resolved.kind),
        b'"element-plugin-version":' + keytext.encode(element.BST_ARTIFACT_VERSION),
    ]
    if element.BST_RUN_COMMANDS:
        environment = {name: value for name, value in resolved.environment().items() if name not in resolved.nocache}
        parts.append(b'"environment":' + text(environment))
    parts.append(b'"fatal-warnings":' + text(sorted(resolved.project.fatal_warnings)))
    parts.append(b'"public":' + resolved.encoded_public())
    if element.BST_RUN_COMMANDS:
        parts.append(b'"sandbox":' + text(resolved.sandbox))
    parts.append(b'"sources":' + resolved.encoded_sources + b"}")
    return b",".join(parts)


def _encoded(plugin: Plugin, key: Any) -> bytes:
    """The text of what a plugin gave as its unique key.

    Raises:
        PluginError: it is no plain data.
    """
    try:
        return keytext.encode(key)
    except TypeError as error:
        raise PluginError(
            f"{plugin}: get_unique_key() of the plugin '{plugin.get_kind()}' should give plain data: {error}",
            reason="plugin-bug",
        ) from error
