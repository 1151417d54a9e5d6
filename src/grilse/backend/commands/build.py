"""``build``: build elements and all that they need.

Knows which stages a build has and which elements it is about.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...project.resolved import ResolvedElement
from ...project.workspace_store import WorkspaceStore
from ...protocol.errors import ErrorDomain, GrilseError
from ...protocol.requests import Build
from ..announce import tell_pipeline
from ..items import Item
from ..pipeline import Pipeline
from ..plan import BuildPlan
from ..remotes import SessionRemotes, open_remotes
from ..run import Run
from ..session import Session
from ..stages import BuildStage, FetchStage, PullStage, PushStage, SourcePushStage
from ..subjects import without_junctions
from ..tasks import Stage


def build(session: Session, action: Build) -> int:
    """Build.

    Raises:
        GrilseError: elements cannot be loaded, or a job failed.
    """
    pipeline = Pipeline(session)
    with pipeline.working(("fetch", "build")):
        pipeline.open_project(action.targets)
        targets = pipeline.load_targets(action.targets)
        if not action.targets:
            targets = without_junctions(targets)
        deps = action.deps or pipeline.config.build_dependencies
        with session.reporter.span("Build", announce=False):
            remotes = open_remotes(pipeline, action.remotes)
            retry_failed = action.retry_failed or pipeline.config.retry_failed
            _build(pipeline, targets, deps, remotes, retry_failed=retry_failed)
    return 0


def _build(
    pipeline: Pipeline,
    targets: Sequence[ResolvedElement],
    deps: str,
    remotes: SessionRemotes,
    *,
    retry_failed: bool,
) -> None:
    session, states = pipeline.session, pipeline.states
    elements = pipeline.select(_build_dependencies(targets) if deps == "build" else targets, "plan")
    check_resolved(elements)
    with session.reporter.span("Query cache"):
        states.ask_storage(elements)
        for element in elements:
            discard_failure(pipeline, element, retry_failed=retry_failed)
    tell_pipeline(pipeline, targets, elements, remotes)
    numbers = {id(element): index for index, element in enumerate(elements)}
    items = [Item(element, index, index, states, rebuild=retry_failed) for index, element in enumerate(elements)]
    book = pipeline.book
    plan = BuildPlan(
        [[numbers[id(below)] for below in element.build_dependencies] for element in elements],
        [[numbers[id(below)] for below in element.runtime_dependencies] for element in elements],
        lambda index: run.scheduler.enter(items[index]),
        lambda index: run.scheduler.wake(items[index]),
    )

    workspaces = WorkspaceStore(pipeline.project.directory, pipeline.planner.session.context.workspaces)

    def built(item: Item) -> None:
        # Also a build that failed: the next one goes on in what it left
        if item.element.workspace is not None and states.artifact(item.element) is not None:
            workspaces.set_last_build(item.element.full_name, states.key(item.element)[0])

    def done(item: Item, action: str, ran: bool) -> None:
        if action == first and not states.cached_success(item.element):
            plan.must_build(item.index)
        if action == "build" or (action == first and states.cached_success(item.element)):
            plan.set_cached(item.index)

    retries = pipeline.config.network_retries
    stages: list[Stage] = []
    if remotes.any_pull:
        stages.append(
            PullStage(
                book,
                states,
                retries,
                remotes.pull_artifacts,
                trees=pipeline.config.pull_buildtrees,
                pulled=lambda item: discard_failure(pipeline, item.element, retry_failed=retry_failed, action="pull"),
            )
        )
    stages.append(FetchStage(book, states, retries, plan=plan))
    stages.append(BuildStage(book, states, plan, built))
    if remotes.any_push:
        stages.append(PushStage(book, states, retries, remotes.push_artifacts))
    if remotes.any_source_push:
        stages.append(SourcePushStage(book, states, retries, remotes.push_sources))
    first = stages[0].action
    run = Run(pipeline, stages, done)
    require = plan.require_alone if deps == "none" else plan.require
    for index in wanted(pipeline, targets, deps, numbers):
        require(index)
    run.run()


def discard_failure(pipeline: Pipeline, element: ResolvedElement, *, retry_failed: bool, action: str = "main") -> None:
    """Let the cached failure of an element not count if it is to be built again.

    In a build that is not strict that is so also unless its key says that everything it was built with is the same.
    """
    artifact = pipeline.states.artifact(element)
    if artifact is None or artifact.success:
        return
    if retry_failed:
        why = "because retrying failed builds is enabled."
    elif not pipeline.strict and artifact.strong_key != element.strict_key:
        why = "in non strict mode because intermediate dependencies may have changed."
    else:
        return
    pipeline.states.discard_failure(element)
    pipeline.session.reporter.text(
        "info",
        "Discarded failed build",
        detail=f"Discarded '{artifact.strong_key}'\n{why}",
        element=element.full_name,
        key=pipeline.states.key(element)[0],
        action=action,
    )


def _build_dependencies(targets: Sequence[ResolvedElement]) -> list[ResolvedElement]:
    """What the targets are built with; what they need themselves does not matter to who wants no more than that."""
    found = (below for target in targets for below in target.build_dependencies)
    return list({id(below): below for below in found}.values())


def wanted(pipeline: Pipeline, targets: Sequence[ResolvedElement], deps: str, numbers: dict[int, int]) -> list[int]:
    """The elements that must be there in the end."""
    chosen = targets if deps == "none" else pipeline.select(targets, deps)
    return [numbers[id(element)] for element in chosen]


def check_resolved(elements: Sequence[ResolvedElement]) -> None:
    """Every element must have refs for all its sources.

    Raises:
        GrilseError: PIPELINE inconsistent-pipeline, with the elements that have not; or
            inconsistent-pipeline-workspaced, when these are all in workspaces, whose directories must be gone.
    """
    missing = [element for element in elements if not element.is_resolved]
    if not missing:
        return
    untracked = [element for element in missing if element.workspace is None]
    if untracked:
        reason = "inconsistent-pipeline"
        detail = "Exact versions are missing for the following elements:\n\n"
        for element in untracked:
            detail += f"  Element: {element.full_name} is inconsistent\n"
            for source in element.sources:
                if not source.is_resolved():
                    detail += f"    {source} is missing ref\n"
            detail += "\n"
        detail += "Try tracking these elements first with `source track`\n"
    else:
        reason = "inconsistent-pipeline-workspaced"
        detail = "The directories of these workspaces are gone:\n\n"
        detail += "".join(f"  {element.full_name}: {element.workspace}\n" for element in missing)
        detail += "\nPut them back, or give them up with `workspace close`\n"
    raise GrilseError("Inconsistent pipeline", domain=ErrorDomain.PIPELINE, reason=reason, detail=detail)
