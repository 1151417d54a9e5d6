"""``artifact checkout`` and ``source checkout``: content of the cache, written to a directory or an archive.

Knows what may be overwritten; a worker stages and writes.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from typing import Any

from ...plugin.element import normal_name
from ...project.resolved import ResolvedElement
from ...protocol.errors import ErrorDomain, GrilseError, StreamError
from ...protocol.records import Ref
from ...protocol.requests import ArtifactCheckout, SourceCheckout
from ...sandbox.scratch import BESIDE, scratch_beside
from ...storage.placing import move_into, put_in_place
from ..items import ArtifactItem
from ..pipeline import Pipeline
from ..remotes import SessionRemotes, open_remotes
from ..session import Session
from ..single import run_single
from ..subjects import Subject, artifact_ref, dependencies_of, one_subject, refuse_elements
from ..transfers import pull_named
from .build import check_resolved

# Bytes of an archive that are sent to standard output at a time.
PIECE = 1024 * 1024


def artifact_checkout(session: Session, action: ArtifactCheckout) -> int:
    """Check out an artifact.

    Raises:
        GrilseError: it is not cached, the place is taken, or it cannot be written.
    """
    pipeline = Pipeline(session)
    with pipeline.working(("checkout",)):
        target = action.target
        if not target:
            pipeline.try_open_project()
            target = default_target(pipeline)
        subject = _subject(pipeline, target, action.deps)
        tar = action.tar
        _check_name(action.directory)
        directory = None if tar is not None else os.path.abspath(action.directory or target.removesuffix(".bst"))
        fresh = check_writable(directory, tar, force=action.force)
        if subject.element is not None:
            remotes = open_remotes(pipeline, action.remotes, sources=False, purpose="pull")
            _make_cached(pipeline, subject.element, action.deps, remotes)
        else:
            subject = _have_named(pipeline, subject, action)
        with tempfile.TemporaryDirectory(prefix="grilse-") as scratch:
            path = os.path.join(scratch, "archive.tar") if tar == "-" else os.path.abspath(tar) if tar else None
            item, ref = _item(pipeline, subject)
            run_single(
                pipeline,
                item,
                "checkout",
                "checkout",
                {
                    "deps": action.deps,
                    "integrate": action.integrate is not False,
                    "directory": directory,
                    "fresh": fresh,
                    "tar": path,
                    "compression": action.compression,
                    "hardlinks": action.hardlinks,
                },
                ref=ref,
            )
            if tar == "-" and path is not None:
                _send(session, path)
    return 0


def _subject(pipeline: Pipeline, target: str, deps: str) -> Subject:
    if pipeline.try_open_project() is None:
        refuse_elements([target])
    subject = one_subject(pipeline, target)
    if subject.element is None and deps not in ("none", "build"):
        raise StreamError(f"'--deps {deps}' is not supported for artifact names", reason="deps-not-supported")
    return subject


def _make_cached(pipeline: Pipeline, element: ResolvedElement, deps: str, remotes: SessionRemotes) -> None:
    """Have all that is checked out in the cache, pulled if need be.

    Raises:
        StreamError: ``uncached-checkout-attempt``.
    """
    elements = pipeline.select([element], deps)
    states = pipeline.states
    with pipeline.session.reporter.span("Query cache"):
        states.ask_storage(elements)
        for one in elements:
            states.artifact(one)
    pipeline.pull_missing(elements, remotes)
    for one in elements:
        if states.artifact(one) is None:
            raise _uncached(one.full_name)


def _have_named(pipeline: Pipeline, subject: Subject, action: ArtifactCheckout) -> Subject:
    """Have an artifact that is named by itself in the cache, and what it was built with if that is checked out.

    Raises:
        StreamError: ``uncached-checkout-attempt``.
    """
    [subject] = pull_named(pipeline, [subject], action.remotes)
    needed = [subject]
    if action.deps == "build":
        needed += pull_named(pipeline, dependencies_of(pipeline, subject), action.remotes)
    for one in needed:
        if one.artifact is None:
            raise _uncached(one.name)
    return subject


def _uncached(name: str) -> StreamError:
    return StreamError(
        f"Error while staging dependencies into a sandbox: '{name}: the artifact is not in the local cache'",
        detail="No artifacts have been cached yet for that element\nTry building the element first with `build`",
        reason="uncached-checkout-attempt",
    )


def _item(pipeline: Pipeline, subject: Subject) -> tuple[ResolvedElement | ArtifactItem, Ref | None]:
    if subject.element is not None:
        return subject.element, None
    item = ArtifactItem(subject.name, subject.project, subject.element_name, subject.keys[0])
    return item, artifact_ref(pipeline, subject)


def default_target(pipeline: Pipeline, argument: str = "ELEMENT") -> str:
    """The one element that a command works on when none is named.

    Args:
        pipeline: with the project, if there is one.
        argument: how the command line calls what is missing.

    Raises:
        GrilseError: there is none.
    """
    element = pipeline.planner.session.workspace_element if pipeline.projects() else None
    if element is None:
        raise GrilseError(f'Missing argument "{argument}".', domain=ErrorDomain.APP)
    return element


def _check_name(directory: str | None) -> None:
    if directory == "":
        raise StreamError("The name of the directory to check out to is empty")


def check_writable(directory: str | None, tar: str | None, *, force: bool) -> bool:
    """Make sure that a checkout destroys nothing unasked.

    Returns:
        Whether the directory was not there, and has been made.

    Raises:
        StreamError: the directory is not empty, the archive exists, or neither can be written.
    """
    fresh = False
    if directory is not None:
        try:
            fresh = not os.path.lexists(directory)
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise StreamError(f"Failed to create destination directory: '{error}'") from error
        if not os.access(directory, os.W_OK):
            raise StreamError(f"Destination directory '{directory}' not writable")
        if not force and not _is_empty(directory):
            raise StreamError(f"Destination directory '{directory}' not empty")
    elif tar is not None and tar != "-" and os.path.exists(tar):
        if not os.access(tar, os.W_OK):
            raise StreamError(f"Output file '{tar}' not writable")
        if not force:
            raise StreamError(f"Output file '{tar}' already exists")
    return fresh


def _is_empty(directory: str) -> bool:
    """Whether a directory holds nothing but what checkouts left in it that were killed."""
    return all(name.startswith(BESIDE) for name in os.listdir(directory))


def _send(session: Session, path: str) -> None:
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            session.reporter.output(piece)


_BUILD_ALL = """\
#!/bin/sh
# Builds all elements here, in order.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
export SRCDIR="$here"

