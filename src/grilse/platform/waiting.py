"""Waiting for many things at once, and reading all that has come: the same names in each system's module."""

import sys

if sys.platform == "win32":
    from .windows_waiting import FrameReader, Waiter
else:
    from .posix_waiting import FrameReader, Waiter

__all__ = ["FrameReader", "Waiter"]
