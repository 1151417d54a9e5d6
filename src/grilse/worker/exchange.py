"""A worker's connections to remotes, kept between jobs, and exchanges with them for one job.

Knows the session's remotes; gRPC is imported only when one of them is talked to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..remote.config import RemoteSettings

if TYPE_CHECKING:
    from ..remote.connection import Connections
    from ..remote.session import Exchange
    from ..remote.transfer import Progress
    from .context import JobContext

_CONNECTIONS: dict[str, Connections] = {}


def settings_of(job: JobContext) -> RemoteSettings:
    """The session's remotes."""
    return RemoteSettings.from_plain(job.settings("remotes"))


def connections_of(job: JobContext) -> Connections:
    """This process's connections in the job's session."""
    from ..remote.connection import Connections

    session = job.header.session
    found = _CONNECTIONS.get(session)
    if found is None:
        for old in _CONNECTIONS.values():
            old.close()
        _CONNECTIONS.clear()
        found = _CONNECTIONS[session] = Connections(state_directory=settings_of(job).state_directory, session=session)
    found.notify = lambda sentence: job.message("warn", sentence)
    return found


def exchange_of(job: JobContext, kind: str) -> Exchange | None:
    """An exchange with the remotes of the job's project for "artifacts" or "sources"; None if there are none."""
    assert job.record is not None
    return exchange_for(job, kind, job.record.project)


def exchange_for(job: JobContext, kind: str, project: str) -> Exchange | None:
    """As `exchange_of`, for a project by name."""
    settings = settings_of(job)
    table = settings.artifacts if kind == "artifacts" else settings.sources
    remotes = table.get(project, ())
    if not remotes:
        return None
    from ..remote.session import Exchange

    def report(progress: Progress) -> None:
        job.activity("transferring", progress.blobs, progress.blobs_total)

    def say(kind: str, text: str, *, detail: str | None = None) -> None:
        job.message(kind, text, detail=detail)

    return Exchange(connections_of(job), remotes, say, report)
