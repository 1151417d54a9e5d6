"""The sections of an element: its own declaration laid over what its kind has, variables replaced.

Must not know plugins.  What an element does not change is expanded once for all that have the same values in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..plugin.composition import assert_fully_composed, compose
from ..plugin.node import MappingNode, ScalarNode
from ..plugin.variables import Variables
from .kinds import public_data
from .names import refuse_protected
from .sandbox_config import read_sandbox_config
from .template import Expanded, Template

if TYPE_CHECKING:
    from .kinds import ElementKind
    from .load_element import LoadElement


# The variable that has another value in each element
_NAME: Final = "element-name"

# All raise LoadError: ILLEGAL_COMPOSITE, TRAILING_LIST_DIRECTIVE, or what `Variables.get` raises.


def own_variables(load_element: LoadElement, kind: ElementKind) -> Variables:
    """The variables of an element; all have values, but in the first pass, where some may not be needed."""
    own = load_element.node.get_mapping("variables", None)
    name = ScalarNode(load_element.name)
    if own is None:
        return _checked(Variables(MappingNode({_NAME: name}), kind.variables, hole=_NAME), load_element)
    if own.file.directives:
        # Where there is something to change it is no list
        compose(MappingNode({key: node for key in own.value if (node := kind.variables.node(key))}), own)
    assert_fully_composed(own)
    refuse_protected(own)
    merged = MappingNode({**own.value, _NAME: name}, own.line, own.column, own.file)
    return _checked(Variables(merged, kind.variables, hole=_NAME), load_element)


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


def own_environment(node: MappingNode, kind: ElementKind, variables: Variables) -> Expanded:
    """The environment of an element's commands."""
    return _section(node, "environment", kind.environment, variables)


def own_sandbox(node: MappingNode, kind: ElementKind, variables: Variables) -> dict[str, Any]:
    """The sandbox configuration, plain."""
    return read_sandbox_config(_section(node, "sandbox", kind.sandbox, variables).node)


def own_config(node: MappingNode, kind: ElementKind, variables: Variables) -> MappingNode:
    """The configuration of an element's plugin; shared, so never to be changed."""
    return _section(node, "config", kind.config, variables).node


def own_public(node: MappingNode, kind: ElementKind, variables: Variables) -> Expanded:
    """The public data of an element."""
    own = node.get_mapping("public", None)
    if own is None or not own.value:
        return kind.public.expand(variables)
    composed = public_data(variables.expand(own), kind.split_rules.expand(variables).node)
    assert_fully_composed(composed)
    return Expanded(composed)
