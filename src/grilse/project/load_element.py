"""What loading knows of an element: its composed declaration and its direct dependencies.

Knows nothing of plugins, nor of how files are found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..plugin.node import MappingNode, Node, ScalarNode, SequenceNode
from ..protocol.errors import LoadError, LoadErrorReason
from .names import nearest

if TYPE_CHECKING:
    from .project import Project

BUILD: Final = 1
RUNTIME: Final = 2
ALL: Final = 3

_TYPES: Final = {"build": BUILD, "runtime": RUNTIME, "all": ALL}
_DEPENDENCY_KEYS: Final = ["filename", "type", "junction", "strict", "config"]
_TYPED_DEPENDENCY_KEYS: Final = ["filename", "junction", "strict", "config"]
# Where dependencies stand in an element, in the order in which they count, and the type that each place implies.
_DEPENDENCY_LISTS: Final = (("build-depends", BUILD), ("runtime-depends", RUNTIME), ("depends", 0))
_DEPENDENCY_KEYS_OF_ELEMENTS: Final = frozenset(key for key, _ in _DEPENDENCY_LISTS)
ELEMENT_KEYS: Final = [
    "kind",
    "depends",
    "sources",
    "sandbox",
    "variables",
    "environment",
    "environment-nocache",
    "config",
    "public",
    "description",
    "build-depends",
    "runtime-depends",
]
# Kinds that must be known before a project is: they are read with its first-pass configuration.
FIRST_PASS_KINDS: Final = frozenset(("junction", "link"))


class Dependency:
    """A direct dependency as declared.

    Attributes:
        junction: path of junctions that leads to it, "" if it is in the same project.
        name: its name in its project.
        node: its declaration.
        kinds: BUILD, RUNTIME or both.
        strict: a change of it always rebuilds.
        config: its ``config:`` mappings, one for each time it was declared with one.
        element: the element, once it is loaded.
    """

    __slots__ = ("config", "element", "junction", "kinds", "name", "node", "strict")

    element: LoadElement

    def __init__(self, junction: str, name: str, node: Node, kinds: int) -> None:
        self.junction = junction
        self.name = name
        self.node = node
        self.kinds = kinds
        self.strict = False
        self.config: list[MappingNode] = []

    @property
    def path(self) -> str:
        """The name as declared, with junctions."""
        return f"{self.junction}:{self.name}" if self.junction else self.name

    @property
    def build(self) -> bool:
        """Whether it is needed to build."""
        return self.kinds & BUILD != 0

    @property
    def runtime(self) -> bool:
        """Whether it is needed to run."""
        return self.kinds & RUNTIME != 0

    def merge(self, other: Dependency) -> None:
        """Add another declaration of the same dependency."""
        self.kinds |= other.kinds
        self.strict = self.strict or other.strict
        self.config.extend(other.config)


class LoadElement:
    """An element as loaded.

    Attributes:
        project: the project it belongs to.
        name: its file name below the project's element path.
        full_name: its name with the junctions that lead to its project; what users see.
        kind: its kind.
        description: its description, or "".
        node: its declaration, without the lists of dependencies.
        dependencies: its direct dependencies, sorted into staging order when loading is done.
        first_pass: whether it is read with first-pass configuration (junctions and links).
        link_target: where a link leads, else None.
        number: place in the order of first completion, dependencies before dependants; -1 until sorted.
        closure: bit set of the numbers of all its dependencies, direct and indirect.
    """

    __slots__ = (
        "_declared",
        "closure",
        "dependencies",
        "description",
        "entered",
        "first_pass",
        "full_name",
        "kind",
        "link_target",
        "name",
        "node",
        "number",
        "project",
    )

    def __init__(self, project: Project, name: str, node: MappingNode) -> None:
        self.project = project
        self.name = name
        junction = project.junction
        self.full_name: str = f"{junction.full_name}:{name}" if junction is not None else name
        node.validate_keys(ELEMENT_KEYS)
        self.kind = node.get_str("kind")
        self.description = node.get_str("description", "")
        self.first_pass = self.kind in FIRST_PASS_KINDS
        self.link_target: ScalarNode | None = None
        self.dependencies: list[Dependency] = []
        self.number = -1
        self.closure = 0
        # Whether loading has begun to look at its dependencies.
        self.entered = False
        # The declaration as it was, if it has dependencies.
        self._declared: MappingNode | None = None
        value = node.value
        if any(key in value for key, _ in _DEPENDENCY_LISTS):
            self._declared = node
            rest = {key: child for key, child in value.items() if key not in _DEPENDENCY_KEYS_OF_ELEMENTS}
            node = MappingNode(rest, node.line, node.column, node.file)
        self.node = node

    def __lt__(self, other: LoadElement) -> bool:
        return self.name < other.name

    def __repr__(self) -> str:
        return f"<LoadElement {self.full_name}>"

    @property
    def provenance(self) -> str:
        """The place of its declaration."""
        return str(self.node.get_provenance())

    def declared_dependencies(self) -> list[Dependency]:
        """The dependencies as declared, those with the same name merged, not loaded yet.

        Raises:
            LoadError: INVALID_DATA.
        """
        found: dict[tuple[str, str], Dependency] = {}
        if self._declared is None:
            return []
        for key, kinds in _DEPENDENCY_LISTS:
            if key not in self._declared.value:
                continue
            for node in self._declared.get_sequence(key).value:
                if type(node) is ScalarNode:  # by far the most common form, so it comes first
                    dependency = _named(node, node, None, kinds or ALL)
                    known = found.setdefault((dependency.junction, dependency.name), dependency)
                    if known is not dependency:
                        known.merge(dependency)
                    continue
                if type(node) is not MappingNode:
                    raise _invalid("A dependency should be a name or a dict", node)
                for dependency in _expanded(node, kinds):
                    known = found.setdefault((dependency.junction, dependency.name), dependency)
                    if known is not dependency:
                        known.merge(dependency)
        return list(found.values())


def _expanded(node: MappingNode, kinds: int) -> list[Dependency]:
    """The dependencies that one dict declares: one for each of its file names."""
    junction = node.get_str("junction", None)
    filename = node.get_node("filename", [ScalarNode, SequenceNode])
    names = [filename] if type(filename) is ScalarNode else filename.value
    found: list[Dependency] = []
    for name in names:
        if type(name) is not ScalarNode:
            raise _invalid("A dependency's file names should be strings", name)
        found.append(_named(name, node, junction, kinds))
    for dependency in found:
        _read_attributes(dependency, node, kinds)
    return found


def _named(name: ScalarNode, node: Node, junction: str | None, kinds: int) -> Dependency:
    text = name.as_str()
    if ":" in text:
        if junction is not None:
            raise _invalid(f"The name '{text}' cannot hold ':' beside a 'junction'", name)
        junction, text = text.rsplit(":", 1)
    return Dependency(junction or "", text, node, kinds)


def _read_attributes(dependency: Dependency, node: MappingNode, kinds: int) -> None:
    if kinds:
        node.validate_keys(_TYPED_DEPENDENCY_KEYS)
    else:
        node.validate_keys(_DEPENDENCY_KEYS)
        word = node.get_str("type", "all")
        if word not in _TYPES:
            raise _invalid(
                f"Dependency type '{word}' is not 'build', 'runtime' or 'all'{nearest(word, list(_TYPES))}",
                node.get_scalar("type"),
            )
        dependency.kinds = _TYPES[word]
    dependency.strict = node.get_bool("strict", False)
    config = node.get_mapping("config", None)
    if config is not None:
        if dependency.kinds == RUNTIME:
            raise _invalid("A runtime dependency cannot have a 'config'", config)
        dependency.config = [config]
    if not dependency.strict and "strict" in node:
        raise _invalid("Setting 'strict' to False is unsupported", node.get_scalar("strict"))
    if dependency.strict and dependency.kinds == RUNTIME:
        raise _invalid(
            f"The runtime dependency {dependency.name} cannot be strict; only dependencies needed at build time can",
            node,
        )


def _invalid(message: str, node: Node) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
