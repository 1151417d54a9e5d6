"""``shell``: a worker stages the sandbox, the frontend runs the command on the terminal.

Knows what must be there before a shell can be staged; nothing of terminals.
"""

from __future__ import annotations

from ...project.resolved import ResolvedElement
from ...protocol.errors import ErrorDomain, GrilseError, StreamError
from ...protocol.jobs import JobLaunch
from ...protocol.records import Ref
from ...protocol.requests import Shell, Terminate
from ...storage.artifact import Artifact
from ..items import ArtifactItem
from ..pipeline import Pipeline
from ..remotes import open_remotes
from ..session import Session
from ..shells import shell_parameters, shell_ready
from ..single import obey, run_single
from ..subjects import Subject, artifact_ref, one_subject, refuse_elements, subject_of
from ..transfers import pull_named
from .build import check_resolved
from .checkout import default_target

# Number of the one job that a shell is.
SHELL_JOB = 0


def shell(session: Session, action: Shell) -> int:
    """Run a shell or a command; returns its exit status.

    Raises:
        GrilseError: it cannot be staged.
    """
    pipeline = Pipeline(session)
    with pipeline.working(("shell",)):
        project = pipeline.try_open_project()
        target = action.target or default_target(pipeline, "TARGET")
        try:
            if project is None:
                refuse_elements([target])
            return _shell(pipeline, action, target)
        except GrilseError as error:
            raise GrilseError(
                f"Error launching shell: {error}",
                domain=ErrorDomain.APP,
                reason=error.reason,
                detail=error.detail,
            ) from error


def _shell(pipeline: Pipeline, action: Shell, target: str) -> int:
    build = action.build or action.use_buildtree
    subject = _subject(pipeline, target, action)
    if subject.element is None:
        [subject] = pull_named(pipeline, [subject], action.remotes)
    else:
        remotes = open_remotes(pipeline, action.remotes)
        element = subject.element
        needed = [element] if action.use_buildtree else element.build_closure if build else element.run_closure
        pipeline.pull_missing(list(needed), remotes)
        subject = subject_of(pipeline, element)
    _check(pipeline, subject, action, build)
    item, ref = _item(pipeline, subject)
    parameters = shell_parameters(
        pipeline,
        subject.name,
        (subject.keys or ("",))[0],
        build=build,
        use_buildtree=action.use_buildtree,
        isolate=action.isolate,
        command=action.command,
        mounts=action.mounts,
    )

    def offer(launch: JobLaunch) -> None:
        pipeline.session.reporter.emit(shell_ready(launch, subject.name))

    session = pipeline.session

    session.control.serve(
        lambda command: session.loop.call(lambda: obey(pipeline.pool, session.clock, SHELL_JOB, command)),
        lambda: session.loop.call(lambda: obey(pipeline.pool, session.clock, SHELL_JOB, Terminate(hurry=True))),
    )
    values = run_single(
        pipeline,
        item,
        "shell",
        "shell",
        parameters,
        ref=ref,
        on_launch=offer,
    )
    status: int = values["status"]
    return status


def _subject(pipeline: Pipeline, target: str, action: Shell) -> Subject:
    subject = one_subject(pipeline, target)
    if subject.element is None and not action.use_buildtree:
        raise StreamError(
            "Only buildtrees are supported with artifact names",
            detail="Use the --build and --use-buildtree options to shell into a cached build tree",
            reason="only-buildtrees-supported",
        )
    return subject


def _item(pipeline: Pipeline, subject: Subject) -> tuple[ResolvedElement | ArtifactItem, Ref | None]:
    if subject.element is not None:
        return subject.element, None
    return ArtifactItem(subject.name, subject.project, subject.element_name, subject.keys[0]), artifact_ref(
        pipeline, subject
    )


def _check(pipeline: Pipeline, subject: Subject, action: Shell, build: bool) -> None:
    states = pipeline.states
    if action.use_buildtree:
        _check_buildtree(pipeline, subject.artifact)
        return
    element = subject.element
    assert element is not None
    needed = element.build_closure if build else element.run_closure
    # What failed to build is there too, as far as it got
    missing = [below for below in needed if states.artifact(below) is None]
    if missing:
        raise StreamError(
            "Elements need to be built or downloaded before staging a shell environment",
            detail="\n".join(below.full_name for below in missing),
            reason="shell-missing-deps",
        )
    if build:
        # Its sources are staged
        check_resolved([element])


def _check_buildtree(pipeline: Pipeline, artifact: Artifact | None) -> None:
    if artifact is None:
        raise StreamError(
            "Artifact not cached locally or in available remotes", reason="missing-buildtree-artifact-not-cached"
        )
    if artifact.buildroot is None:
        raise StreamError(
            "Artifact was created without buildtree", reason="missing-buildtree-artifact-created-without-buildtree"
        )
    if not pipeline.states.presence.tree(artifact.buildroot):
        raise StreamError(
            "Buildtree is not cached locally or in available remotes",
            reason="missing-buildtree-artifact-buildtree-not-cached",
        )
    if not artifact.success:
        pipeline.session.reporter.text("warn", "using a buildtree from a failed build.")
