"""The only place that asks which operating system this is: the same names in ``posix`` and ``windows``."""

import sys
from typing import Protocol

if sys.platform == "win32":
    from .windows import (
        PipeEnd,
        Process,
        anonymous_file,
        become_subreaper,
        die_with_parent,
        duplex_pipe,
        kill_tree,
        resume_tree,
        spawn,
        suspend_tree,
    )
else:
    from .posix import (
        PipeEnd,
        Process,
        anonymous_file,
        become_subreaper,
        die_with_parent,
        duplex_pipe,
        kill_tree,
        resume_tree,
        spawn,
        suspend_tree,
    )


class Endpoint(Protocol):
    """One end of a pipe that a started process may be given: a connection, or a `PipeEnd`."""

    def fileno(self) -> int:
        """The descriptor or handle."""

    def close(self) -> None:
        """Close it here."""


__all__ = [
    "Endpoint",
    "PipeEnd",
    "Process",
    "anonymous_file",
    "become_subreaper",
    "die_with_parent",
    "duplex_pipe",
    "kill_tree",
    "resume_tree",
    "spawn",
    "suspend_tree",
]
