"""What a user is told when the cache cannot be read or written.

Knows the system's errors, and nothing of what was being done but its name.
"""

from __future__ import annotations

import errno

from grilse.protocol.errors import CasError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def cas_error(error: OSError, doing: str) -> CasError:
    """The error a user gets for `error`, which came up while `doing` something (``"write blob X"``)."""
    name = error.filename if isinstance(error.filename, str) else ""
    place = f" ('{name}')" if name else ""
    if error.errno in NO_SPACE:
        return CasError(
            f"Could not {doing}: no space left on device{place}",
            reason="cache-too-full",
            detail="Free some space, lower the cache quota, or set 'cachedir' to a place on a larger disk.",
        )
    if error.errno in _DENIED:
        return CasError(
            f"Could not {doing}: {error.strerror}{place}",
            reason="permission-denied",
            detail="Make it yours to write, or set 'cachedir' to a place that is.",
        )
    return CasError(f"Could not {doing}: {error.strerror or error}{place}")
