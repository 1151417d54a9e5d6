"""``source fetch`` and ``source track``: sources of elements, without building them.

Knows which stages these have; nothing of how sources are fetched or refs are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...project.own_key import compute_missing_keys
from ...project.ref_storage import store_ref
from ...project.refs import PROJECT_REFS
from ...project.resolved import ResolvedElement
from ...protocol.errors import StreamError
from ...protocol.requests import SourceFetch, SourceTrack
from ..announce import tell_pipeline, tell_resolved
from ..items import Item
from ..pipeline import Pipeline
from ..redirect import source_element
from ..remotes import open_remotes
from ..run import Resolved, Run
from ..session import Session
from ..stages import FetchStage, TrackStage
from .build import check_resolved


def fetch(session: Session, action: SourceFetch) -> int:
    """Fetch the sources of elements.

    Raises:
        GrilseError: elements cannot be loaded, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working(("fetch",)):
        pipeline.open_project(action.targets)
        targets = pipeline.load_targets(action.targets, action.except_)
        elements = pipeline.select(targets, action.deps)
        check_resolved(elements)
        remotes = open_remotes(pipeline, action.remotes, artifacts=False)
        states = pipeline.states
        with session.reporter.span("Query cache"):
            states.ask_storage(elements)
            for element in elements:
                states.artifact(element)
        tell_pipeline(pipeline, targets, elements, remotes)
        stage = FetchStage(pipeline.book, states, pipeline.config.network_retries)
        run = Run(pipeline, [stage])
        for index, element in enumerate(elements):
            run.scheduler.enter(Item(element, index, index, states))
        run.run()
    return 0


def track(session: Session, action: SourceTrack) -> int:
    """Find new refs of elements' sources and store them.

    Raises:
        GrilseError: elements cannot be loaded, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working(("track",)):
        pipeline.open_project(action.targets)
        targets = pipeline.load_targets(action.targets, action.except_, complete=False)
        elements = _trackable(pipeline, targets, action.deps, cross_junctions=action.cross_junctions)
        tell_pipeline(pipeline, targets, elements)

        def apply(item: Item, refs: list[dict[str, Any]]) -> None:
            for entry in refs:
                if entry["changed"]:
                    store_ref(pipeline.project, item.element, entry["index"], entry["ref"])

        stage = TrackStage(pipeline.book, pipeline.states, pipeline.config.network_retries, apply)
        run = Run(pipeline, [stage])
        for index, element in enumerate(elements):
            run.scheduler.enter(Item(element, index, index, pipeline.states))

        def resolved() -> Resolved:
            found = compute_missing_keys(pipeline.select(targets, "all"), strict=pipeline.strict)
            tracked = {id(element) for element in elements if element.sources}
            return tell_resolved(pipeline, sorted((e for e in found if id(e) in tracked), key=lambda e: e.full_name))

        run.run(resolved)
    return 0


def _trackable(
    pipeline: Pipeline, targets: Sequence[ResolvedElement], deps: str, *, cross_junctions: bool
) -> list[ResolvedElement]:
    """What is tracked: unless asked for, nothing beyond the project of each target.

    Raises:
        StreamError: ``untrackable-sources`` when refs of a subproject would have to be stored in it.
    """
    chosen: dict[int, ResolvedElement] = {}
    for named in targets:
        target = source_element(pipeline, named) if deps == "none" else named
        for element in pipeline.select([target], deps):
            if cross_junctions or element.load_element.project is target.load_element.project:
                chosen.setdefault(id(element), element)
    elements = list(chosen.values())
    toplevel = pipeline.project
    if toplevel.ref_storage != PROJECT_REFS and any(
        element.load_element.project is not toplevel for element in elements
    ):
        raise StreamError(
            "Untrackable sources",
            detail="Requested to track sources across junction boundaries\n"
            "in a project which does not use project.refs ref-storage.",
            reason="untrackable-sources",
        )
    return elements
