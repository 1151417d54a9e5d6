"""The spawn audit: what of an object graph can cross to a spawned process, at what cost, and what to do about it.

Needs the standard library only, and nothing else of this program: ``from grilse.audit import audit, phases``.
Nothing is imported before it is asked for, since the processes that are measured import this package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .auditor import audit
    from .model import Advice, Blocker, Budget, Cause, ClassCost, LeftOut, Proposal, Remedy, Report, Row, Stage
    from .starts import Phase, phases
    from .timeline import ImportCost, MethodRun, StartReport

__all__ = [
    "Advice",
    "Blocker",
    "Budget",
    "Cause",
    "ClassCost",
    "ImportCost",
    "LeftOut",
    "MethodRun",
    "Phase",
    "Proposal",
    "Remedy",
    "Report",
    "Row",
    "Stage",
    "StartReport",
    "audit",
    "phases",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    if name == "audit":
        home = "auditor"
    elif name in ("Phase", "phases"):
        home = "starts"
    elif name in ("ImportCost", "MethodRun", "StartReport"):
        home = "timeline"
    else:
        home = "model"
    return getattr(import_module(f".{home}", __name__), name)
