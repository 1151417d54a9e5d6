"""From loaded elements to resolved ones: configuration composed, variables replaced, plugins made, keys computed.

Must not know files, processes or commands.  Elements are resolved one after the other, dependencies first, so that a
chain of them may have any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from ..plugin.element import DependencyConfiguration, Element
from ..plugin.exceptions import BstError
from ..plugin.node import MappingNode
from ..plugin.plugin import made
from ..plugin.source import Source, check_provenance
from ..plugin.variables import Variables
from ..protocol.errors import LoadError, LoadErrorReason
from .keys import close_over, with_itself
from .kinds import ElementKind
from .own_key import compute_keys
from .preflight import preflight
from .resolved import ResolvedElement
from .sections import own_config, own_environment, own_public, own_sandbox, own_variables
from .sources import SourceMaker
from .view import ProjectView

if TYPE_CHECKING:
    from ..plugin.factory import LoadedPlugin, PluginFactory
    from ..plugin.host import Host
    from .load_element import LoadElement
    from .project import Project


class Resolver:
    """Resolves elements of all projects of a session.

    Args:
        host: the process around plugins.
        factories: gives the plugin factory of a project and a tag.
        strict: whether build plans are strict.
        note: takes what plugin is about to be called, in words, in case that it ends the process.
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
        self._resolved: dict[int, ResolvedElement] = {}
        # Junctions, made before what is behind them was loaded, and not resolved since.
        self._made: dict[int, ResolvedElement] = {}
        # Plugins of mirrors found so far, by project, while the others are looked for.
        self._mirrors_under_way: dict[int, list[tuple[LoadedPlugin, MappingNode]]] = {}
        self._sources = SourceMaker(host, factories, self._note)

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
                    self._resolved[id(load_element)] = self._blaming(load_element, self._resolve)
            result.append(self._resolved[id(target)])
        return result

    def make(self, load_element: LoadElement) -> None:
        """Make the plugins of an element whose dependencies are resolved, without its keys; raises as `resolve` does.

        Nothing happens if it is made already.
        """
        if id(load_element) not in self._resolved and id(load_element) not in self._made:
            self._made[id(load_element)] = self._blaming(load_element, self._make)

    def check_projects(self, projects: Iterable[Project]) -> None:
        """Check what only shows when projects are fully loaded: source mirrors, provenance of junctions' sources.

        Raises:
            LoadError: UNDEFINED_SOURCE_PROVENANCE_ATTRIBUTE or INVALID_DATA.
            PluginError: the plugin of a source mirror cannot be had.
        """
        for project in projects:
            if project.config.mirrors:
                self.view(project).aliases.mirrors()
        while self._sources.unchecked:
            node, project = self._sources.unchecked.pop()
            check_provenance(node, project.full.source_provenance_attributes.keys())

    @property
    def redundant_refs(self) -> list[tuple[Source, Any]]:
        """Sources with the refs in their declarations that do not count, since they are kept elsewhere."""
        return self._sources.redundant_refs

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

    def _blaming(self, load_element: LoadElement, work: Callable[[LoadElement], ResolvedElement]) -> ResolvedElement:
        """What `work` makes of an element; what its plugins raise by mistake becomes an error that names them."""
        note = self._note
        note(f"the plugin '{load_element.kind}' of {load_element.provenance}")
        try:
            return work(load_element)
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
        resolved = self._made.pop(id(load_element), None)
        if resolved is None:
            resolved = self._make(load_element)
        elif resolved.number != load_element.number:
            resolved.take_number()  # it has been sorted since
            self._link(resolved)
        element = resolved._element
        assert element is not None
        compute_keys(resolved, element, strict=self._strict)
        return resolved

    def _make(self, load_element: LoadElement) -> ResolvedElement:
        first_pass = load_element.first_pass
        kind = self._element_kind(load_element)
        view = self.view(load_element.project, first_pass)
        assert kind.plugin is not None
        resolved = ResolvedElement(load_element, view, kind.plugin)
        node = load_element.node
        variables = own_variables(load_element, kind)
        resolved._variables = variables
        resolved._environment = own_environment(node, kind, variables)
        resolved.nocache = [*kind.nocache, *node.get_str_list("environment-nocache", [])]
        resolved._public = own_public(node, kind, variables)
        resolved.config = own_config(node, kind, variables)
        resolved.sandbox = own_sandbox(node, kind, variables)
        self._link(resolved)
        element = resolved._element = made(resolved.plugin_class(), resolved, self._host)
        element._configure(resolved.config if kind.own else resolved.config.clone())
        self._sources.make_all(resolved, element, variables)
        self._configure_dependencies(resolved, element, variables)
        preflight(resolved, element)
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

    # Kinds

    def _element_kind(self, load_element: LoadElement) -> ElementKind:
        project, first_pass = load_element.project, load_element.first_pass
        # The plugin is looked up each time, since a deprecated one is warned of each time.
        plugin = self._factories(project, "element").load(load_element.kind, load_element.node)
        key = (id(project), load_element.kind, first_pass)
        kind = self._element_kinds.get(key)
        if kind is None:
            kind = self._element_kinds[key] = ElementKind(project, load_element.kind, plugin, first_pass)
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
