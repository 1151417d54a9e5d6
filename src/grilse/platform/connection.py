"""Connections between processes, and waiting for some of them once: the same names in each system's module."""

import sys

if sys.platform == "win32":
    from .windows_connection import connection_class, pair, wait
else:
    from .posix_connection import connection_class, pair, wait

__all__ = ["connection_class", "pair", "wait"]