for name in {names}; do
    "$here/build-$name" || {{ echo "$name failed" >&2; exit 1; }}
    if [ -e /sbin/ldconfig ]; then
        /sbin/ldconfig || true
    fi
done
"""


def source_checkout(session: Session, action: SourceCheckout) -> int:
    """Check out sources of elements, each in a directory of its name.

    Raises:
        GrilseError: sources cannot be had, the place is taken, or it cannot be written.
    """
    _check_name(action.directory)
    location = os.path.abspath(action.tar or action.directory or "source-checkout")
    is_tar = action.tar is not None
    pipeline = Pipeline(session)
    with pipeline.working(("source_checkout",)):
        target = action.target
        if not target:
            pipeline.try_open_project()
            target = default_target(pipeline)
        else:
            pipeline.open_project((target,))
        fresh = check_writable(None if is_tar else location, location if is_tar else None, force=action.force)
        elements = pipeline.select(pipeline.load_targets((target,), action.except_), action.deps)
        check_resolved(elements)
        open_remotes(pipeline, action.remotes, artifacts=False)
        place = os.path.realpath(location)
        try:
            with scratch_beside(place) as scratch:
                staged = os.path.join(scratch, "tree")
                os.mkdir(staged)
                _write_sources(pipeline, elements, staged, scripts=action.include_build_scripts)
                if is_tar:
                    archive = os.path.join(scratch, "archive")
                    _pack(staged, archive, action.compression)
                    os.replace(archive, place)
                elif fresh:
                    put_in_place(staged, place)
                else:
                    move_into(staged, place)
        except OSError as error:
            raise StreamError(f"Failed to checkout sources to {location}: {error}") from error
        session.reporter.text("info", f"Checked out sources to '{location}'")
    return 0


def _write_sources(pipeline: Pipeline, elements: list[ResolvedElement], root: str, *, scripts: bool) -> None:
    for element in elements:
        name = normal_name(element.name)
        script = os.path.join(root, f"build-{name}") if scripts else None
        if not element.sources and script is None:
            continue
        directory = os.path.join(root, *_junctions(element), name)
        wanted = {"directory": directory, "script": script, "sources": bool(element.sources)}
        try:
            run_single(pipeline, element, "checkout", "source_checkout", wanted)
        except GrilseError as error:
            # Where sources cannot be had the reason is the job's alone, as in all commands that fetch.
            fetching = error.domain is ErrorDomain.SOURCE or error.reason == "stage-sources-fail"
            reason = None if fetching else error.reason
            raise StreamError(f"Error while writing sources: '{error}'", detail=error.detail, reason=reason) from error
    if scripts:
        path = os.path.join(root, "build.sh")
        names = " ".join(normal_name(element.name) for element in elements)
        with open(path, "w", encoding="utf-8") as file:
            file.write(_BUILD_ALL.format(names=names))
        os.chmod(path, 0o500)


def _junctions(element: ResolvedElement) -> list[str]:
    """Normal names of the junctions that lead to an element, outermost first."""
    return [normal_name(part) for part in element.full_name.split(":")[:-1]]


def _pack(root: str, path: str, compression: str | None) -> None:
    mode: Any = f"w:{compression or ''}"
    with tarfile.open(path, mode) as archive:
        for name in sorted(os.listdir(root)):
            archive.add(os.path.join(root, name), arcname=name)
