"""``artifact show``, ``list-contents``, ``log`` and ``delete``: what is in the cache, without jobs.

Knows what these print; subjects say which artifacts are meant.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ...protocol.errors import ArtifactError, ErrorDomain, GrilseError
from ...protocol.requests import ArtifactDelete, ArtifactListContents, ArtifactLog, ArtifactShow
from ...storage.digest import Digest
from ...storage.messages import DirectoryNode, FileNode, SymlinkNode
from ...storage.store import Store
from ..pipeline import Pipeline
from ..remotes import open_remotes
from ..session import Session
from ..single import run_task
from ..subjects import Subject, load_subjects

# Exit status when there is nothing to show, as bst has it.
STATUS_NOTHING = 1


def show(session: Session, action: ArtifactShow) -> int:
    """Say of artifacts whether they are cached.

    Raises:
        GrilseError: a name cannot be meant, or an element cannot be loaded.
    """
    pipeline = Pipeline(session)
    subjects = load_subjects(pipeline, action.artifacts, action.deps).subjects
    available = _available(pipeline, subjects, action)
    rows = [("available" if subject.name in available else _state(subject), subject) for subject in subjects]
    if session.request.output_json:
        session.reporter.values(
            [{"name": subject.name, "state": state, "artifact": subject.artifact_name} for state, subject in rows]
        )
    else:
        session.reporter.output("".join(f"{state:>12} {subject.name}\n" for state, subject in rows) + "\n")
    pipeline.close()
    return 0


def _available(pipeline: Pipeline, subjects: list[Subject], action: ArtifactShow) -> set[str]:
    """Names of those that are not here, but that a remote knows."""
    missing = [subject for subject in subjects if subject.artifact is None and subject.keys]
    if not missing:
        return set()
    extra = tuple(subject.project for subject in missing)
    remotes = open_remotes(pipeline, action.remotes, sources=False, purpose="pull", extra_projects=extra)
    if not remotes.any_pull:
        return set()
    wanted = [[subject.name, subject.project, subject.element_name, subject.keys[0]] for subject in missing]
    return set(run_task(pipeline, "query_artifacts", {"artifacts": wanted})["available"])


def _state(subject: Subject) -> str:
    if subject.artifact is None:
        return "not cached"
    return "cached" if subject.artifact.success else "failed"


def list_contents(session: Session, action: ArtifactListContents) -> int:
    """List the files of artifacts.

    Raises:
        GrilseError: a name cannot be meant, or an element cannot be loaded.
    """
    pipeline = Pipeline(session)
    subjects = load_subjects(pipeline, action.artifacts, "none").subjects
    store = pipeline.states.cache.store
    shown: dict[str, list[dict[str, Any]]] = {}
    for subject in subjects:
        if subject.artifact is None:
            session.reporter.text("warn", f"{subject.artifact_name} is not cached")
            continue
        name = subject.artifact_name if subject.element is None else subject.element.name
        shown[name] = list(_entries(store, subject.artifact.files))
    pipeline.close()
    if session.request.output_json:
        session.reporter.values(shown)
    elif shown:
        session.reporter.output("".join(_listing(name, entries, action.long) for name, entries in shown.items()) + "\n")
    if not shown:
        session.reporter.text("error", "None of the specified artifacts are cached.")
        return STATUS_NOTHING
    return 0


def _entries(store: Store, digest: Digest | None) -> Iterator[dict[str, Any]]:
    """Every entry of a tree, a directory before what is in it."""
    if digest is None:
        return
    stack: list[tuple[str, Iterator[tuple[str, Any]]]] = [("", _ordered(store, digest))]
    while stack:
        prefix, rest = stack[-1]
        for name, node in rest:
            path = f"{prefix}{name}"
            if isinstance(node, DirectoryNode):
                yield {"path": path, "type": "directory", "size": 0}
                stack.append((f"{path}/", _ordered(store, node.digest)))
                break
            if isinstance(node, SymlinkNode):
                yield {"path": path, "type": "symlink", "size": len(node.target), "target": node.target}
            elif isinstance(node, FileNode):
                yield {
                    "path": path,
                    "type": "file",
                    "size": node.digest.size,
                    "executable": node.executable,
                    "digest": str(node.digest),
                }
        else:
            stack.pop()


def _ordered(store: Store, digest: Digest) -> Iterator[tuple[str, Any]]:
    """The entries of a directory in bst's order: by name, those that are no directories first."""
    nodes = store.listing(digest).nodes
    return iter(sorted(nodes.items(), key=lambda item: (isinstance(item[1], DirectoryNode), item[0])))


