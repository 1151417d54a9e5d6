"""The only place that asks which operating system this is: the same names in ``posix`` and ``windows``."""

import sys

if sys.platform == "win32":
    from .windows import (
        Process,
        become_subreaper,
        die_with_parent,
        kill_tree,
        resume_tree,
        spawn,
        suspend_tree,
    )
else:
    from .posix import (
        Process,
        become_subreaper,
        die_with_parent,
        kill_tree,
        resume_tree,
        spawn,
        suspend_tree,
    )

__all__ = [
    "Process",
    "become_subreaper",
    "die_with_parent",
    "kill_tree",
    "resume_tree",
    "spawn",
    "suspend_tree",
]
