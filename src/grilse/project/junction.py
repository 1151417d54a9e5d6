"""What a junction says about the project behind it, and where a link leads.

Knows nothing of how a junction's sources become a directory.  Junctions and links must be understood before their
project's configuration is complete, so they see its first pass only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..plugin.node import MappingNode, ScalarNode
from ..plugin.variables import Variables
from ..protocol.errors import ErrorDomain, GrilseError, LoadError, LoadErrorReason
from .sections import own_config, own_environment, own_public, own_sandbox, own_variables

if TYPE_CHECKING:
    from .load_element import LoadElement
    from .project import Project

_KEYS: Final = ["path", "options", "overrides", "aliases", "map-aliases"]


class Junction:
    """A junction as far as loading and URL translation need it.

    Attributes:
        load_element: the junction's element.
        project: the project that the junction element belongs to.
        name, full_name: the names of the element.
        path: where in its sources the subproject is.
        options: values for options of the subproject.
        overrides: elements of the subproject (by path below it) that are replaced, and by what.
        aliases: aliases of this project for aliases of the subproject.
        identity_aliases: whether unmapped aliases mean those of the same name here.
    """

    __slots__ = (
        "aliases",
        "full_name",
        "identity_aliases",
        "load_element",
        "name",
        "options",
        "overrides",
        "path",
        "project",
    )

    def __init__(self, load_element: LoadElement, config: MappingNode) -> None:
        self.load_element = load_element
        self.project: Project = load_element.project
        self.name = load_element.name
        self.full_name = load_element.full_name
        config.validate_keys(_KEYS)
        self.path = config.get_str("path", "")
        self.options = config.get_mapping("options", {})
        self.overrides: dict[str, ScalarNode] = {}
        overrides = config.get_mapping("overrides", {})
        for key in overrides.keys():  # noqa: SIM118 - a mapping node is not a dict
            target = overrides.get_scalar(key)
            if target.as_str() == self.name:
                raise GrilseError(
                    f"The junction '{self.name}' cannot override '{key}' of its own subproject with itself",
                    domain=ErrorDomain.ELEMENT,
                    reason="override-junction-with-self",
                    where=str(target.get_provenance()),
                )
            self.overrides[key] = target
        self.aliases = config.get_mapping("aliases", {})
        mapping = config.get_str("map-aliases", "none")
        if mapping not in ("none", "identity"):
            raise LoadError(
                f"'map-aliases' is '{mapping}', but should be one of: none, identity",
                reason=LoadErrorReason.INVALID_DATA,
                where=str(config.get_node("map-aliases").get_provenance()),
            )
        self.identity_aliases = mapping == "identity"


def first_pass_variables(load_element: LoadElement) -> Variables:
    """The variables that a junction or link sees.

    Raises:
        LoadError: INVALID_DATA, ILLEGAL_COMPOSITE, PROTECTED_VARIABLE_REDEFINED.
    """
    return own_variables(load_element, load_element.project.first_pass_kind(load_element.kind))


def _first_pass_config(load_element: LoadElement) -> MappingNode:
    """The configuration of a junction or link.

    The other sections have no effect, and are looked at all the same: a mistake in them is one.

    Raises:
        LoadError: as the sections do.
    """
    kind, node = load_element.project.first_pass_kind(load_element.kind), load_element.node
    variables = own_variables(load_element, kind)
    own_environment(node, kind, variables)
    node.get_str_list("environment-nocache", [])
    own_public(node, kind, variables)
    config = own_config(node, kind, variables)
    own_sandbox(node, kind, variables)
    return config


def read_junction(load_element: LoadElement) -> Junction:
    """Read a junction element.

    Raises:
        LoadError: INVALID_DATA and the like.
        GrilseError: ELEMENT override-junction-with-self.
    """
    return Junction(load_element, _first_pass_config(load_element))


def read_link_target(load_element: LoadElement) -> ScalarNode:
    """Read where a link leads.

    Raises:
        LoadError: INVALID_DATA, or LINK_FORBIDDEN_DEPENDENCIES.
        GrilseError: ELEMENT element-forbidden-sources.
    """
    config = _first_pass_config(load_element)
    config.validate_keys(["target"])
    target = config.get_scalar("target")
    if load_element.node.get_sequence("sources", []):
        raise GrilseError(
            f"The link '{load_element.full_name}' cannot have sources",
            domain=ErrorDomain.ELEMENT,
            reason="element-forbidden-sources",
            where=load_element.provenance,
        )
    if load_element.declared_dependencies():
        raise LoadError(
            f"The link '{load_element.full_name}' cannot have dependencies",
            reason=LoadErrorReason.LINK_FORBIDDEN_DEPENDENCIES,
            where=load_element.provenance,
        )
    return target
