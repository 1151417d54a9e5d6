"""Checks a session's remotes in depth: capabilities, latency, reading and writing."""

from __future__ import annotations

from typing import Any

import msgspec

from ..context import JobContext
from ..exchange import connections_of, settings_of


def run(job: JobContext) -> dict[str, Any]:
    """Check; gives what was found about each remote, as plain data."""
    from ...remote.check import check_remotes

    checks = check_remotes(connections_of(job), settings_of(job).all_remotes(), thorough=True)
    return {"checks": [msgspec.to_builtins(check) for check in checks]}
