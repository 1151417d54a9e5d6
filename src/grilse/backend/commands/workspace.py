"""``workspace open``, ``close``, ``reset`` and ``list``.

Knows what may be overwritten and what is noted where; a worker fills workspaces.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...project.resolved import ResolvedElement
from ...project.workspace_store import WorkspaceStore
from ...project.yaml_writer import write_yaml
from ...protocol.errors import ErrorDomain, GrilseError, StreamError
from ...protocol.requests import WorkspaceClose, WorkspaceList, WorkspaceOpen, WorkspaceReset
from ...sandbox.scratch import BESIDE, scratch_beside
from ...storage.placing import move_into, put_in_place, replace_tree
from ..pipeline import Pipeline
from ..redirect import source_element
from ..reporter import Reporter
from ..session import Session
from ..single import run_single
from .build import check_resolved


def list_(session: Session, action: WorkspaceList) -> int:
    """Print the open workspaces.

    Raises:
        LoadError: there is no project, or its state cannot be read.
    """
    pipeline = Pipeline(session)
    store = _open_store(pipeline)
    entries = [{"element": name, "directory": store.directory(name)} for name in store.names()]
    data: dict[str, Any] = {"workspaces": entries}
    if session.request.output_json:
        session.reporter.values(data)
    else:
        session.reporter.output(write_yaml(data))
    pipeline.close()
    return 0


def open_(session: Session, action: WorkspaceOpen) -> int:
    """Open workspaces.

    Raises:
        GrilseError: elements cannot be loaded, a directory is taken, or sources cannot be had.
    """
    return _open(session, action)


def _open(session: Session, action: WorkspaceOpen, *, resetting: bool = False) -> int:
    pipeline = Pipeline(session)
    with pipeline.working(() if action.no_checkout else ("workspace",)):
        store = _open_store(pipeline, action.targets)
        elements = _meant(pipeline, action.targets)
        if not action.no_checkout:
            # Those that have a workspace, whose directory may be gone, are looked at again without it
            check_resolved([element for element in elements if element.full_name not in store])
        _check_sources(elements)
        taken = [element for element in elements if element.full_name in store]
        if taken and not action.force:
            raise StreamError(
                f"Element '{taken[0].name}' already has an open workspace defined at: "
                f"{store.directory(taken[0].full_name)}"
            )
        directories = _directories(pipeline, elements, action.directory)
        for element in taken:
            if not action.no_checkout and not resetting:
                session.reporter.text(
                    "warn",
                    f"Replacing existing workspace for element '{element.name}' defined at: "
                    f"{store.directory(element.full_name)}",
                )
        for element, directory in zip(elements, directories):
            _check_directory(store, element, directory, no_checkout=action.no_checkout, force=action.force)
        names = [element.full_name for element in elements]
        replaced = [element.full_name for element in taken]
    if taken:
        # They were loaded with their workspaces as sources: what is opened now has the declared ones.
        pipeline = Pipeline(session)
    with pipeline.working():
        if taken:
            store = _open_store(pipeline)
            pipeline.planner.session.hide_workspaces(replaced)
            elements = pipeline.load_elements(names)
            if not action.no_checkout:
                check_resolved(elements)
        for element, directory in zip(elements, directories):
            _fill(pipeline, store, element, directory, action)
    return 0


def _meant(pipeline: Pipeline, targets: Sequence[str]) -> list[ResolvedElement]:
    """The elements whose sources names and patterns of a command line mean, each once."""
    named = pipeline.load_elements(pipeline.targets_of(targets, defaults=False).elements)
    found = (source_element(pipeline, element) for element in named)
    return list({id(element): element for element in found}.values())


def _open_store(pipeline: Pipeline, names: Sequence[str] = ()) -> WorkspaceStore:
    project = pipeline.open_project(names)
    return WorkspaceStore(project.directory, pipeline.planner.session.context.workspaces)


def _fill(
    pipeline: Pipeline, store: WorkspaceStore, element: ResolvedElement, directory: str, action: WorkspaceOpen
) -> None:
    """Make one workspace beside its place, put it there, then note it: there is the old one or the new one at any time.

    A workspace that is in its place and not noted is taken up as it is when it is opened again.
    """
    reporter, name = pipeline.session.reporter, element.full_name
    reporter.text("status", f"Creating workspace for element {element.name}")
    old = store.directory(name) if name in store else None
    if old is not None and old != directory and _overlap(old, directory):
        _close(pipeline, store, name, remove=not action.no_checkout)
        old = None
    marked = store.is_marked(name, directory)
    if action.no_checkout or (marked and not action.force):
        with _making_directory():
            os.makedirs(directory, exist_ok=True)
        existed = store.mark(name, directory)
    else:
        target = os.path.realpath(directory)
        with _making_directory():
            os.makedirs(os.path.dirname(target), exist_ok=True)
            beside = scratch_beside(target)
        with beside as scratch:
            staged = os.path.join(scratch, "tree")
            os.mkdir(staged)
            run_single(pipeline, element, "fetch", "workspace", {"directory": directory, "staged": staged})
            marked = False
            with _making_directory():
                if not os.path.isdir(target):
                    existed = store.mark(name, staged)
                    put_in_place(staged, target)
                elif action.force:
                    existed = store.mark(name, staged)
                    replace_tree(staged, target, os.path.join(scratch, "old"))
                else:
                    # It is marked last: a part of it is not to be taken for the whole.
                    move_into(staged, target)
                    existed = store.mark(name, target)
    store.note(name, directory)
    if old is not None and old != directory:
        _leave(reporter, old, remove=not action.no_checkout)
    if existed and not marked:
        reporter.text("warn", ".bstproject.yaml was staged from this element's sources", element=name)
    reporter.text("info", f"Created a workspace for element {name}")


@contextmanager
def _making_directory() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StreamError(
            f"Failed to create workspace directory: {error}", reason="workspace-directory-failure"
        ) from error


def _overlap(one: str, other: str) -> bool:
    """Whether one directory is below the other."""
    return os.path.commonpath([os.path.realpath(one), os.path.realpath(other)]) in map(os.path.realpath, (one, other))


def _leave(reporter: Reporter, directory: str, *, remove: bool) -> None:
    """Remove a directory that is no workspace any more, or only its own file."""
    if not remove:
        WorkspaceStore.unmark(directory)
        return
    with reporter.span(f"Removing workspace directory {directory}"):
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            # Somebody did so by hand, or a command that was killed then.
            pass
        except OSError as error:
            raise StreamError(f"Could not remove  '{directory}': {error}") from error


def _check_sources(elements: Sequence[ResolvedElement]) -> None:
    for element in elements:
        if element.sources:
            continue
        below = [dependency.name for dependency in element.build_dependencies]
        detail = None
        if below:
            detail = "Try opening a workspace on one of its dependencies instead:\n" + "  \n".join(below)
        raise StreamError(f"The element {element.name} has no sources", detail=detail)


def _directories(pipeline: Pipeline, elements: Sequence[ResolvedElement], custom: str | None) -> list[str]:
    if custom is not None:
        if len(elements) != 1:
            raise StreamError(
                "Exactly one element can be given if --directory is used", reason="directory-with-multiple-elements"
            )
        return [os.path.abspath(custom)]
    base = pipeline.config.workspacedir
    return [os.path.abspath(os.path.join(base, element.name.removesuffix(".bst"))) for element in elements]


def _check_directory(
    store: WorkspaceStore, element: ResolvedElement, directory: str, *, no_checkout: bool, force: bool
) -> None:
    if not os.path.exists(directory):
        return
    if not os.path.isdir(directory):
        raise StreamError(
            f"For element '{element.name}', Directory path is not a directory: {directory}", reason="bad-directory"
        )
    if no_checkout or force or store.is_marked(element.full_name, directory):
        return
    if any(not name.startswith(BESIDE) for name in os.listdir(directory)):
        raise StreamError(
            f"For element '{element.name}', Directory path is not empty: {directory}", reason="bad-directory"
        )


def _close(pipeline: Pipeline, store: WorkspaceStore, name: str, *, remove: bool) -> None:
    reporter = pipeline.session.reporter
    if remove:
        _leave(reporter, store.directory(name), remove=True)
    store.close(name)
    reporter.text("info", f"Closed workspace for {name}")


def close(session: Session, action: WorkspaceClose) -> int:
    """Close workspaces.

    Raises:
        GrilseError: there is none, or a directory cannot be removed.
    """
    pipeline = Pipeline(session)
    store = _open_store(pipeline)
    if action.all_ and not store.names():
        session.reporter.text("info", "No open workspaces to close")
        pipeline.close()
        return 0
    names = _named(pipeline, store, action.targets, action.all_, "No elements specified")
    missing = [name for name in names if name not in store]
    if missing:
        raise GrilseError("Workspace does not exist", domain=ErrorDomain.APP, detail="\n".join(missing))
    for name in names:
        _close(pipeline, store, name, remove=action.remove_dir)
    pipeline.close()
    return 0


def _named(
    pipeline: Pipeline, store: WorkspaceStore, targets: Sequence[str], all_: bool, nothing: str
) -> Sequence[str]:
    if all_:
        return store.names()
    if targets:
        return pipeline.redirected(targets)
    element = pipeline.planner.session.workspace_element
    if element is None:
        raise GrilseError(nothing, domain=ErrorDomain.APP)
    return [element]


def reset(session: Session, action: WorkspaceReset) -> int:
    """Reset workspaces to what their sources are; with `soft` only forget that they were built.

    Raises:
        GrilseError: there is none, or sources cannot be had.
    """
    if action.all_ and action.targets:
        raise GrilseError("Specify either --all or elements, not both", domain=ErrorDomain.APP)
    pipeline = Pipeline(session)
    store = _open_store(pipeline)
    if action.all_ and not store.names():
        raise GrilseError("No open workspaces to reset", domain=ErrorDomain.APP)
    if action.targets:
        names: Sequence[str] = [element.full_name for element in _meant(pipeline, action.targets)]
    else:
        names = _named(pipeline, store, (), action.all_, "No elements specified to reset")
    missing = [name for name in names if name not in store]
    if missing:
        pipeline.load_targets(missing)  # whatever is wrong with the elements themselves comes first
        raise StreamError("Workspace does not exist", detail="\n".join(missing))
    if action.soft:
        for name in names:
            store.set_last_build(name, None)
            session.reporter.text("info", f"Reset workspace state for {name} at: {store.directory(name)}")
        pipeline.close()
        return 0
    directories = {name: store.directory(name) for name in names}
    pipeline.close()
    for name, directory in directories.items():
        _open(session, WorkspaceOpen(targets=(name,), directory=directory, force=True), resetting=True)
    return 0
