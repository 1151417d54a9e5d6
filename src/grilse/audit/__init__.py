"""The spawn audit: what of an object graph can cross to a spawned process, at what cost, and what to do about it.

Needs the standard library only, and nothing else of this program: ``from grilse.audit import audit``.
"""

from __future__ import annotations

from .auditor import audit
from .model import Advice, Blocker, Budget, Cause, ClassCost, LeftOut, Proposal, Remedy, Report, Row, Stage

__all__ = [
    "Advice",
    "Blocker",
    "Budget",
    "Cause",
    "ClassCost",
    "LeftOut",
    "Proposal",
    "Remedy",
    "Report",
    "Row",
    "Stage",
    "audit",
]
