"""What a project configures beyond its passes: environment, sandbox, split rules, caches, shells, provenance.

Knows nothing of options or includes: both have been dealt with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ..plugin.node import MappingNode, Node, ScalarNode
from ..remote.config import RemoteConfig
from .errors import invalid
from .remotes import remote_from_node
from .user_config import expand_environment

if TYPE_CHECKING:
    from .project import Project


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


def read_full_config(project: Project, conf: MappingNode, config: MappingNode) -> FullConfig:
    """Read what comes beyond the passes.

    Args:
        project: the project; ``fail-on-overlap`` adds to its fatal warnings.
        conf: its ``project.conf`` with what it includes.
        config: the same laid over the default configuration, conditionals resolved.

    Raises:
        LoadError: what is wrong with the configuration.
    """
    artifact_caches = _remotes(project, config, "artifacts")
    source_caches = _remotes(project, config, "source-caches")
    environment = config.get_mapping("environment")
    nocache = config.get_str_list("environment-nocache")
    sandbox = config.get_mapping("sandbox")
    split_rules = config.get_mapping("split-rules")
    _read_fail_on_overlap(project, config)
    shell = config.get_mapping("shell")
    shell.validate_keys(["command", "environment", "host-files"])
    shell_environment = shell.get_mapping("environment", {})
    return FullConfig(
        environment=environment,
        environment_nocache=nocache,
        sandbox=sandbox,
        split_rules=split_rules,
        artifact_caches=artifact_caches,
        source_caches=source_caches,
        shell_command=shell.get_str_list("command"),
        shell_environment={
            key: expand_environment(shell_environment.get_str(key), project.context.environment)
            for key in shell_environment.keys()  # noqa: SIM118 - a mapping node is not a dict
        },
        shell_host_files=tuple(
            _host_mount(node, project.context.environment) for node in shell.get_sequence("host-files", [])
        ),
        # A project's own attributes take the place of the default ones, unlike other mappings.
        source_provenance_attributes=conf.get_mapping("source-provenance-attributes", None)
        or config.get_mapping("source-provenance-attributes"),
    )


def _remotes(project: Project, config: MappingNode, key: str) -> tuple[RemoteConfig, ...]:
    nodes = config.get_sequence(key, [], allowed_types=[MappingNode])
    return tuple(remote_from_node(node, project.directory) for node in nodes)


def _read_fail_on_overlap(project: Project, config: MappingNode) -> None:
    scalar = config.get_scalar("fail-on-overlap", None)
    if not scalar.is_none():
        project.context.warn(
            "Use of fail-on-overlap within project.conf is deprecated. Consider using fatal-warnings instead.", None
        )
        if "overlaps" not in project.fatal_warnings and scalar.as_bool():
            project.fatal_warnings.append("overlaps")


def _host_mount(node: Node, environment: Mapping[str, str]) -> HostMount:
    if type(node) is ScalarNode:
        path = expand_environment(node.as_str(), environment)
        return HostMount(path, path)
    if type(node) is not MappingNode:
        raise invalid("A host file should be a path or a dict", node)
    node.validate_keys(["path", "host_path", "optional"])
    path = expand_environment(node.get_str("path"), environment)
    host_path = expand_environment(node.get_str("host_path", path), environment)
    return HostMount(path, host_path, node.get_bool("optional", False))
