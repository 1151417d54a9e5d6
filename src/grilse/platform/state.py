"""What code of others may change of a process: the same names in ``posix_state`` and ``windows_state``."""

import sys

if sys.platform == "win32":
    from .windows_state import ProcessState
else:
    from .posix_state import ProcessState

__all__ = ["ProcessState"]
