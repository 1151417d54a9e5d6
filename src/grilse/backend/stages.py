"""The stages of commands: pull, fetch, build, push, track; each decides, makes job messages, takes outcomes.

Knows elements, their states and the build plan; nothing of workers, tokens or displays.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..project.resolved import ResolvedElement
from ..protocol.jobs import JobResult, JobSpec
from ..protocol.message import Failure
from .items import Item, worker_died
from .plan import BuildPlan
from .planbook import PlanBook
from .states import States
from .tasks import DOWNLOAD, PROCESS, UPLOAD, Decision


class BaseStage:
    """What all stages have in common.

    Args:
        book: makes job messages.
        states: what is cached.
        retries: how often a job is tried again after a network failure.
    """

    action = ""
    task = ""
    tokens: tuple[str, ...] = ()
    # Whether an element goes on to the next stage although its job failed.
    goes_on = False
    # Whose plugins its jobs run: "element", "sources", or none.
    runs = ""

    def __init__(self, book: PlanBook, states: States, retries: int = 0) -> None:
        self.book = book
        self.states = states
        self.retries = retries

    def decide(self, item: Item) -> Decision:
        """What to do with an element."""
        return Decision.RUN

    def failure(self, item: Item, log: str | None) -> Failure:
        """Why `decide` said FAIL; what was logged when it happened is written to `log`."""
        raise NotImplementedError

    def parameters(self, item: Item) -> dict[str, Any]:
        """What only this task needs."""
        return {}

    def spec(self, item: Item, job: int, attempt: int) -> JobSpec:
        """The message of an element's job."""
        return self.book.spec(
            item, job=job, action=self.action, task=self.task, attempt=attempt, parameters=self.parameters(item)
        )

    def finished(self, item: Item, result: JobResult) -> None:
        """Take the outcome of a job that ended well or was skipped."""

    def failed(self, item: Item, result: JobResult) -> None:
        """Take the outcome of a job that failed."""

    def lost(self, item: Item, how: str) -> Failure:
        """Why a job failed whose worker died."""
        return worker_died(item, how, runs=self.runs)

    def priority(self, item: Item) -> int:
        """Smaller goes first."""
        return item.order


class PullStage(BaseStage):
    """Pull artifacts that are not here; whatever is wrong with a remote, the element is built instead.

    Args:
        remotes: whether there is anywhere to pull an element's artifact from.
        trees: pull also what is here without its build tree.
        pulled: called when a job has ended.
    """

    action = "pull"
    task = "pull"
    tokens: tuple[str, ...] = (DOWNLOAD,)

    def __init__(
        self,
        book: PlanBook,
        states: States,
        retries: int,
        remotes: Callable[[ResolvedElement], bool],
        *,
        trees: bool = False,
        pulled: Callable[[Item], None] | None = None,
    ) -> None:
        super().__init__(book, states, retries)
        self._remotes = remotes
        self._trees = trees
        self._pulled = pulled

    def decide(self, item: Item) -> Decision:
        """Pull what is not here."""
        element = item.element
        if not self._remotes(element) or element.weak_key is None or element.workspace is not None:
            return Decision.SKIP
        if self.states.artifact(element) is None:
            return Decision.RUN
        return Decision.RUN if self._trees and self.states.lacks_tree(element) else Decision.SKIP

    def finished(self, item: Item, result: JobResult) -> None:
        """An artifact may be here now."""
        item.pulled = bool(result.values.get("pulled"))
        self.states.forget(item.element)
        if self._pulled is not None:
            self._pulled(item)


class FetchStage(BaseStage):
    """Fetch sources.

    Args:
        plan: leaves out elements whose artifact is here, or None.
    """

    action = "fetch"
    task = "fetch"
    runs = "sources"
    tokens: tuple[str, ...] = (DOWNLOAD,)

    def __init__(self, book: PlanBook, states: States, retries: int, *, plan: BuildPlan | None = None) -> None:
        super().__init__(book, states, retries)
        self._plan = plan

    def decide(self, item: Item) -> Decision:
        """Fetch what an element needs that has to be built."""
        element = item.element
        if self._plan is not None and self.states.artifact(element) is not None and not item.rebuild:
            return Decision.SKIP
        if not element.sources:
            return Decision.SKIP
        if self.states.sources_cached(element):
            return Decision.SKIP
        return Decision.RUN

    def finished(self, item: Item, result: JobResult) -> None:
        """The sources are here."""
        self.states.forget(item.element)


