"""A project: ``project.conf`` and everything that it configures.

Knows nothing of plugins: what configures these is kept as nodes.  Configuration is worked out twice.  The first pass
sees only the project's own files, and is what junctions and links are read with; the second also sees what is
included from subprojects, and is what everything else uses.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ..plugin.composition import compose
from ..plugin.node import MappingNode, Node, ScalarNode, SequenceNode
from ..plugin.paths import ProjectPaths
from ..protocol.errors import LoadError, LoadErrorReason
from . import refs
from .context import LoadContext
from .errors import invalid
from .full_config import FullConfig, read_full_config
from .junction import Junction
from .loader import Loader
from .names import PROJECT_FILE, check_symbol
from .options import OptionPool
from .passes import PassConfig, run_pass
from .refs import ProjectRefs, load_refs

if TYPE_CHECKING:
    from .kinds import ElementKind

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
# Keys that count in the project's own file only.
_NOT_INCLUDED: Final = ("name", "element-path", "min-version", "plugins")


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
        self.refs: ProjectRefs | None = None
        self.junction_refs: ProjectRefs | None = None
        self._second_pass: PassConfig | None = None
        self._full: FullConfig | None = None
        self._first_pass_kinds: dict[str, ElementKind] = {}
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
        storage = config.get_scalar("ref-storage")  # included files have no say in it

        self.loader = Loader(self, parent, provenance)
        context.add_loader(self.loader)
        local = self.loader.includes.process(self._conf, only_local=True, with_options=False)
        config = compose(self._defaults, local)
        self.plugin_origins = config.get_sequence("plugins", []).value
        if context.host is not None:
            context.host.project_loaded(self)
        self.first_pass, _ = run_pass(self, config, ignore_unknown=True)

        self.ref_storage = storage.as_str()
        if self.ref_storage not in (refs.INLINE, refs.PROJECT_REFS):
            raise invalid(f"'ref-storage' should be inline or project.refs, not '{self.ref_storage}'", storage)
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
    def mirrors_overridden(self) -> bool:
        """Whether the user's configuration replaces the project's mirrors."""
        return self.context.config.overrides(self.name).get_sequence("mirrors", None) is not None

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

    def first_pass_kind(self, name: str) -> ElementKind:
        """What junctions, or links, have in common.

        Raises:
            LoadError: what is wrong with what the project says about them.
        """
        kind = self._first_pass_kinds.get(name)
        if kind is None:
            from .kinds import ElementKind

            kind = self._first_pass_kinds[name] = ElementKind(self, name, None, first_pass=True)
        return kind

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

    @property
    def half_loaded(self) -> bool:
        """Whether the rest of the configuration is being loaded right now."""
        return self._loading_fully and self._second_pass is None

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
            raise invalid("Junctions should be listed", sequence)
        for node in sequence.value:
            if type(node) is not ScalarNode:
                raise invalid("A junction should be named", node)
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

    def _run_second_pass(self) -> None:
        conf = self.loader.includes.process(self._conf, with_options=False)
        self._second_pass, config = run_pass(self, compose(self._defaults, conf))
        config.validate_keys(_KEYS)
        _check_not_included(config)
        full = read_full_config(self, conf, config)
        if self.ref_storage == refs.PROJECT_REFS:
            options = self._second_pass.options
            self.refs = load_refs(self.directory, refs.PROJECT_REFS, options, self.context.files)
        self._full = full


def _check_not_included(config: MappingNode) -> None:
    """Refuse what an included file says and only the project's own file may say."""
    for key in _NOT_INCLUDED:
        node = config.value.get(key)
        if node is not None and node.value and node.file.shortname not in (PROJECT_FILE, _DEFAULTS_NAME):
            raise LoadError(
                f"Unexpected key: {key}",
                reason=LoadErrorReason.INVALID_DATA,
                detail=f"'{key}' must stand in {PROJECT_FILE} itself.",
                where=str(node.get_provenance()),
            )


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
