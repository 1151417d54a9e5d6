"""Which remotes the projects of a session use, as plain data for its jobs.

Knows configuration and the command line; nothing of connections: a worker checks the remotes, since only workers talk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..project.remotes import cache_config_from_node, remote_from_string
from ..project.resolved import ResolvedElement
from ..protocol.requests import Remotes
from ..remote.config import (
    CacheConfig,
    RemoteConfig,
    RemoteSettings,
    can_pull,
    can_push,
    choose_remotes,
)
from .single import run_task

if TYPE_CHECKING:
    from ..project.project import Project
    from .pipeline import Pipeline


class SessionRemotes:
    """The remotes of one session.

    Attributes:
        settings: what jobs are told.
    """

    def __init__(self, settings: RemoteSettings) -> None:
        self.settings = settings

    def pull_artifacts(self, element: ResolvedElement) -> bool:
        """Whether artifacts of an element can be pulled from somewhere."""
        return self.pulls_from(element.project.name)

    def push_artifacts(self, element: ResolvedElement) -> bool:
        """Whether artifacts of an element can be pushed somewhere."""
        return self.pushes_to(element.project.name)

    def pulls_from(self, project: str) -> bool:
        """Whether artifacts of a project, given by its name, can be pulled from somewhere."""
        return can_pull(self.settings.artifacts.get(project, ()))

    def pushes_to(self, project: str) -> bool:
        """Whether artifacts of a project, given by its name, can be pushed somewhere."""
        return can_push(self.settings.artifacts.get(project, ()))

    def push_sources(self, element: ResolvedElement) -> bool:
        """Whether sources of an element can be pushed somewhere."""
        return can_push(self.settings.sources.get(element.project.name, ()))

    @property
    def any_pull(self) -> bool:
        """Whether artifacts of any project can be pulled."""
        return any(can_pull(remotes) for remotes in self.settings.artifacts.values())

    @property
    def any_push(self) -> bool:
        """Whether artifacts of any project can be pushed."""
        return any(can_push(remotes) for remotes in self.settings.artifacts.values())

    @property
    def any_source_push(self) -> bool:
        """Whether sources of any project can be pushed."""
        return any(can_push(remotes) for remotes in self.settings.sources.values())


def open_remotes(
    pipeline: Pipeline,
    given: Remotes | None = None,
    *,
    artifacts: bool = True,
    sources: bool = True,
    purpose: str = "all",
    extra_projects: tuple[str, ...] = (),
) -> SessionRemotes:
    """Decide which remotes are used, have them checked, and tell the session's jobs of them.

    Args:
        pipeline: whose projects are loaded.
        given: remotes of the command line.
        artifacts, sources: which kinds of caches the command uses.
        purpose: "all", "push" or "pull": what remotes of the command line are for.
        extra_projects: names of projects that are not loaded, whose artifacts are named by themselves.

    Raises:
        GrilseError: a remote is malformed.
    """
    given = given or Remotes()
    settings = _settings(pipeline, given, artifacts=artifacts, sources=sources, purpose=purpose)
    settings = _with_extra(pipeline, settings, given, extra_projects, purpose)
    with pipeline.session.reporter.span("Initializing remote caches"):
        if settings.all_remotes():
            pipeline.book.set_settings({**pipeline.settings(), "remotes": settings.to_plain()})
            values = run_task(pipeline, "remotes")
            settings = RemoteSettings.from_plain(values["remotes"])
    pipeline.book.set_settings({**pipeline.settings(), "remotes": settings.to_plain()})
    return SessionRemotes(settings)


def _settings(pipeline: Pipeline, given: Remotes, *, artifacts: bool, sources: bool, purpose: str) -> RemoteSettings:
    config = pipeline.config
    projects = pipeline.projects()
    wanted_artifacts = [remote_from_string(text, purpose=purpose) for text in given.artifact]
    wanted_sources = [remote_from_string(text, purpose=purpose) for text in given.source]
    return RemoteSettings(
        artifacts=_table(
            projects, "artifacts", wanted_artifacts, config.artifact_caches, pipeline, given.ignore_project_artifact
        )
        if artifacts
        else {},
        sources=_table(
            projects, "source-caches", wanted_sources, config.source_caches, pipeline, given.ignore_project_source
        )
        if sources
        else {},
        storage=config.storage_service,
        execution=config.execution(projects[0].name) if projects else None,
        pull_buildtrees=config.pull_buildtrees,
        state_directory=_state_directory(pipeline),
    )


def configured_remotes(pipeline: Pipeline) -> RemoteSettings:
    """Every remote that is configured, whether it works or not; without a project those of the user.

    Raises:
        GrilseError: a remote is malformed.
    """
    settings = _settings(pipeline, Remotes(), artifacts=True, sources=True, purpose="all")
    if pipeline.projects():
        return settings
    config = pipeline.config
    return msgspec.structs.replace(
        settings,
        artifacts={"": config.artifact_caches.servers},
        sources={"": config.source_caches.servers},
        execution=config.remote_execution,
    )


def storage_settings(pipeline: Pipeline) -> RemoteSettings:
    """What jobs are told of remotes before a command has decided on caches: the storage service of the cache."""
    return RemoteSettings(storage=pipeline.config.storage_service, state_directory=_state_directory(pipeline))


def _state_directory(pipeline: Pipeline) -> str:
    return os.path.join(pipeline.session.directory, "remotes")


def _with_extra(
    pipeline: Pipeline, settings: RemoteSettings, given: Remotes, names: tuple[str, ...], purpose: str
) -> RemoteSettings:
    """The settings with remotes for projects of which only the name is known: nobody recommends any for these."""
    unknown = [name for name in names if name not in settings.artifacts]
    if not unknown:
        return settings
    wanted = [remote_from_string(text, purpose=purpose) for text in given.artifact]
    chosen = choose_remotes(wanted, CacheConfig(), pipeline.config.artifact_caches, ())
    if not chosen:
        return settings
    return msgspec.structs.replace(settings, artifacts={**settings.artifacts, **dict.fromkeys(unknown, chosen)})


def _table(
    projects: Sequence[Project],
    key: str,
    given: Sequence[RemoteConfig],
    user: CacheConfig,
    pipeline: Pipeline,
    ignore: bool,
) -> dict[str, tuple[RemoteConfig, ...]]:
    found: dict[str, tuple[RemoteConfig, ...]] = {}
    for project in projects:
        override = pipeline.config.projects.get_mapping(project.name, {}).get_mapping(key, None)
        chosen = choose_remotes(
            given,
            cache_config_from_node(override) if override is not None else CacheConfig(),
            user,
            _recommended(project, key),
            ignore_recommended=ignore,
        )
        if chosen:
            found[project.name] = (*found.get(project.name, ()), *chosen)
    return found


def _recommended(project: Project, key: str) -> Iterable[RemoteConfig]:
    """What projects recommend: the outermost one first, the project itself last."""
    chain = [project]
    while chain[-1].junction is not None:
        chain.append(chain[-1].junction.project)
    for one in reversed(chain):
        full = one.full
        yield from full.artifact_caches if key == "artifacts" else full.source_caches
