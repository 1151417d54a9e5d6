"""The only place that asks which operating system this is: the same names in ``posix`` and ``windows``."""

import sys

if sys.platform == "win32":
    from .windows import (
        PipeEnd,
        Process,
        adopt_connection,
        anonymous_file,
        become_subreaper,
        cpu_count,
        die_with_parent,
        duplex_pipe,
        interrupt_main_thread,
        is_computing,
        kill_orphans,
        kill_tree,
        outlive_parent_briefly,
        resume_tree,
        spawn,
        suspend_tree,
        user_cache_directory,
        user_config_directory,
    )
else:
    from .posix import (
        PipeEnd,
        Process,
        adopt_connection,
        anonymous_file,
        become_subreaper,
        cpu_count,
        die_with_parent,
        duplex_pipe,
        interrupt_main_thread,
        is_computing,
        kill_orphans,
        kill_tree,
        outlive_parent_briefly,
        resume_tree,
        spawn,
        suspend_tree,
        user_cache_directory,
        user_config_directory,
    )

__all__ = [
    "PipeEnd",
    "Process",
    "adopt_connection",
    "anonymous_file",
    "become_subreaper",
    "cpu_count",
    "die_with_parent",
    "duplex_pipe",
    "interrupt_main_thread",
    "is_computing",
    "kill_orphans",
    "kill_tree",
    "outlive_parent_briefly",
    "resume_tree",
    "spawn",
    "suspend_tree",
    "user_cache_directory",
    "user_config_directory",
]
