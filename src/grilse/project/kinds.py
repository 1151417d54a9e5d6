"""What a project, a plugin's defaults and the project's overrides say about all elements, or sources, of one kind.

Must not know single elements.  Everything here is composed once for each kind of each project.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..plugin.composition import assert_fully_composed, compose
from ..plugin.node import MappingNode, Node
from ..plugin.variables import Variables
from ..protocol.errors import LoadError, LoadErrorReason
from .names import refuse_protected
from .template import Template

if TYPE_CHECKING:
    from ..plugin.factory import LoadedPlugin
    from .project import Project

_EMPTY = Node.from_dict({})


class ElementKind:
    """All that elements of one kind have in common in one project.

    Attributes:
        plugin: the plugin; None for those of the first pass, which are read without.
        variables: of the project and the kind, which those of an element are laid over.
        environment, config, sandbox: what those of an element are composed onto.
        split_rules: likewise.
        public: public data of an element that declares none.
        nocache: names of environment variables that do not count in keys.
        own: whether the plugin is one of ours, which does not change nodes that it is given.
    """

    __slots__ = ("config", "environment", "nocache", "own", "plugin", "public", "sandbox", "split_rules", "variables")

    def __init__(self, project: Project, name: str, plugin: LoadedPlugin | None, first_pass: bool) -> None:
        self.plugin = plugin
        defaults = _defaults(project, name, plugin.record.defaults if plugin is not None else "", first_pass)
        settings = project.pass_config(first_pass)
        variables = _laid_over(settings.variables, defaults, "variables")
        assert_fully_composed(variables)
        refuse_protected(variables)
        self.variables = Variables(variables)
        full = None if first_pass else project.full
        base = _EMPTY if full is None else full.environment
        self.environment = Template(_laid_over(base, defaults, "environment"))
        base = _EMPTY if full is None else full.sandbox
        self.sandbox = Template(_laid_over(base, defaults, "sandbox"))
        self.config = Template(defaults.get_mapping("config", {}))
        self.split_rules = Template(_split_rules(defaults))
        self.public = Template(public_data(None, self.split_rules.node))
        nocache = [] if full is None else full.environment_nocache
        self.nocache = [*nocache, *defaults.get_str_list("environment-nocache", [])]
        self.own = plugin is None or plugin.record.origin == "core"


class SourceKind:
    """All that sources of one kind have in common in one project.

    Attributes:
        plugin: the plugin.
        config: what the project says about their configuration, or None.
    """

    __slots__ = ("config", "own", "plugin")

    def __init__(self, project: Project, plugin: LoadedPlugin, first_pass: bool) -> None:
        self.plugin = plugin
        overrides = project.pass_config(first_pass).source_overrides
        node = overrides.get_mapping(plugin.record.kind, {}).get_mapping("config", None)
        self.config = node if node is not None and node.value else None
        self.own = plugin.record.origin == "core"


def public_data(own: MappingNode | None, split_rules: MappingNode) -> MappingNode:
    """Public data with its split rules laid over those of the kind.

    Args:
        own: what the element declares, or None.
        split_rules: those of the kind.

    Raises:
        LoadError: ILLEGAL_COMPOSITE and the like.
    """
    if own is None:
        bst = MappingNode({"split-rules": split_rules})
        return MappingNode({"bst": bst})
    bst = own.get_mapping("bst", _EMPTY)
    rules = bst.get_mapping("split-rules", None)
    merged = split_rules if rules is None else compose(split_rules, rules)
    bst = MappingNode({**bst.value, "split-rules": merged}, bst.line, bst.column, bst.file)
    return MappingNode({**own.value, "bst": bst}, own.line, own.column, own.file)


def _defaults(project: Project, kind: str, path: str, first_pass: bool) -> MappingNode:
    """The plugin's defaults, in the file `path`, with the project's split rules below and its overrides on top."""
    defaults = _EMPTY
    if path:
        try:
            defaults = project.context.files.load(path, os.path.basename(path), owner=os.path.dirname(path))
        except LoadError as error:
            if error.reason != LoadErrorReason.MISSING_FILE.name:
                raise
    public = defaults.get_mapping("public", _EMPTY)
    bst = public.get_mapping("bst", _EMPTY)
    rules = bst.get_mapping("split-rules", _EMPTY)
    if not first_pass:
        rules = compose(project.full.split_rules, rules)
    bst = MappingNode({**bst.value, "split-rules": rules}, bst.line, bst.column, bst.file)
    public = MappingNode({**public.value, "bst": bst}, public.line, public.column, public.file)
    defaults = MappingNode({**defaults.value, "public": public}, defaults.line, defaults.column, defaults.file)
    overrides = project.pass_config(first_pass).element_overrides.get_mapping(kind, None)
    return defaults if overrides is None else compose(defaults, overrides)


def _split_rules(defaults: MappingNode) -> MappingNode:
    return defaults.get_mapping("public", {}).get_mapping("bst", {}).get_mapping("split-rules", {})


def _laid_over(base: MappingNode, defaults: MappingNode, key: str) -> MappingNode:
    own: Any = defaults.get_mapping(key, None)
    return base if own is None else compose(base, own)
