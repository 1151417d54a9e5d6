"""Checks services in depth: capabilities, latency, reading and writing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...remote.config import RemoteConfig
from ..context import JobContext
from ..exchange import connections_of


def run(job: JobContext) -> dict[str, Any]:
    """Check; gives what was found about each service of the parameters, as plain data and in their order."""
    from ...remote.check import check_remotes

    remotes = [msgspec.convert(service["remote"], RemoteConfig) for service in job.spec.parameters["services"]]
    checks = check_remotes(connections_of(job), remotes, thorough=True)
    return {"checks": [msgspec.to_builtins(check) for check in checks]}
