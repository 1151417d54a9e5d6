"""Stages an element's artifact with what it needs into a sandbox, for checkouts and shells.

Knows the order of staging and integration, nothing of what is done with the sandbox then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..plugin import staging
from ..plugin.closure import build_closure, runtime_closure
from ..plugin.sandbox import Sandbox
from .exchange import connections_of, report_to, say_to, settings_of

if TYPE_CHECKING:
    from ..plugin.host import ElementFacts
    from ..plugin.sandbox import SandboxRunner
    from .element import ElementJob


def elements_in(facts: ElementFacts, scope: str) -> list[ElementFacts]:
    """What is staged for a scope: "none", "run", "build" or "all", in staging order."""
    if scope == "none":
        return [facts]
    if scope == "run":
        return list(runtime_closure([facts]))
    visited: set[int] = set()
    built = list(build_closure(facts, visited))
    return built if scope == "build" else [*built, *runtime_closure([facts], visited)]


@contextmanager
def staged_sandbox(mine: ElementJob, scope: str, *, integrate: bool) -> Iterator[Sandbox]:
    """A sandbox with the artifacts of a scope in it.

    Raises:
        ElementError: an artifact is missing, or overlaps are forbidden.
        SandboxCommandError: an integration command failed.
    """
    element, facts = mine.element, mine.facts
    sandbox = Sandbox(mine.host, make_runner(mine), facts.full_name, facts.sandbox)
    try:
        sandbox.set_environment(element.get_environment())
        chosen = elements_in(facts, scope)
        with mine.job.timed("Staging dependencies", silent_nested=True), staging.collecting(element, sandbox):
            stage(mine, sandbox, chosen)
        if integrate:
            with mine.job.timed("Integrating sandbox"), sandbox.batch():
                for one in chosen:
                    staging.integrate(element, one, sandbox)
        yield sandbox
    finally:
        sandbox.close()


def stage(mine: ElementJob, sandbox: Sandbox, chosen: list[ElementFacts]) -> None:
    """Stage artifacts at the root of a sandbox."""
    from ..plugin.types import OverlapAction

    element = mine.element
    overlaps = staging.collector(element, sandbox)
    with overlaps.session(OverlapAction.WARNING, None):
        staging.stage_all(element, chosen, sandbox, None, None, None, True, overlaps)


def make_runner(mine: ElementJob) -> SandboxRunner:
    """Runs commands of the job's sandbox on this machine; their output goes to the job's log.

    Raises:
        SandboxError, RemoteError: the services that commands shall find in the sandbox cannot be offered.
    """
    from ..sandbox.runner import Runner
    from ..sandbox.workshop import Workshop

    directory = os.path.join(mine.store.cachedir, "grilse")
    config = mine.facts.sandbox
    runner = Runner(Workshop(mine.store, directory, config=config), _output(mine))
    if not config.get("remote-apis-socket"):
        return runner
    from ..remote.nested import NestedRunner, make_backend, socket_path

    # Actions of clients in the sandbox run beside it, on threads of their own.
    backend = make_backend(
        connections_of(mine.job), settings_of(mine.job), Workshop(mine.store, directory, config=config), config
    )
    return NestedRunner(runner, backend, socket_path(config))


def make_build_runner(mine: ElementJob) -> SandboxRunner:
    """Runs commands of the job's build: remotely if that is configured, otherwise as `make_runner`.

    Raises:
        RemoteError: a service of remote execution cannot be used as it is configured.
    """
    settings = settings_of(mine.job)
    if settings.execution is None or settings.execution.execution is None:
        return make_runner(mine)
    from ..remote.sandbox import RemoteRunner, open_services

    job, facts = mine.job, mine.facts

    return RemoteRunner(
        open_services(connections_of(job), settings.execution, settings.storage),
        mine.store,
        facts.sandbox,
        _output(mine),
        say=say_to(job),
        timed=job.timed,
        mtimes=facts.workspace is not None,
        report=report_to(job),
    )


def _output(mine: ElementJob) -> int:
    output = mine.job.log_descriptor
    return mine.null if output is None else output
