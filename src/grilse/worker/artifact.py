"""Keeps what came of a build as an artifact, in the record that bst writes.

Knows what belongs to an artifact and where it is; nothing of how the build was done.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..plugin.exceptions import ElementError
from ..storage.artifact import Artifact, LogFile, SandboxState
from ..storage.documents import dump_document
from ..storage.filetypes import DirectoryError
from ..storage.messages import Listing

if TYPE_CHECKING:
    from ..plugin.sandbox import Sandbox
    from ..storage.digest import Digest
    from ..storage.directory import CasDirectory
    from .element import ElementJob


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a build ended.

    Attributes:
        success: whether it succeeded.
        error: one line.
        detail: more, or "".
        collect: absolute directory of the sandbox that becomes the artifact, or None.
    """

    success: bool
    error: str
    detail: str
    collect: str | None


def keep_artifact(mine: ElementJob, sandbox: Sandbox, outcome: Outcome) -> None:
    """Write the artifact under its keys.

    Raises:
        ElementError: the directory to collect is not there.
        CasError: it cannot be written.
        RemoteError: outputs of a remote build cannot be fetched.
    """
    job, facts = mine.job, mine.facts
    with job.timed("Caching artifact"):
        root = sandbox.get_virtual_directory()
        files = _find(root, outcome.collect) if outcome.collect is not None else None
        artifact = _artifact(mine, sandbox, outcome, root, files)
        # What a remote build left elsewhere is fetched now, and only as much as is kept.
        mine.store.settle(artifact.blobs(), artifact.trees())
        mine.host.artifacts.write(facts.project.name, facts.name, artifact)
        job.values.update(
            key=artifact.strong_key,
            files=str(artifact.files) if artifact.files is not None else None,
            success=outcome.success,
        )
    if outcome.collect is not None and files is None:
        raise ElementError(
            f"Directory '{outcome.collect}' was not found inside the sandbox, unable to collect artifact contents"
        )


def _artifact(
    mine: ElementJob, sandbox: Sandbox, outcome: Outcome, root: CasDirectory, files: CasDirectory | None
) -> Artifact:
    job, facts = mine.job, mine.facts
    assert job.record is not None
    key, strict, weak = facts.cache_key, facts.strict_key, facts.weak_key
    if key is None or strict is None or weak is None:
        raise ElementError(f"{facts.full_name}: the key to keep the artifact under is not known")
    public = mine.element._public().strip_node_info()
    wanted = job.settings("cache_buildtrees", "auto")
    keep_tree = wanted == "always" or (wanted == "auto" and (not outcome.success or facts.workspace is not None))
    buildtree = _find(root, facts.variable("build-root") or "/") if keep_tree else None
    return Artifact(
        strong_key=key,
        strict_key=strict,
        weak_key=weak,
        success=outcome.success,
        error=outcome.error,
        error_detail=outcome.detail,
        workspaced=facts.workspace is not None,
        files=_content(mine, files),
        encoded_dependencies=job.closures.encoded(job.record, mine.host.artifacts),
        public_data=_document(mine, public),
        low_diversity=_document(mine, {"environment": facts.environment(), "sandbox-config": dict(facts.sandbox)}),
        high_diversity=_document(mine, {"variables": facts.variables()}),
        logs=_logs(mine),
        buildtree=_content(mine, buildtree),
        sources=mine.sources.tree().digest() if keep_tree else None,
        buildroot=_content(mine, root) if keep_tree else None,
        sandbox=_state(sandbox) if keep_tree else None,
    )


def _content(mine: ElementJob, directory: CasDirectory | None) -> Digest | None:
    """What is in a directory of the sandbox, without the mark and the time that the directory itself has there."""
    return mine.store.add_listing(Listing(directory.nodes())) if directory is not None else None


def _document(mine: ElementJob, data: dict[str, object]) -> Digest:
    return mine.store.add_bytes(dump_document(data).encode())  # type: ignore[arg-type]


def _logs(mine: ElementJob) -> tuple[LogFile, ...]:
    path = mine.job.spec.log
    if path is None:
        return ()
    return (LogFile(os.path.basename(path), mine.store.add_file(path)),)


def _find(root: CasDirectory, path: str) -> CasDirectory | None:
    try:
        return root.open_directory(path.lstrip("/"))
    except DirectoryError:
        return None


def _state(sandbox: Sandbox) -> SandboxState:
    environment = sandbox.grilse_environment() or {}
    return SandboxState(
        environment=tuple(sorted(environment.items())),
        working_directory=sandbox.grilse_work_directory() or "",
        subsandboxes=tuple(sub.get_virtual_directory().digest() for sub in sandbox.grilse_subsandboxes()),
        marked_directories=tuple(sandbox.grilse_marked_directories()),
    )
