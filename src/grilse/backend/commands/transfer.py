"""``artifact pull``, ``artifact push`` and ``source push``: between this machine's cache and remote ones.

Knows which stages these have; nothing of connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...protocol.errors import StreamError
from ...protocol.requests import ArtifactPull, ArtifactPush, Remotes, SourcePush
from ..announce import tell_chosen, tell_pipeline
from ..items import Item
from ..pipeline import Pipeline
from ..remotes import SessionRemotes, open_remotes
from ..run import Run
from ..session import Session
from ..single import run_task
from ..stages import FetchStage, SourcePushStage
from ..subjects import Chosen, Subject, load_subjects
from ..tasks import Stage
from ..transfers import TransferPull, TransferPush, transfer_items
from .build import check_resolved


def artifact_pull(session: Session, action: ArtifactPull) -> int:
    """Pull artifacts.

    Raises:
        GrilseError: elements cannot be loaded, there is nowhere to pull from, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        chosen = load_subjects(pipeline, action.artifacts, action.deps, _needs(pipeline, action.remotes), defaults=True)
        remotes = _remotes(pipeline, action.remotes, chosen.subjects, "pull")
        if not remotes.any_pull:
            raise StreamError("No artifact caches available for pulling artifacts")
        _check_keys(chosen)
        _transfer(pipeline, chosen, [TransferPull(pipeline, remotes, required=True)], remotes)
    return 0


def artifact_push(session: Session, action: ArtifactPush) -> int:
    """Push artifacts; those that are not here are pulled first if that is possible.

    Raises:
        GrilseError: elements cannot be loaded, there is nowhere to push to, an artifact is missing, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        chosen = load_subjects(pipeline, action.artifacts, action.deps, _needs(pipeline, action.remotes), defaults=True)
        remotes = _remotes(pipeline, action.remotes, chosen.subjects, "push")
        if not remotes.any_push:
            raise StreamError("No artifact caches available for pushing artifacts")
        _check_keys(chosen)
        stages: list[Stage] = [TransferPush(pipeline, remotes)]
        if remotes.any_pull:
            stages.insert(0, TransferPull(pipeline, remotes, required=False))
        _transfer(pipeline, chosen, stages, remotes)
    return 0


def _check_keys(chosen: Chosen) -> None:
    """What has no key has no artifact that could be asked for.

    Raises:
        GrilseError: PIPELINE inconsistent-pipeline.
    """
    check_resolved([subject.element for subject in chosen.subjects if subject.element is not None])


def _remotes(pipeline: Pipeline, given: Remotes, subjects: Sequence[Subject], purpose: str) -> SessionRemotes:
    extra = tuple(dict.fromkeys(subject.project for subject in subjects if subject.element is None))
    return open_remotes(pipeline, given, sources=False, purpose=purpose, extra_projects=extra)


def _needs(pipeline: Pipeline, given: Remotes) -> Callable[[Subject], list[str]]:
    """Asks remotes what an artifact was built with that is not here."""

    def needs(subject: Subject) -> list[str]:
        remotes = _remotes(pipeline, given, [subject], "pull")
        if not remotes.pulls_from(subject.project):
            return []
        asked = {"project": subject.project, "element": subject.element_name, "key": subject.keys[0]}
        return list(run_task(pipeline, "artifact_needs", asked)["needs"])

    return needs


def _transfer(pipeline: Pipeline, chosen: Chosen, stages: Sequence[Stage], remotes: SessionRemotes) -> None:
    tell_chosen(pipeline, chosen, remotes)
    run = Run(pipeline, stages)
    for item in transfer_items(pipeline, chosen.subjects):
        run.scheduler.enter(item)
    run.run()


def source_push(session: Session, action: SourcePush) -> int:
    """Push sources; those that are not here are fetched first.

    Raises:
        GrilseError: elements cannot be loaded, there is nowhere to push to, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working():
        pipeline.open_project(action.targets)
        targets = pipeline.load_targets(action.targets, action.except_)
        elements = pipeline.select(targets, action.deps)
        check_resolved(elements)
        remotes = open_remotes(pipeline, action.remotes, artifacts=False, purpose="push")
        if not remotes.any_source_push:
            raise StreamError("No source caches available for pushing sources")
        retries = pipeline.config.network_retries
        fetch = FetchStage(pipeline.book, pipeline.states, retries)
        push = SourcePushStage(pipeline.book, pipeline.states, retries, remotes.push_sources)
        tell_pipeline(pipeline, targets, elements, remotes)
        run = Run(pipeline, [fetch, push])
        for index, element in enumerate(elements):
            run.scheduler.enter(Item(element, index, index, pipeline.states))
        run.run()
    return 0
