"""File operations that every system does in its own way: the same names in ``posix_files`` and ``windows_files``."""

import sys

if sys.platform == "win32":
    from .windows_files import (
        BLOB_MODE,
        NEW,
        NEW_READABLE,
        READ,
        READ_ONLY_IF_FILE,
        clone_or_copy,
        exchange,
        free_space,
        is_executable,
        lock,
        socket_answers,
        thread_count,
        try_lock,
        umask,
    )
else:
    from .posix_files import (
        BLOB_MODE,
        NEW,
        NEW_READABLE,
        READ,
        READ_ONLY_IF_FILE,
        clone_or_copy,
        exchange,
        free_space,
        is_executable,
        lock,
        socket_answers,
        thread_count,
        try_lock,
        umask,
    )

__all__ = [
    "BLOB_MODE",
    "NEW",
    "NEW_READABLE",
    "READ",
    "READ_ONLY_IF_FILE",
    "clone_or_copy",
    "exchange",
    "free_space",
    "is_executable",
    "lock",
    "socket_answers",
    "thread_count",
    "try_lock",
    "umask",
]
