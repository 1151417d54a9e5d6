"""What ``doctor`` finds about remotes: each one that is configured, whatever it is for, the dead included.

Knows configuration, what a check tells, and what to do about it; a worker does the checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..protocol.errors import GrilseError
from ..remote.config import STORAGE as CONTENT
from ..remote.config import RemoteConfig
from .findings import Finding
from .remotes import configured_remotes
from .single import run_task

if TYPE_CHECKING:
    from .pipeline import Pipeline

ARTIFACTS, SOURCES, STORAGE = "artifacts", "sources", "storage service of the cache"
EXECUTION, INPUTS, ACTIONS = "remote execution", "storage of remote execution", "action cache"

# A small request that takes longer than this makes every element wait.
SLOW_SECONDS = 0.25

# What to do about a status that a remote answers with; the first word of the problem is its name.
_REMEDIES = {
    "UNAVAILABLE": "Is the service running? Do its host and port fit the URL, and https:// a service with TLS?",
    "DEADLINE_EXCEEDED": "It takes connections and does not answer: look at the service's load and its log.",
    "UNAUTHENTICATED": "Set 'access-token' or 'client-cert' and 'client-key' in its 'auth'.",
    "PERMISSION_DENIED": "The service does not allow this to you: another token or certificate, or 'push: false'.",
    "UNIMPLEMENTED": "The service is of another kind: is the URL that of another service? Does 'type' fit?",
    "INVALID_ARGUMENT": "The service does not know that instance: set 'instance-name' to one that it has.",
    "NOT_FOUND": "The service does not know that instance: set 'instance-name' to one that it has.",
    "RESOURCE_EXHAUSTED": "The service has no room left: it needs more, or has to expire what is old.",
}


def remote_findings(pipeline: Pipeline) -> Iterator[Finding]:
    """Check every remote, and say how it is."""
    try:
        services = _services(pipeline)
    except GrilseError as error:
        yield Finding("remotes", "problem", str(error), "Correct the configuration of remotes.")
        return
    if not services:
        yield Finding("remotes", "ok", "none are configured")
        return
    asked = [{"remote": remote.to_plain(), "uses": uses} for remote, uses in services.items()]
    try:
        checks = run_task(pipeline, "check_remotes", {"services": asked})["checks"]
    except GrilseError as error:
        yield Finding("remotes", "problem", str(error), "They could not be checked.")
        return
    for (remote, uses), check in zip(services.items(), checks, strict=True):
        yield _finding(remote, uses, check)


def _services(pipeline: Pipeline) -> dict[RemoteConfig, list[str]]:
    """Each remote once, with what it is used for."""
    settings = configured_remotes(pipeline)
    found: dict[RemoteConfig, list[str]] = {}

    def add(remote: RemoteConfig | None, use: str) -> None:
        if remote is None:
            return
        uses = found.setdefault(remote.identity, [])
        if use not in uses:
            uses.append(use)

    for table, use in ((settings.artifacts, ARTIFACTS), (settings.sources, SOURCES)):
        for remotes in table.values():
            for remote in remotes:
                add(remote, use)
    add(_content(settings.storage), STORAGE)
    if settings.execution is not None:
        add(settings.execution.execution, EXECUTION)
        add(_content(settings.execution.storage), INPUTS)
        add(settings.execution.action_cache, ACTIONS)
    return found


def _content(remote: RemoteConfig | None) -> RemoteConfig | None:
    """A service that content is read from and written to, and that need not know names."""
    return None if remote is None else msgspec.structs.replace(remote, type=CONTENT, push=True)


def _finding(remote: RemoteConfig, uses: list[str], check: dict[str, Any]) -> Finding:
    subject = f"remote {remote.url}"
    what = ", ".join(uses)
    if remote.type not in ("all", "endpoint") and not {STORAGE, INPUTS} & set(uses):
        what += f" ({remote.type} only)"
    problem = check.get("problem")
    if problem:
        return Finding(subject, "problem", f"{what}: {problem}", _remedy(problem))
    facts = [what]
    if check.get("seconds") is not None:
        facts.append(f"{check['seconds'] * 1000:.0f} ms")
    if check.get("versions"):
        facts.append(f"REAPI {check['versions']}")
    if check.get("largest_batch"):
        facts.append(f"batches of {check['largest_batch'] / 1024**2:.1f} MiB")
    facts += [word for word in ("read", "write") if check.get(word)]
    if remote.push and remote.type != CONTENT:
        facts.append("push")
    if ACTIONS in uses:
        facts.append("takes results" if check.get("updates_action_cache") else "takes no results")
    if check.get("read") is False:
        remedy = "What was written there could not be read again: look at the service's log and its disk."
        return Finding(subject, "problem", f"{', '.join(facts)}: what is written cannot be read", remedy)
    if EXECUTION in uses and not check.get("executes"):
        return Finding(
            subject, "problem", f"{', '.join(facts)}: it does not run actions", "Give the URL of a service that does."
        )
    if (check.get("seconds") or 0) > SLOW_SECONDS:
        remedy = "Each element waits for it several times: use a service that is nearer, or leave it out."
        return Finding(subject, "warning", ", ".join(facts), remedy)
    return Finding(subject, "ok", ", ".join(facts))


def _remedy(problem: str) -> str:
    for code, remedy in _REMEDIES.items():
        if code in problem:
            return remedy
    if "credentials" in problem or "access token" in problem:
        return "Correct the paths in its 'auth', and use https:// where a token is sent."
    if "type: storage" in problem:
        return "It has content only: set 'type: storage' and add an index, a service with Remote Asset."
    return "Is this the URL of a service of the Remote Execution API?"
