"""A project: ``project.conf`` and everything that it configures.

Knows nothing of plugins: what configures these is kept as nodes.  Configuration is worked out twice.  The first pass
sees only the project's own files, and is what junctions and links are read with; the second also sees what is
included from subprojects, and is what everything else uses.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..plugin.composition import assert_fully_composed, compose
from ..plugin.node import MappingNode, Node, ScalarNode, SequenceNode
from ..plugin.paths import ProjectPaths
from ..plugin.variables import Variables
from ..protocol.errors import LoadError, LoadErrorReason
from ..remote.config import RemoteConfig
from . import refs
from .conditionals import resolve_tree
from .context import LoadContext
from .junction import Junction
from .loader import Loader
from .names import check_symbol
from .options import OptionPool
from .refs import ProjectRefs, load_refs
from .remotes import remote_from_node
from .user_config import expand_environment

PROJECT_FILE: Final = "project.conf"

# The version of BuildStream whose format this is.
FORMAT_VERSION: Final = (2, 8)

_DEFAULTS: Final = os.path.join(os.path.dirname(__file__), "data", "project-defaults.yaml")
_DEFAULTS_NAME: Final = "project-defaults.yaml"
_KEYS: Final = [
    "min-version",
    "element-path",
    "variables",
    "environment",
    "environment-nocache",
    "split-rules",
    "elements",
    "plugins",
    "aliases",
    "name",
    "defaults",
    "artifacts",
    "options",
    "fail-on-overlap",
    "shell",
    "fatal-warnings",
    "ref-storage",
    "sandbox",
    "mirrors",
    "sources",
    "source-caches",
    "junctions",
    "source-provenance-attributes",
    "(@)",
    "(?)",
]
_UNCONDITIONAL: Final = (
    "min-version",
    "name",
    "element-path",
    "junctions",
    "defaults",
    "fatal-warnings",
    "ref-storage",
    "options",
    "plugins",
)
_NOT_INCLUDED: Final = ("name", "element-path", "min-version", "plugins")


class PassConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between the passes over a project's configuration.

    Attributes:
        options: the project's options with their values.
        variables: base variables, those that the program sets included.
        element_overrides, source_overrides: what the project says about kinds, by kind.
        aliases: URL aliases, variables expanded.
        mirrors: declarations of source mirrors, variables expanded.
        default_mirror: name of the mirror to try first, or None.
    """

    options: OptionPool
    variables: MappingNode
    element_overrides: MappingNode
    source_overrides: MappingNode
    aliases: MappingNode
    mirrors: tuple[MappingNode, ...]
    default_mirror: str | None


class HostMount(msgspec.Struct, frozen=True):
    """A file or directory of the host that shells see.

    Attributes:
        path: where in the sandbox.
        host_path: where on the host.
        optional: whether it may be missing without a warning.
    """

    path: str
    host_path: str
    optional: bool = False


class FullConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a project configures beyond its passes; only known when it is fully loaded.

    Attributes:
        environment: base environment of commands.
        environment_nocache: names of variables that are not part of cache keys.
        sandbox: base sandbox configuration.
        split_rules: base split rules.
        artifact_caches, source_caches: remotes that the project recommends.
        shell_command: command line of interactive shells.
        shell_environment: environment variables of shells, host variables expanded.
        shell_host_files: what shells see of the host.
        source_provenance_attributes: names of attributes that sources may have, and what they mean.
    """

    environment: MappingNode
    environment_nocache: list[str]
    sandbox: MappingNode
    split_rules: MappingNode
    artifact_caches: tuple[RemoteConfig, ...]
    source_caches: tuple[RemoteConfig, ...]
    shell_command: list[str]
    shell_environment: dict[str, str]
    shell_host_files: tuple[HostMount, ...]
    source_provenance_attributes: MappingNode


class Project:
    """A loaded project.

    Args:
        directory: the directory that holds its ``project.conf``.
        context: what all projects of the session share.
        junction: the junction that leads to it, or None for the toplevel project.
        parent: loader of the project that the junction belongs to.
        provenance: what referred to the junction first.

    Attributes:
        name: its name.
        directory: its directory, as given; `real_directory` with links resolved.
        element_path: directory of its elements.
        loader: loads its elements.
        paths: checks paths below its directory.
        first_pass: configuration for junctions and links.
        plugin_origins: declarations of where plugins come from.
        default_targets: names of elements to work on when none are named.
        fatal_warnings: names of warnings that are errors.
        ref_storage: "inline" or "project.refs".
        refs, junction_refs: refs kept apart, or None if they are inline.
        disallow_subproject_uris: subprojects may use no URLs but those that this project maps.
        mirrors_overridden: the user's configuration replaces the project's mirrors.

    Raises:
        LoadError: MISSING_PROJECT_CONF, UNSUPPORTED_PROJECT, INVALID_DATA, ...
    """

    def __init__(
        self,
        directory: str,
        context: LoadContext,
        *,
        junction: Junction | None = None,
        parent: Loader | None = None,
        provenance: Node | None = None,
    ) -> None:
        self.directory = directory
        self.paths = ProjectPaths(directory, context.files.inputs.place)
        self.real_directory = self.paths.directory
        self.context = context
        self.junction = junction
        self.mirrors_overridden = False
        self.refs: ProjectRefs | None = None
        self.junction_refs: ProjectRefs | None = None
        self._second_pass: PassConfig | None = None
        self._full: FullConfig | None = None
        self._loading_fully = False
        context.projects.append(self)

        self._defaults = context.files.load_builtin(_DEFAULTS, _DEFAULTS_NAME)
        self._conf = self._load_conf()
        config = compose(self._defaults, self._conf)
        _check_min_version(config)
        config.validate_keys(_KEYS)
        self.name = self._conf.get_str("name")
        check_symbol(self.name, "project name", config.get_node("name"))
        element_path = self.paths.check(config.get_scalar("element-path"), check_is_dir=True)
        self.element_path = os.path.join(directory, element_path)
        defaults = config.get_mapping("defaults")
        defaults.validate_keys(["targets"])
        self.default_targets = defaults.get_str_list("targets")
        self.fatal_warnings = config.get_str_list("fatal-warnings", [])
        self._load_junctions(config)

        self.loader = Loader(self, parent, provenance)
        context.add_loader(self.loader)
        local = self.loader.includes.process(self._conf, only_local=True, with_options=False)
        config = compose(self._defaults, local)
        self.plugin_origins = config.get_sequence("plugins", []).value
        if context.host is not None:
            context.host.project_loaded(self)
        self.first_pass, _ = self._run_pass(config, ignore_unknown=True)

        storage = config.get_scalar("ref-storage")
        self.ref_storage = storage.as_str()
        if self.ref_storage not in (refs.INLINE, refs.PROJECT_REFS):
            raise _invalid(f"'ref-storage' should be inline or project.refs, not '{self.ref_storage}'", storage)
        if self.ref_storage == refs.PROJECT_REFS:
            self.junction_refs = load_refs(directory, refs.JUNCTION_REFS, self.first_pass.options, context.files)

    def __repr__(self) -> str:
        return f"<Project {self.name} at {self.directory}>"

    @property
    def config(self) -> PassConfig:
        """Second-pass configuration; makes sure that the project is fully loaded."""
        self.ensure_fully_loaded()
        if self._second_pass is None:
            raise self._unfinished()
        return self._second_pass

    @property
    def options(self) -> OptionPool:
        """The options with their values in the second pass."""
        return self.config.options

    @property
    def options_so_far(self) -> OptionPool:
        """The options of the second pass if it has run, else of the first: asking runs nothing."""
        return (self._second_pass or self.first_pass).options

    @property
    def base_variables(self) -> MappingNode:
        """The base variables of the second pass."""
        return self.config.variables

    @property
    def full(self) -> FullConfig:
        """The rest of the configuration; makes sure that the project is fully loaded."""
        self.ensure_fully_loaded()
        if self._full is None:
            raise self._unfinished()
        return self._full

    def pass_config(self, first_pass: bool) -> PassConfig:
        """The configuration for elements of the given pass."""
        return self.first_pass if first_pass else self.config

    def ensure_fully_loaded(self) -> None:
        """Run the second pass, that of the projects above first.

        Does nothing while the pass runs: it may include files of subprojects, which come here before theirs.

        Raises:
            LoadError: what is wrong with the configuration.
        """
        if self._second_pass is not None or self._loading_fully:
            return
        if self.junction is not None:
            self.junction.project.ensure_fully_loaded()
            if self._second_pass is not None or self._loading_fully:
                return  # loading the parent has led here already
        self._loading_fully = True
        self._run_second_pass()

    def _unfinished(self) -> LoadError:
        return LoadError(
            f"The configuration of project '{self.name}' includes files that need that configuration",
            reason=LoadErrorReason.RECURSIVE_INCLUDE,
            where=str(self._conf.get_provenance()),
        )

    def marks_duplicate(self, loader: Loader) -> bool:
        """Whether this project says that an instance of another may be there beside others."""
        node = self._duplicates.value.get(loader.project.name)
        return node is not None and self._names(node, loader)

    def marks_internal(self, loader: Loader) -> bool:
        """Whether this project says that an instance of another is its own business."""
        return self._names(self._internal, loader)

    def _names(self, sequence: Any, loader: Loader) -> bool:
        if type(sequence) is not SequenceNode:
            raise _invalid("Junctions should be listed", sequence)
        for node in sequence.value:
            if type(node) is not ScalarNode:
                raise _invalid("A junction should be named", node)
            if self.loader.known_subproject(node.as_str(), node) is loader:
                return True
        return False

    def _load_conf(self) -> MappingNode:
        path = os.path.join(self.directory, PROJECT_FILE)
        junction = self.junction
        try:
            return self.context.files.load(
                path,
                PROJECT_FILE,
                owner=self.directory,
                displayname=f"{junction.name}:{PROJECT_FILE}" if junction is not None else PROJECT_FILE,
                project=self,
            )
        except LoadError as error:
            if error.reason == LoadErrorReason.MISSING_FILE.name:
                raise LoadError(error.message, reason=LoadErrorReason.MISSING_PROJECT_CONF) from None
            raise

    def _load_junctions(self, config: MappingNode) -> None:
        node = config.get_mapping("junctions", {})
        node.validate_keys(["duplicates", "internal", "disallow-subproject-uris"])
        if self.junction is not None and self.junction.project.disallow_subproject_uris:
            # What a project forbids its subprojects, it forbids theirs too; and they cannot do without aliases.
            disallow = True
            if "unaliased-url" not in self.fatal_warnings:
                self.fatal_warnings.append("unaliased-url")
        else:
            disallow = node.get_bool("disallow-subproject-uris", False)
        self.disallow_subproject_uris: bool = disallow
        self._duplicates = node.get_mapping("duplicates", {})
        self._internal = node.get_sequence("internal", [])

    def _run_pass(self, config: MappingNode, *, ignore_unknown: bool = False) -> tuple[PassConfig, MappingNode]:
        """Work out one pass; also gives the configuration with conditionals resolved."""
        context = self.context
        options = OptionPool(self.element_path)
        options.declare(config.get_mapping("options", {}))
        if options.lists_elements:
            context.files.inputs.repeatable = False
        if self.junction is not None:
            options.set_from_nodes(self.junction.options)
        overrides = context.config.overrides(self.name)
        options.set_from_nodes(overrides.get_mapping("options", {}))
        if self.junction is None:
            options.set_from_strings(context.config.options, ignore_unknown=ignore_unknown)
        options.settle()

        config = resolve_tree(config, options, _UNCONDITIONAL)
        element_overrides = config.get_mapping("elements", {})
        source_overrides = config.get_mapping("sources", {})
        rest = {key: node for key, node in config.value.items() if key not in ("elements", "sources")}
        config = MappingNode(rest, config.line, config.column, config.file)
        assert_fully_composed(config)

        declared = config.get_mapping("variables")
        variables = MappingNode({**declared.value}, declared.line, declared.column, declared.file)
        variables["project-name"] = self.name
        variables["max-jobs"] = str(context.config.max_jobs)
        for name, value in options.exported().items():
            variables[name] = value

        substitutions = Variables(self._with_directories(variables))
        mirrors = overrides.get_sequence("mirrors", None)
        if mirrors is None:
            mirrors = config.get_sequence("mirrors", [])
        else:
            self.mirrors_overridden = True
        mirrors = substitutions.expand(mirrors)
        mirror_nodes = tuple(mirrors.mapping_at(index) for index in range(len(mirrors)))
        default_mirror = (context.config.default_mirror if self.junction is None else None) or overrides.get_str(
            "default-mirror", None
        )
        if not default_mirror and mirror_nodes:
            default_mirror = mirror_nodes[0].get_str("name")
        aliases = substitutions.expand(config.get_mapping("aliases", {}))
        result = PassConfig(
            options=options,
            variables=variables,
            element_overrides=element_overrides,
            source_overrides=source_overrides,
            aliases=aliases,
            mirrors=mirror_nodes,
            default_mirror=default_mirror,
        )
        return result, config

    def _with_directories(self, variables: MappingNode) -> MappingNode:
        """The variables and those that aliases and mirrors can use besides."""
        from urllib.parse import quote

        result = MappingNode({**variables.value}, variables.line, variables.column, variables.file)
        for name, directory in (("project", self.real_directory), ("toplevel", self.context.toplevel.real_directory)):
            result[f"{name}-root"] = directory
            result[f"{name}-root-uri"] = f"file://{quote(directory)}"
        return result

    def _run_second_pass(self) -> None:
        conf = self.loader.includes.process(self._conf, with_options=False)
        self._second_pass, config = self._run_pass(compose(self._defaults, conf))
        config.validate_keys(_KEYS)
        for key in _NOT_INCLUDED:
            node = config.value.get(key)
            if node is not None and node.value and node.file.shortname not in (PROJECT_FILE, _DEFAULTS_NAME):
                raise LoadError(
                    f"Unexpected key: {key}",
                    reason=LoadErrorReason.INVALID_DATA,
                    detail=f"'{key}' must stand in {PROJECT_FILE} itself.",
                    where=str(node.get_provenance()),
                )
        artifact_caches = self._remotes(config, "artifacts")
        source_caches = self._remotes(config, "source-caches")
        environment = config.get_mapping("environment")
        nocache = config.get_str_list("environment-nocache")
        sandbox = config.get_mapping("sandbox")
        split_rules = config.get_mapping("split-rules")
        self._read_fail_on_overlap(config)
        if self.ref_storage == refs.PROJECT_REFS:
            options = self._second_pass.options
            self.refs = load_refs(self.directory, refs.PROJECT_REFS, options, self.context.files)
        shell = config.get_mapping("shell")
        shell.validate_keys(["command", "environment", "host-files"])
        shell_environment = shell.get_mapping("environment", {})
        self._full = FullConfig(
            environment=environment,
            environment_nocache=nocache,
            sandbox=sandbox,
            split_rules=split_rules,
            artifact_caches=artifact_caches,
            source_caches=source_caches,
            shell_command=shell.get_str_list("command"),
            shell_environment={
                key: expand_environment(shell_environment.get_str(key), self.context.environment)
                for key in shell_environment.keys()  # noqa: SIM118 - a mapping node is not a dict
            },
            shell_host_files=tuple(
                _host_mount(node, self.context.environment) for node in shell.get_sequence("host-files", [])
            ),
            # A project's own attributes take the place of the default ones, unlike other mappings.
            source_provenance_attributes=conf.get_mapping("source-provenance-attributes", None)
            or config.get_mapping("source-provenance-attributes"),
        )

    def _remotes(self, config: MappingNode, key: str) -> tuple[RemoteConfig, ...]:
        nodes = config.get_sequence(key, [], allowed_types=[MappingNode])
        return tuple(remote_from_node(node, self.directory) for node in nodes)

    def _read_fail_on_overlap(self, config: MappingNode) -> None:
        scalar = config.get_scalar("fail-on-overlap", None)
        if not scalar.is_none():
            self.context.warn(
                "Use of fail-on-overlap within project.conf is deprecated. Consider using fatal-warnings instead.", None
            )
            if "overlaps" not in self.fatal_warnings and scalar.as_bool():
                self.fatal_warnings.append("overlaps")


def _check_min_version(config: MappingNode) -> None:
    scalar = config.get_scalar("min-version", None)
    if scalar.is_none():
        raise LoadError(
            "Dictionary did not contain expected key 'min-version'",
            reason=LoadErrorReason.INVALID_DATA,
            detail="A project of BuildStream 1 has none, and needs BuildStream 1.",
            where=str(config.get_provenance()),
        )
    parts = scalar.as_str().split(".")
    try:
        major, minor = int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        raise LoadError(
            f"Malformed version string: {scalar.as_str()}",
            reason=LoadErrorReason.INVALID_DATA,
            detail="'min-version' should be MAJOR.MINOR, two numbers.",
            where=str(scalar.get_provenance()),
        ) from None
    if major != FORMAT_VERSION[0] or minor > FORMAT_VERSION[1]:
        raise LoadError(
            "Version mismatch",
            reason=LoadErrorReason.UNSUPPORTED_PROJECT,
            detail=f"The project requires BuildStream {major}.{minor}, the format spoken here is that of "
            f"BuildStream {FORMAT_VERSION[0]}.{FORMAT_VERSION[1]}.",
            where=str(scalar.get_provenance()),
        )


def _host_mount(node: Node, environment: Mapping[str, str]) -> HostMount:
    if type(node) is ScalarNode:
        path = expand_environment(node.as_str(), environment)
        return HostMount(path, path)
    if type(node) is not MappingNode:
        raise _invalid("A host file should be a path or a dict", node)
    node.validate_keys(["path", "host_path", "optional"])
    path = expand_environment(node.get_str("path"), environment)
    host_path = expand_environment(node.get_str("host_path", path), environment)
    return HostMount(path, host_path, node.get_bool("optional", False))


def _invalid(message: str, node: Node) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
