"""The commands over the event logs of past sessions: each a small module over the one schema; no backend is started.

Each command is a function from a finished session's `Record` to plain data, and one that writes the data as text.
"""

from __future__ import annotations

from .dispatch import run_log_command

__all__ = ["run_log_command"]