class BuildStage(BaseStage):
    """Build what is not cached as soon as all that it builds with is usable.

    Args:
        plan: says what is usable.
        built: called when a build has ended, well or not.
    """

    action = "build"
    task = "build"
    runs = "element"
    tokens: tuple[str, ...] = (PROCESS,)
    goes_on = True

    def __init__(self, book: PlanBook, states: States, plan: BuildPlan, built: Callable[[Item], None]) -> None:
        super().__init__(book, states)
        self._plan = plan
        self._built = built

    def decide(self, item: Item) -> Decision:
        """Build it, wait, or tell that it failed before."""
        artifact = self.states.artifact(item.element)
        if artifact is not None and artifact.success:
            return Decision.SKIP
        if artifact is not None and not item.rebuild:
            return Decision.FAIL
        return Decision.RUN if self._plan.is_buildable(item.index) else Decision.WAIT

    def failure(self, item: Item, log: str | None) -> Failure:
        """The failure that is cached; so is its log, as far as it was not lost."""
        artifact = self.states.cached_failure(item.element)
        assert artifact is not None
        if log is not None:
            os.makedirs(os.path.dirname(log), exist_ok=True)
            with open(log, "wb") as file:
                file.writelines(self.states.logs(artifact))
        return Failure(domain="ELEMENT", message=artifact.error, detail=artifact.error_detail or None)

    def spec(self, item: Item, job: int, attempt: int) -> JobSpec:
        """The key is known at the latest when all that it is built with is there."""
        self.states.full_key(item.element)
        return super().spec(item, job, attempt)

    def finished(self, item: Item, result: JobResult) -> None:
        """The artifact is here."""
        item.rebuild = False
        item.built = True
        self.states.built(item.element)
        self._built(item)

    def failed(self, item: Item, result: JobResult) -> None:
        """The artifact of a failed build may be here; a retry builds again."""
        item.rebuild = True
        self.states.built(item.element)
        self._built(item)


class PushStage(BaseStage):
    """Push artifacts to remotes that take them.

    Args:
        remotes: whether there is anywhere to push what is of an element.
    """

    action = "push"
    task = "push"
    tokens: tuple[str, ...] = (UPLOAD,)

    def __init__(
        self, book: PlanBook, states: States, retries: int, remotes: Callable[[ResolvedElement], bool]
    ) -> None:
        super().__init__(book, states, retries)
        self._remotes = remotes

    def decide(self, item: Item) -> Decision:
        """Push what is here; not what was pulled without the build tree that belongs to it."""
        artifact = self.states.artifact(item.element)
        if not self._remotes(item.element) or artifact is None:
            return Decision.SKIP
        return Decision.SKIP if artifact.tainted or self.states.tree_missing(artifact) else Decision.RUN


class SourcePushStage(PushStage):
    """Push sources to remotes that take them."""

    task = "source_push"

    def decide(self, item: Item) -> Decision:
        """Push what is here."""
        element = item.element
        if not self._remotes(element) or not element.sources or element.workspace is not None:
            return Decision.SKIP
        if not self.states.sources_cached(element):
            return Decision.SKIP
        return Decision.RUN


class TrackStage(BaseStage):
    """Find new refs.

    Args:
        apply: called with an element and what its job found: stores the refs.
    """

    action = "track"
    task = "track"
    runs = "sources"
    tokens: tuple[str, ...] = (DOWNLOAD,)

    def __init__(
        self, book: PlanBook, states: States, retries: int, apply: Callable[[Item, list[dict[str, Any]]], None]
    ) -> None:
        super().__init__(book, states, retries)
        self._apply = apply

    def decide(self, item: Item) -> Decision:
        """Track what has sources."""
        return Decision.RUN if item.element.sources else Decision.SKIP

    def finished(self, item: Item, result: JobResult) -> None:
        """Store the new refs."""
        self._apply(item, result.values.get("refs", []))
