"""Tells the frontend what a session is about, before it begins: targets, what these depend on, configuration.

Knows elements, artifacts and their states; nothing of stages, nor of how this is shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..project.resolved import ResolvedElement
from ..protocol import events
from .heading import heading

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .remotes import SessionRemotes
    from .subjects import Chosen, Subject

# What a display can format by itself of what it is told of an element; see `events.PipelineElement`.
_KNOWN_SYMBOLS = {"name", "kind", "key", "full-key", "state", "workspaced", "workspace-dirs"}


def tell_pipeline(
    pipeline: Pipeline,
    targets: Sequence[ResolvedElement],
    planned: Sequence[ResolvedElement],
    remotes: SessionRemotes | None = None,
) -> None:
    """Tell of elements, and of all that they depend on.

    Args:
        pipeline: with the project.
        targets: what was asked for.
        planned: what the session works on.
        remotes: those that the session uses, if it asks any.
    """
    _tell(pipeline, targets, planned, [], [], remotes)


def tell_chosen(pipeline: Pipeline, chosen: Chosen, remotes: SessionRemotes) -> None:
    """Tell of elements and of artifacts that are named by themselves; for the latter no project is needed."""
    planned = [subject.element for subject in chosen.subjects if subject.element is not None]
    bare = [subject for subject in chosen.subjects if subject.element is None]
    _tell(pipeline, chosen.elements, planned, chosen.artifacts, bare, remotes)


def _tell(
    pipeline: Pipeline,
    targets: Sequence[ResolvedElement],
    planned: Sequence[ResolvedElement],
    named: Sequence[Subject],
    bare: Sequence[Subject],
    remotes: SessionRemotes | None,
) -> None:
    elements = pipeline.select(targets, "all") if targets else []
    # An artifact's dependencies are listed before it, as those of elements are.
    artifacts = {subject.name: subject for subject in (*bare, *named)}
    names = [*(target.full_name for target in targets), *(subject.name for subject in named)]
    project = next(iter(pipeline.projects()), None)
    pipeline.session.reporter.emit(
        events.Pipeline(
            time=time.time(),
            project=project.name if project is not None else "",
            heading=heading(pipeline, names, remotes),
            lines=_formatted(pipeline, elements, list(artifacts)),
            targets=tuple(names),
            elements=(
                *_elements(pipeline, elements, {id(element) for element in planned}),
                *_artifacts(artifacts, {subject.name for subject in bare}),
            ),
        )
    )


def tell_resolved(
    pipeline: Pipeline, elements: Sequence[ResolvedElement]
) -> tuple[tuple[events.PipelineElement, ...], tuple[str, ...]]:
    """What a summary says of elements whose keys have been found out: themselves, and lines in the user's format."""
    return tuple(_elements(pipeline, elements, set(map(id, elements)))), _formatted(pipeline, elements, [])


def _elements(
    pipeline: Pipeline, elements: Sequence[ResolvedElement], planned: set[int]
) -> list[events.PipelineElement]:
    states = pipeline.states
    places = {id(element): place for place, element in enumerate(elements)}
    return [
        events.PipelineElement(
            element.full_name,
            states.key(element)[0] or "",
            states.state(element),
            element.kind,
            element.workspace or "",
            tuple(
                places[id(below)]
                for below in (*element.build_dependencies, *element.runtime_dependencies)
                if id(below) in places
            ),
            id(element) in planned,
        )
        for element in elements
    ]


def _artifacts(artifacts: dict[str, Subject], planned: set[str]) -> list[events.PipelineElement]:
    return [
        events.PipelineElement(
            name,
            subject.keys[0] if subject.keys else "",
            "waiting" if subject.artifact is None else "cached" if subject.artifact.success else "failed",
            "artifact",
            planned=name in planned,
        )
        for name, subject in artifacts.items()
    ]


def _formatted(pipeline: Pipeline, elements: Sequence[ResolvedElement], artifacts: Sequence[str]) -> tuple[str, ...]:
    """A line for each in the user's format, when that asks for more than displays know; artifacts have but a name."""
    from ..project.show import compile_format
    from .commands.show import ElementView

    form = compile_format(pipeline.config.element_format, pipeline.config.key_length)
    if form.symbols <= _KNOWN_SYMBOLS:
        return ()
    return (*(form.line(ElementView(element, pipeline.states)) for element in elements), *artifacts)
