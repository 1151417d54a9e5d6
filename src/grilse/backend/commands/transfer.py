"""``artifact pull``, ``artifact push`` and ``source push``: between this machine's cache and remote ones.

Knows which stages these have; nothing of connections.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...project.resolve import ResolvedElement
from ...protocol.errors import StreamError
from ...protocol.requests import ArtifactPull, ArtifactPush, SourcePush
from ..items import Item
from ..pipeline import Pipeline
from ..remotes import SessionRemotes, open_remotes
from ..run import Run
from ..scheduler import Stage
from ..session import Session
from ..stages import FetchStage, PullStage, PushStage, SourcePushStage
from .build import check_resolved, tell_pipeline


def artifact_pull(session: Session, action: ArtifactPull) -> int:
    """Pull artifacts.

    Raises:
        GrilseError: elements cannot be loaded, there is nowhere to pull from, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        pipeline.open_project()
        targets, elements = _elements(pipeline, action.artifacts, action.deps)
        remotes = open_remotes(pipeline, action.remotes, sources=False, purpose="pull")
        if not remotes.any_pull:
            raise StreamError("No artifact caches available for pulling artifacts")
        retries = pipeline.config.network_retries
        stage = PullStage(pipeline.book, pipeline.states, retries, remotes.pull_artifacts, always=True)
        _run(pipeline, targets, elements, [stage])
    return 0


def artifact_push(session: Session, action: ArtifactPush) -> int:
    """Push artifacts; those that are not here are pulled first if that is possible.

    Raises:
        GrilseError: elements cannot be loaded, there is nowhere to push to, an artifact is missing, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        pipeline.open_project()
        targets, elements = _elements(pipeline, action.artifacts, action.deps)
        remotes = open_remotes(pipeline, action.remotes, sources=False, purpose="push")
        if not remotes.any_push:
            raise StreamError("No artifact caches available for pushing artifacts")
        _run(pipeline, targets, elements, _pushing(pipeline, remotes))
        missing = [element for element in elements if not pipeline.states.artifact(element)]
        if missing:
            raise StreamError(
                "Some artifacts are not cached and cannot be pushed",
                detail="\n".join(element.full_name for element in missing),
            )
    return 0


def _pushing(pipeline: Pipeline, remotes: SessionRemotes) -> list[Stage]:
    retries = pipeline.config.network_retries
    push = PushStage(pipeline.book, pipeline.states, retries, remotes.push_artifacts)
    if not remotes.any_pull:
        return [push]
    return [PullStage(pipeline.book, pipeline.states, retries, remotes.pull_artifacts, always=False), push]


def source_push(session: Session, action: SourcePush) -> int:
    """Push sources; those that are not here are fetched first.

    Raises:
        GrilseError: elements cannot be loaded, there is nowhere to push to, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        pipeline.open_project()
        targets = pipeline.load_targets(action.targets, action.except_)
        elements = pipeline.select(targets, action.deps)
        check_resolved(elements)
        remotes = open_remotes(pipeline, action.remotes, artifacts=False, purpose="push")
        if not remotes.any_source_push:
            raise StreamError("No source caches available for pushing sources")
        retries = pipeline.config.network_retries
        fetch = FetchStage(pipeline.book, pipeline.states, retries)
        push = SourcePushStage(pipeline.book, pipeline.states, retries, remotes.push_sources)
        _run(pipeline, targets, elements, [fetch, push])
    return 0


def _elements(
    pipeline: Pipeline, names: Sequence[str], deps: str
) -> tuple[list[ResolvedElement], list[ResolvedElement]]:
    targets = pipeline.load_targets(names)
    elements = pipeline.select(targets, deps)
    with pipeline.session.reporter.span("Query cache"):
        for element in elements:
            pipeline.states.artifact(element)
    return targets, elements


def _run(
    pipeline: Pipeline,
    targets: Sequence[ResolvedElement],
    elements: Sequence[ResolvedElement],
    stages: Sequence[Stage],
) -> None:
    tell_pipeline(pipeline, targets, elements)
    run = Run(pipeline, stages)
    for index, element in enumerate(elements):
        run.scheduler.enter(Item(element, index, index, pipeline.states))
    run.run()
