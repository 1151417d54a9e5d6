"""Shells into sandboxes while other jobs run: a worker stages, the frontend runs, the worker takes down.

Knows what a shell job is told; nothing of terminals.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..protocol import events
from ..protocol.jobs import JobActivity, JobLaunch, JobResult
from .hearing import Said
from .items import Item
from .workers import Job

if TYPE_CHECKING:
    from .pipeline import Pipeline

# Numbers of shell jobs begin here, so that they are none of the scheduler's.
FIRST_SHELL_JOB = 1_000_000_000
# What projects configure unless they say otherwise, for artifacts without any project.
DEFAULT_SHELL = ("sh", "-i")


def shell_parameters(
    pipeline: Pipeline,
    name: str,
    key: str,
    *,
    build: bool,
    use_buildtree: bool,
    isolate: bool = False,
    command: Sequence[str] = (),
    mounts: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """What a shell job is told.

    Args:
        pipeline: whose project's shell configuration counts; without a project there is none.
        name: display name of the element.
        key: its full key, or "".
        build: the sandbox of a build rather than of what runs.
        use_buildtree: what the last build left.
        isolate: without the host's network, user and files.
        command: what to run; empty for the project's shell.
        mounts: (host path, path) pairs.
    """
    shell: Sequence[str] = DEFAULT_SHELL
    environment: dict[str, str] = {}
    host: list[dict[str, Any]] = []
    if pipeline.projects():
        project = pipeline.project.full
        shell, environment = project.shell_command, dict(project.shell_environment)
        host = [
            {"path": mount.path, "host_path": mount.host_path, "optional": mount.optional}
            for mount in project.shell_host_files
        ]
    host += [{"path": path, "host_path": host_path, "optional": False} for host_path, path in mounts]
    return {
        "build": build,
        "use_buildtree": use_buildtree,
        "isolate": isolate,
        "environment": environment,
        "mounts": host,
        "command": list(command) or list(shell),
        "prompt": f"[{key[: pipeline.config.key_length]}@{name}:${{PWD}}]$ ",
        "interactive": not command,
    }


class Shells:
    """Shells into what failed jobs left, beside a running scheduler."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._next = FIRST_SHELL_JOB

    def open(self, item: Item) -> None:
        """Stage the sandbox of an element's failed build, and offer it to the frontend."""
        pipeline, number = self._pipeline, self._next
        self._next += 1
        if pipeline.pool.free() <= 0:
            self._say(item, "warn", "Every worker is busy: ask again when one is free")
            return
        artifact = pipeline.states.artifact(item.element)
        parameters = shell_parameters(
            pipeline,
            item.display_name,
            item.display_key,
            build=True,
            use_buildtree=artifact is not None and artifact.buildroot is not None,
        )
        spec = pipeline.book.spec(item, job=number, action="shell", task="shell", parameters=parameters)

        def on_message(message: Said | JobActivity | JobLaunch) -> None:
            if isinstance(message, JobLaunch):
                pipeline.session.reporter.emit(shell_ready(message, item.display_name))
            elif isinstance(message, Said):
                for text in message.texts:
                    self._say(item, text.kind, text.text, text.detail)

        def on_result(result: JobResult) -> None:
            if result.failure is not None:
                self._say(item, "failure", f"Error launching shell: {result.failure.message}", result.failure.detail)

        pipeline.pool.submit(
            Job(spec, on_message, on_result, lambda how: self._say(item, "failure", f"The shell was lost: {how}"))
        )

    def done(self, number: int, status: int) -> None:
        """The frontend's shell has ended."""
        self._pipeline.pool.release(number, status)

    def _say(self, item: Item, kind: str, text: str, detail: str | None = None) -> None:
        self._pipeline.session.reporter.text(kind, text, detail=detail, element=item.display_name, key=item.display_key)


def shell_ready(launch: JobLaunch, name: str) -> events.ShellReady:
    """The event that offers a staged sandbox."""
    return events.ShellReady(
        time=time.time(),
        shell=launch.job,
        argv=launch.argv,
        environment=launch.environment,
        directory="/",
        element=name,
        interactive=launch.interactive,
        title=f"A shell in the sandbox of '{name}'; 'exit' leaves it.",
    )
