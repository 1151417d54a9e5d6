"""What is said before a session starts: how it was called, what is configured, and which projects are loaded.

Knows the configuration and the projects; nothing of how this is shown.  Sections, names and their order are bst's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .. import FORMAT_VERSION
from ..plugin.origins import describe

if TYPE_CHECKING:
    from ..project.loader import Loader
    from ..remote.config import RemoteConfig
    from .pipeline import Pipeline
    from .remotes import SessionRemotes

Line = tuple[str, str, str]
Heading = tuple[Line, ...]

# As in `events.Pipeline.heading`: what separates the title of a section from those of the sections it is in, and the
# name of an item in a list.
WITHIN, ITEM = "\n", "*"


def heading(pipeline: Pipeline, targets: Sequence[str], remotes: SessionRemotes | None) -> Heading:
    """Lines as `events.Pipeline` has them.

    Args:
        pipeline: with the projects, if there are any.
        targets: display names of what was asked for.
        remotes: those that the session uses, if it asks any.
    """
    config = pipeline.config
    project = next(iter(pipeline.projects()), None)
    lines = [
        *_section(
            f"BuildStream Version {FORMAT_VERSION}",
            (
                ("Session Start", time.strftime("%A, %d-%m-%Y at %H:%M:%S")),
                *([("Project", f"{project.name} ({project.directory})")] if project is not None else []),
                ("Targets", ", ".join(targets)),
            ),
        ),
        *_section(
            "User Configuration",
            (
                ("Configuration File", config.origin or "Default Configuration"),
                ("Cache Directory", config.cachedir),
                ("Log Files", config.logdir),
                ("Source Mirrors", config.sourcedir),
                ("Build Area", os.path.join(config.cachedir, "build")),
                ("Strict Build Plan", "Yes" if pipeline.strict else "No"),
                ("Maximum Fetch Tasks", config.fetchers),
                ("Maximum Build Tasks", config.builders),
                ("Maximum Push Tasks", config.pushers),
                ("Maximum Network Retries", config.network_retries),
                *([("Cache Storage Service", _remote(config.storage_service))] if config.storage_service else []),
            ),
        ),
    ]
    execution = config.remote_execution
    if execution is not None:
        services = (
            ("Execution Service", execution.execution),
            ("Storage Service", execution.storage or config.storage_service),
            ("Action Cache Service", execution.action_cache),
        )
        lines += _section("Remote Execution Configuration", [(name, _remote(spec)) for name, spec in services if spec])
    if project is not None:
        for loader in pipeline.planner.session.context.loaders():
            lines += _project(pipeline, loader, remotes)
    return tuple(lines)


def _section(title: str, values: Iterable[tuple[str, object]]) -> Iterator[Line]:
    yield (title, "", "")
    for name, value in values:
        yield (title, name, str(value))


def _project(pipeline: Pipeline, loader: Loader, remotes: SessionRemotes | None) -> Iterator[Line]:
    project = loader.project
    title = f"Project: {project.name}"
    values: list[tuple[str, object]] = []
    if project.junction is not None:
        values.append(("Junction path", project.junction.full_name))
    if loader.provenance is not None:
        values.append(("Loaded by", loader.provenance.get_provenance()))
    for relation, others in zip(("duplicate", "internal"), pipeline.planner.session.context.relations(loader)):
        if others:
            values.append((f"Declared {relation} by", "\n".join(f"    {other.describe()}" for other in others) + "\n"))
    yield from _section(title, values)
    # A junction that the second pass needs may be what is tracked
    options = project.options_so_far.printable()
    if options:
        yield from _section(f"{title}{WITHIN}Project Options", options.items())
    for tag in ("element", "source"):
        plugins = pipeline.planner.factories.get(project, tag).loaded()
        if plugins:
            found = [(plugin.record.kind, describe(plugin.record)) for plugin in plugins]
            yield from _section(f"{title}{WITHIN}{tag.capitalize()} Plugins", found)
    if remotes is not None:
        settings = remotes.settings
        for kind, caches in (("Artifact", settings.artifacts), ("Source", settings.sources)):
            servers = caches.get(project.name)
            if servers:
                found = [(ITEM, _server(server)) for server in servers]
                yield from _section(f"{title}{WITHIN}{kind} cache servers", found)


def _server(server: RemoteConfig) -> str:
    return (
        f"{server.url}\npush: {server.push} type: {server.type} instance: {server.instance_name}\n"
        f"loaded from: {server.where or 'command line'}"
    )


def _remote(spec: RemoteConfig) -> str:
    return f"{spec.url} (instance: {spec.instance_name})" if spec.instance_name else spec.url
