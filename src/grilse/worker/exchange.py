"""A worker's connections to remotes, kept between jobs, and exchanges with them for one job.

Knows the session's remotes; gRPC is imported only when one of them is talked to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..remote.config import RemoteSettings

if TYPE_CHECKING:
    from ..remote.connection import Connections
    from ..remote.session import Exchange, Say
    from ..remote.supplier import StorageSupplier
    from ..remote.transfer import Progress, Report
    from ..storage.store import Store
    from .context import JobContext

_MIB = 1 << 20

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

    return Exchange(connections_of(job), remotes, say_to(job), report_to(job))


def say_to(job: JobContext) -> Say:
    """Reports messages of the job."""

    def say(kind: str, text: str, *, detail: str | None = None) -> None:
        job.message(kind, text, detail=detail)

    return say


def report_to(job: JobContext) -> Report:
    """Reports how far the job's transfers are."""

    def report(progress: Progress) -> None:
        job.activity(f"transferring{_amount(progress)}", progress.blobs, progress.blobs_total)

    return report


def _amount(progress: Progress) -> str:
    """How much has moved, where that is not told by the number of blobs: one may be large."""
    if progress.bytes_total < _MIB:
        return ""
    # What is sent again counts again.
    return f" {min(progress.bytes, progress.bytes_total) / _MIB:.0f} of {progress.bytes_total / _MIB:.0f} MiB,"


def storage_supplier(job: JobContext, store: Store) -> StorageSupplier | None:
    """What supplies a store from the storage service of the cache; None if there is none.

    The backend is told at the job's end what the service was found to have.
    """
    if not job.settings("remotes", {}).get("storage"):
        return None
    from ..remote.supplier import StorageSupplier

    service = settings_of(job).storage
    assert service is not None
    return StorageSupplier(lambda: connections_of(job).get(service), store, say_to(job), report_to(job), held=job.held)