def _listing(name: str, entries: list[dict[str, Any]], long: bool) -> str:
    lines = [f"  {name}:\n"]
    if not entries:
        lines.append("\tThis element has no associated artifacts\n")
    for entry in entries:
        if not long:
            lines.append(f"\t{entry['path']}\n")
            continue
        kind = entry["type"]
        if kind == "directory":
            mode, word = "drwxr-xr-x", "dir"
        elif kind == "symlink":
            mode, word = "lrwxrwxrwx", "link"
        else:
            mode, word = (
                ("-rwxr-xr-x" if entry["executable"] else "-rw-r--r--"),
                "exe" if entry["executable"] else "reg",
            )
        size = str(entry["size"])
        target = f" -> {entry['target']}" if kind == "symlink" else ""
        lines.append(f"\t{mode}  {word:<7}{size:<12}{entry['path']}{target}\n")
    return "".join(lines)


def log(session: Session, action: ArtifactLog) -> int:
    """Print the logs of artifacts, or write them to a directory.

    Raises:
        GrilseError: a name cannot be meant, or a log cannot be read or written.
    """
    pipeline = Pipeline(session)
    subjects = load_subjects(pipeline, action.artifacts, "none").subjects
    store, reporter = pipeline.states.cache.store, session.reporter
    if action.out is not None:
        try:
            os.mkdir(action.out)
        except OSError as error:
            reporter.text("error", f"{action.out}: {error.strerror}")
            return STATUS_NOTHING
    # A link and what it leads to are one artifact, whose log is shown once.
    for subject in {subject.name: subject for subject in subjects}.values():
        if subject.artifact is None:
            reporter.text("warn", f"{subject.artifact_name} is not cached")
        elif not subject.artifact.logs:
            reporter.text("warn", f"{subject.artifact_name} is cached without log files")
        elif action.out is None:
            # An empty line after each, as bst has it.
            reporter.output(b"".join(store.read(entry.digest) + b"\n" for entry in subject.artifact.logs))
        else:
            _write_logs(store, subject, action.out)
    pipeline.close()
    return 0


def _write_logs(store: Store, subject: Subject, directory: str) -> None:
    assert subject.artifact is not None
    name = os.path.splitext(subject.element_name.replace("/", "-"))[0]
    logs = subject.artifact.logs
    for index, entry in enumerate(logs):
        file_name = f"{name}.log" if len(logs) == 1 else f"{name}-{index}.log"
        try:
            with open(os.path.join(directory, file_name), "wb") as file:
                file.write(store.read(entry.digest))
        except OSError as error:
            raise GrilseError(f"cannot write '{file_name}': {error}", domain=ErrorDomain.APP) from error


def delete(session: Session, action: ArtifactDelete) -> int:
    """Remove the records of artifacts.

    Raises:
        GrilseError: a name cannot be meant, or an element cannot be loaded.
    """
    pipeline = Pipeline(session)
    subjects = load_subjects(pipeline, action.artifacts, action.deps).subjects
    cache, reporter = pipeline.states.cache, session.reporter
    removed = False
    for subject in subjects:
        prefix = subject.artifact_name.rpartition("/")[0]
        for key in dict.fromkeys(subject.keys):
            try:
                cache.delete(f"{prefix}/{key}")
            except ArtifactError as error:
                reporter.text("warn", error.message)
                continue
            reporter.text("info", f"Removed: {prefix}/{key}")
            removed = True
    if not removed:
        reporter.text("info", "No artifacts were removed")
    pipeline.close()
    return 0
