"""Terminals, keys and signals: the same names in ``posix_terminal`` and ``windows_terminal``.

Apart from the rest of the package, since only the frontend needs it.
"""

import sys

if sys.platform == "win32":
    from .windows_terminal import (
        ForegroundChild,
        KeyMode,
        SignalPort,
        in_background,
        prepare_terminal,
        read_line,
        same_file,
    )
else:
    from .posix_terminal import (
        ForegroundChild,
        KeyMode,
        SignalPort,
        in_background,
        prepare_terminal,
        read_line,
        same_file,
    )

__all__ = ["ForegroundChild", "KeyMode", "SignalPort", "in_background", "prepare_terminal", "read_line", "same_file"]
