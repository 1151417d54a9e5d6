"""What is said before a session starts: how it was called, and what is configured.

Knows the configuration and the project; nothing of how this is shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .. import FORMAT_VERSION

if TYPE_CHECKING:
    from ..project.resolve import ResolvedElement
    from ..remote.config import RemoteConfig
    from .pipeline import Pipeline

Heading = tuple[tuple[str, str, str], ...]


def heading(pipeline: Pipeline, targets: Sequence[ResolvedElement]) -> Heading:
    """Lines of (section, name, value), in the order and with the names that bst gives them."""
    config, project = pipeline.config, pipeline.project
    lines: list[tuple[str, str, str]] = []

    def section(title: str, values: Iterable[tuple[str, object]]) -> None:
        lines.extend((title, name, str(value)) for name, value in values)

    section(
        f"BuildStream Version {FORMAT_VERSION}",
        (
            ("Session Start", time.strftime("%A, %d-%m-%Y at %H:%M:%S")),
            ("Project", f"{project.name} ({project.directory})"),
            ("Targets", ", ".join(target.full_name for target in targets)),
        ),
    )
    section(
        "User Configuration",
        (
            ("Configuration File", config.origin or "Default Configuration"),
            ("Cache Directory", config.cachedir),
            ("Log Files", config.logdir),
            ("Source Mirrors", config.sourcedir),
            ("Strict Build Plan", "Yes" if pipeline.strict else "No"),
            ("Maximum Fetch Tasks", config.fetchers),
            ("Maximum Build Tasks", config.builders),
            ("Maximum Push Tasks", config.pushers),
            ("Maximum Network Retries", config.network_retries),
        ),
    )
    if config.storage_service is not None:
        section("User Configuration", [("Cache Storage Service", _remote(config.storage_service))])
    remote = config.remote_execution
    if remote is not None:
        services = (
            ("Execution Service", remote.execution),
            ("Storage Service", remote.storage or config.storage_service),
            ("Action Cache Service", remote.action_cache),
        )
        section("Remote Execution Configuration", [(name, _remote(service)) for name, service in services if service])
    return tuple(lines)


def _remote(remote: RemoteConfig) -> str:
    return f"{remote.url} (instance: {remote.instance_name})" if remote.instance_name else remote.url
