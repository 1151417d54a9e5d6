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

if TYPE_CHECKING:
    from ..plugin.host import ElementFacts
    from ..sandbox.runner import Runner
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


def make_runner(mine: ElementJob) -> Runner:
    """Runs commands of the job's sandbox; their output goes to the job's log."""
    from ..sandbox.runner import Runner
    from ..sandbox.workshop import Workshop

    output = mine.job.log_descriptor
    if output is None:
        output = mine.null
    return Runner(Workshop(mine.store, os.path.join(mine.store.cachedir, "grilse")), output)
