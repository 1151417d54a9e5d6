"""What ``doctor`` has to say of one thing; knows nothing of what is looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: "ok", "warning" or "problem", what was found, and what to do about it."""

    subject: str
    state: str
    text: str
    remedy: str = ""
