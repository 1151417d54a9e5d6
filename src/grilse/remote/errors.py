"""What can go wrong with a remote, as errors that callers tell apart.

Knows nothing of the gRPC library: status codes are their names.
"""

from __future__ import annotations

from collections.abc import Sequence

from grilse.protocol.errors import RemoteError
from grilse.storage.digest import Digest

# The remote gives no answers: it is down, unreachable or hanging.
UNREACHABLE = "remote-unreachable"
# A blob that must be there is not.
MISSING = "remote-blob-missing"
# What came is not what its digest says.
CORRUPT = "corrupt-blob"
# The remote has no space left.
FULL = "cache-too-full"
CREDENTIALS = "load-remote-creds-failed"

# Codes that mean that nobody has answered, so that asking again may help.
SILENT_CODES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
# Codes of trouble that may pass by the time a whole job is tried again.
PASSING_CODES = SILENT_CODES | {"ABORTED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN", "CANCELLED"}


class CallFailed(RemoteError):
    """A request was answered with an error, or not at all.

    Attributes:
        code: name of the gRPC status code.
        words: what the remote said.
    """

    def __init__(self, what: str, url: str, code: str, words: str) -> None:
        super().__init__(
            f"{what} failed with status {code}: {words}" if words else f"{what} failed with status {code}",
            reason=_reason(code),
            detail=f"The remote is {url}.",
            temporary=code in PASSING_CODES,
        )
        self.code = code
        self.words = words


def _reason(code: str) -> str | None:
    if code in SILENT_CODES:
        return UNREACHABLE
    return FULL if code == "RESOURCE_EXHAUSTED" else None


class RemoteSilent(RemoteError):
    """The remote is left alone for a while, since it has not answered before; nothing was sent."""

    def __init__(self, url: str, why: str, seconds: float) -> None:
        super().__init__(
            f"Remote {url} does not answer and is left alone for another {seconds:.0f} seconds",
            reason=UNREACHABLE,
            detail=why,
            temporary=True,
        )


class BlobsMissing(RemoteError):
    """The remote does not have blobs that it should have.

    Attributes:
        digests: some or all of these.
    """

    def __init__(self, url: str, digests: Sequence[Digest]) -> None:
        count = f" and {len(digests) - 1} others" if len(digests) > 1 else ""
        super().__init__(f"Remote {url} does not have blob {digests[0].hash}{count}", reason=MISSING)
        self.digests = tuple(digests)


class BlobCorrupt(RemoteError):
    """What the remote sent for a digest has another one."""

    def __init__(self, url: str, wanted: Digest, got: str) -> None:
        super().__init__(
            f"Remote {url} sent something else for blob {wanted}",
            reason=CORRUPT,
            detail=f"Received was {got}. Nothing of it was kept.",
            temporary=True,
        )
