"""One pass over a project's configuration: options, variables, overrides, aliases and mirrors.

Knows nothing of what is included when, nor of what only the whole configuration has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ..plugin.composition import assert_fully_composed
from ..plugin.node import MappingNode
from ..plugin.variables import Variables
from .conditionals import resolve_tree
from .options import OptionPool

if TYPE_CHECKING:
    from .project import Project

# Where conditionals cannot stand: what is read before the options are known.
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


def run_pass(project: Project, config: MappingNode, *, ignore_unknown: bool = False) -> tuple[PassConfig, MappingNode]:
    """Work out one pass.

    Args:
        project: the project.
        config: its configuration laid over the default one, with what this pass includes.
        ignore_unknown: whether the command line may set options that are not declared.

    Returns:
        What came of it, and the configuration with conditionals resolved.

    Raises:
        LoadError: what is wrong with the configuration.
    """
    context = project.context
    options = OptionPool(project.element_path)
    options.declare(config.get_mapping("options", {}))
    if options.lists_elements:
        context.files.inputs.repeatable = False
    if project.junction is not None:
        options.set_from_nodes(project.junction.options)
    overrides = context.config.overrides(project.name)
    options.set_from_nodes(overrides.get_mapping("options", {}))
    if project.junction is None:
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
    variables["project-name"] = project.name
    variables["max-jobs"] = str(context.config.max_jobs)
    for name, value in options.exported().items():
        variables[name] = value

    substitutions = Variables(_with_directories(project, variables))
    mirrors = overrides.get_sequence("mirrors", None)  # instead of those of the project
    if mirrors is None:
        mirrors = config.get_sequence("mirrors", [])
    mirrors = substitutions.expand(mirrors)
    mirror_nodes = tuple(mirrors.mapping_at(index) for index in range(len(mirrors)))
    default_mirror = (context.config.default_mirror if project.junction is None else None) or overrides.get_str(
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


def _with_directories(project: Project, variables: MappingNode) -> MappingNode:
    """The variables and those that aliases and mirrors can use besides."""
    from urllib.parse import quote

    result = MappingNode({**variables.value}, variables.line, variables.column, variables.file)
    for name, directory in (("project", project.real_directory), ("toplevel", project.context.toplevel.real_directory)):
        result[f"{name}-root"] = directory
        result[f"{name}-root-uri"] = f"file://{quote(directory)}"
    return result
