"""Connections between processes, and waiting for some of them once: the same names in each system's module."""

import sys

if sys.platform == "win32":
    from .windows_connection import pair, wait
else:
    from .posix_connection import pair, wait

__all__ = ["pair", "wait"]
