"""``source fetch`` and ``source track``: sources of elements, without building them.

Knows which stages these have; nothing of how sources are fetched or refs are stored.
"""

from __future__ import annotations

from ...protocol.requests import SourceFetch
from ..items import Item
from ..pipeline import Pipeline
from ..run import Run
from ..session import Session
from ..stages import FetchStage
from .build import check_resolved, tell_pipeline


def fetch(session: Session, action: SourceFetch) -> int:
    """Fetch the sources of elements.

    Raises:
        GrilseError: elements cannot be loaded, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working(("fetch",)):
        pipeline.open_project()
        targets = pipeline.load_targets(action.targets, action.except_)
        elements = pipeline.select(targets, action.deps)
        check_resolved(elements)
        states = pipeline.states
        with session.reporter.span("Query cache"):
            for element in elements:
                states.artifact(element)
        tell_pipeline(pipeline, targets, elements)
        stage = FetchStage(pipeline.book, states, pipeline.config.network_retries, original=True)
        run = Run(pipeline, [stage])
        for index, element in enumerate(elements):
            run.scheduler.enter(Item(element, index, index, states))
        run.run()
    return 0
