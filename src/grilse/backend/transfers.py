"""Stages that pull and push what a command line names, be it elements or artifacts without an element.

Knows which job each gets; nothing of how names are found or of connections.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..protocol.jobs import JobResult, JobSpec
from ..protocol.requests import Remotes
from ..storage.artifact import Artifact
from .items import ArtifactItem, Item
from .pipeline import PULLING, Pipeline
from .remotes import SessionRemotes, open_remotes
from .run import Run
from .stages import BaseStage
from .subjects import Subject, bare_ref, named_subject
from .tasks import DOWNLOAD, UPLOAD, Decision


@dataclass(frozen=True, slots=True)
class TransferItem:
    """A subject and what jobs are told of it.

    Attributes:
        subject: as it was when the command began.
        item: its item.
    """

    subject: Subject
    item: Item | ArtifactItem

    @property
    def display_name(self) -> str:
        """What users call it."""
        return self.item.display_name

    @property
    def display_key(self) -> str:
        """Full key, or ""."""
        return self.item.display_key


def transfer_items(pipeline: Pipeline, subjects: Iterable[Subject]) -> list[TransferItem]:
    """An item for each subject, in their order."""
    items = []
    for index, subject in enumerate(subjects):
        element = subject.element
        item: Item | ArtifactItem
        if element is not None:
            item = Item(element, index, index, pipeline.states)
        else:
            item = ArtifactItem(subject.name, subject.project, subject.element_name, subject.keys[0], index)
        items.append(TransferItem(subject, item))
    return items


class TransferStage(BaseStage):
    """What pulling and pushing have in common.

    Args:
        pipeline: whose plan book and states are used.
        remotes: where to or from.
    """

    def __init__(self, pipeline: Pipeline, remotes: SessionRemotes) -> None:
        super().__init__(pipeline.book, pipeline.states, pipeline.config.network_retries)
        self._pipeline = pipeline
        self._remotes = remotes

    def spec(self, item: Any, job: int, attempt: int) -> JobSpec:
        """The message of a job; artifacts without an element are told of by their names."""
        subject: Subject = item.subject
        ref = None if subject.element is not None else bare_ref(self._pipeline, subject)
        return self.book.spec(
            item.item,
            ref=ref,
            job=job,
            action=self.action,
            task=self.task,
            attempt=attempt,
            parameters=self.parameters(item),
        )

    def priority(self, item: Any) -> int:
        """In the order of the command line."""
        order: int = item.item.order
        return order

    def artifact(self, subject: Subject) -> Artifact | None:
        """What is here now."""
        if subject.element is not None:
            return self.states.artifact(subject.element)
        return subject.artifact or named_subject(self._pipeline, subject.name).artifact


class TransferPull(TransferStage):
    """Pull what is not here.

    Args:
        required: trouble with a remote is a failure, since pulling is what was asked for.
    """

    action = "pull"
    task = "pull"
    tokens: tuple[str, ...] = (DOWNLOAD,)

    def __init__(self, pipeline: Pipeline, remotes: SessionRemotes, *, required: bool) -> None:
        super().__init__(pipeline, remotes)
        self._required = required
        self._trees = pipeline.config.pull_buildtrees

    def decide(self, item: Any) -> Decision:
        """Pull what has a key and is in nobody's workspace, with its build tree if that is configured."""
        subject: Subject = item.subject
        element = subject.element
        if element is not None and (element.weak_key is None or element.workspace is not None):
            return Decision.SKIP
        if not self._remotes.pulls_from(subject.project):
            return Decision.SKIP
        artifact = self.artifact(subject)
        if artifact is None or (self._trees and self.states.tree_missing(artifact)):
            return Decision.RUN
        return Decision.SKIP

    def parameters(self, item: Any) -> dict[str, Any]:
        """Whether trouble is a failure."""
        return {"required": self._required}

    def finished(self, item: Any, result: JobResult) -> None:
        """An artifact may be here now."""
        if item.subject.element is not None:
            self.states.forget(item.subject.element)


class TransferPush(TransferStage):
    """Push; what is not here fails, as it was asked for."""

    action = "push"
    task = "push"
    tokens: tuple[str, ...] = (UPLOAD,)

    def decide(self, item: Any) -> Decision:
        """Push what no workspace went into."""
        subject: Subject = item.subject
        if not self._remotes.pushes_to(subject.project):
            return Decision.SKIP
        artifact = self.artifact(subject)
        return Decision.SKIP if artifact is not None and artifact.tainted else Decision.RUN


def pull_named(pipeline: Pipeline, subjects: Sequence[Subject], given: Remotes) -> list[Subject]:
    """Artifacts named by themselves, after those that are not here have been pulled, as far as remotes have them.

    Args:
        pipeline: whose jobs pull.
        subjects: the artifacts.
        given: remotes of the command line.

    Raises:
        GrilseError: a remote is malformed, or a job failed.
    """
    projects = tuple(dict.fromkeys(subject.project for subject in subjects))
    remotes = open_remotes(pipeline, given, sources=False, purpose="pull", extra_projects=projects)
    stage = TransferPull(pipeline, remotes, required=False)
    missing = [item for item in transfer_items(pipeline, subjects) if stage.decide(item) is Decision.RUN]
    if missing:
        pipeline.session.reporter.text("info", PULLING)
        run = Run(pipeline, [stage])
        for item in missing:
            run.scheduler.enter(item)
        run.run()
    return [named_subject(pipeline, subject.name) for subject in subjects]
