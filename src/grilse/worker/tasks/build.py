"""Builds an element: stages what it needs, runs its plugin, and keeps what came of it as an artifact.

Knows the order of a build, nothing of scheduling.  A build that fails is kept too, so that it can be looked into.
"""

from __future__ import annotations

from typing import Any

from ...plugin import staging
from ...plugin.blame import REASON as BUG
from ...plugin.exceptions import ElementError, PluginError
from ...plugin.sandbox import Sandbox, SandboxCommandError
from ...plugin.surroundings import keeping_umask
from ...storage.documents import dump_document
from ..artifact import Outcome, keep_artifact
from ..context import JobContext
from ..element import ElementJob
from ..staged import make_build_runner


def prepare() -> None:
    """Import what building needs."""
    from ...plugin import revive  # noqa: F401
    from ...sandbox import workshop  # noqa: F401
    from .. import sources  # noqa: F401


def run(job: JobContext) -> dict[str, Any]:
    """Build.

    Raises:
        ElementError, SandboxCommandError: the build failed.
        SourceError: a source cannot be had.
        PluginError: a plugin does what it should not.
    """
    with ElementJob(job) as mine:
        element, facts = mine.element, mine.facts
        runner = make_build_runner(mine) if element.BST_RUN_COMMANDS else None
        sandbox = Sandbox(mine.host, runner, facts.full_name, facts.sandbox, mtimes=facts.workspace is not None)
        mine.host.open_run(mine.sources)
        try:
            _build(mine, sandbox)
        finally:
            sandbox.close()
        return job.values


def _build(mine: ElementJob, sandbox: Sandbox) -> None:
    job, element = mine.job, mine.element
    element.configure_sandbox(sandbox)
    environment = sandbox.grilse_environment() or mine.facts.environment()
    job.log_line(
        "log",
        job.name,
        job.spec.key,
        f"Build environment for element {mine.facts.name}",
        dump_document(environment),
        None,
    )
    with keeping_umask(), staging.collecting(element, sandbox):
        element.stage(sandbox)
    try:
        with keeping_umask():
            collect = element.assemble(sandbox)
    except (ElementError, SandboxCommandError) as error:
        keep_artifact(mine, sandbox, Outcome(False, str(error), error.detail or "", error.collect))
        raise
    if collect is not None and not isinstance(collect, str):
        raise PluginError(
            f"{element}: assemble() of the plugin '{element.get_kind()}' should return "
            f"the directory with the artifact, not {type(collect).__name__}",
            reason=BUG,
        )
    keep_artifact(mine, sandbox, Outcome(True, "succeeded", "", collect))
