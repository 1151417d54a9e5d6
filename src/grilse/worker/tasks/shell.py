"""Stages a sandbox for a shell, and keeps it while the frontend runs the shell on its terminal.

Knows what a shell sees; nothing of terminals.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...plugin import staging
from ...plugin.sandbox import Sandbox
from ...sandbox.spec import HostMount
from ...storage.directory import CasDirectory
from ..context import JobContext
from ..element import ElementJob
from ..staged import make_runner, staged_sandbox


def run(job: JobContext) -> dict[str, Any]:
    """Stage, offer, wait.

    Raises:
        GrilseError: it cannot be staged.
    """
    wanted = job.spec.parameters
    with ElementJob(job) as mine, _sandbox(mine) as sandbox:
        environment = dict(sandbox.grilse_environment() or mine.facts.environment())
        mounts: list[HostMount] = []
        environment["PS1"] = wanted["prompt"]
        if not wanted["isolate"]:
            environment.update(wanted["environment"])
            mounts = list(_mounts(mine, wanted["mounts"]))
        command: list[str] = wanted["command"]
        job.message("status", "Running command", detail=" ".join(command))
        with sandbox.grilse_launch(command, environment, mounts=mounts, isolate=bool(wanted["isolate"])) as launch:
            status = job.launch(launch.argv, launch.environment, interactive=bool(wanted["interactive"]))
    return {"status": status}


def _mounts(mine: ElementJob, wanted: list[dict[str, Any]]) -> Iterator[HostMount]:
    for mount in wanted:
        if os.path.exists(mount["host_path"]):
            yield HostMount(mount["path"], os.path.abspath(mount["host_path"]))
        elif not mount["optional"]:
            mine.job.message("warn", f"Not mounting non-existing host file: {mount['host_path']}")


@contextmanager
def _sandbox(mine: ElementJob) -> Iterator[Sandbox]:
    wanted = mine.job.spec.parameters
    if not wanted["build"]:
        with staged_sandbox(mine, "run", integrate=True) as sandbox:
            yield sandbox
        return
    sandbox = Sandbox(mine.host, make_runner(mine), mine.facts.full_name, mine.facts.sandbox)
    try:
        if wanted["use_buildtree"]:
            _stage_buildtree(mine, sandbox)
        else:
            mine.host.open_run(mine.sources)
            mine.element.configure_sandbox(sandbox)
            with staging.collecting(mine.element, sandbox):
                mine.element.stage(sandbox)
        yield sandbox
    finally:
        sandbox.close()


def _stage_buildtree(mine: ElementJob, sandbox: Sandbox) -> None:
    """Make the sandbox what it was when the build ended."""
    artifact = mine.host.run_artifact(mine.facts)
    state = artifact.sandbox
    if state is not None:
        sandbox.set_environment(dict(state.environment))
        if state.working_directory:
            sandbox.set_work_directory(state.working_directory)
        for directory in state.marked_directories:
            sandbox.mark_directory(directory)
    root = sandbox.get_virtual_directory()
    root.import_files(CasDirectory(mine.store, artifact.buildroot), collect_result=False)
