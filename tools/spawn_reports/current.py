"""Compare what a report says with what is measured now, each fact within its own tolerance.

Structure (what blocks, its cause, what is verified) must be the same; sizes and counts may differ a little; times may
differ a lot, since they are those of a machine.
"""

from __future__ import annotations

from typing import Any

# By the last part of a fact's name: the share of the kept value that the measured one may differ, and at least this.
_TOLERANCES: dict[str, tuple[float, float]] = {
    "bytes": (0.10, 256),
    "alone": (0.25, 1024),
    "nodes": (0.10, 64),
    "instances": (0.10, 16),
    "holders": (0.25, 16),
    "patterns": (0.05, 3),
    # Of grilse's own report: messages differ by the paths in them, and some by how a session's work falls together.
    "count": (0.25, 24),
    "p50": (0.10, 64),
    "p99": (0.10, 64),
    "most": (0.25, 128),
    "all": (0.35, 8192),
    "plan_bytes": (0.10, 4096),
    "blocked": (0.25, 64),
}
_TIMES = ("_us", "_ms")
# Facts that are not compared: which of many like paths stands for all, what a machine does, and how it was made.
_LEFT = frozenset(
    (
        *("path", "held", "made_with", "large", "rows", "classes"),
        *("phases", "imports", "examples", "shared_memory", "private_memory", "fork_shared", "fork_private"),
    )
)


def differences(kept: Any, now: Any, name: str = "") -> list[str]:
    """What differs beyond its tolerance, a line each."""
    last = name.rpartition(".")[2]
    if last in _LEFT or last.endswith(_TIMES):
        return []
    if isinstance(kept, dict) and isinstance(now, dict):
        found = []
        for key in sorted(kept.keys() | now.keys()):
            if key in _LEFT or key.endswith(_TIMES):
                continue
            if key not in kept or key not in now:
                found.append(f"{name}.{key}: only {'now' if key in now else 'in the report'}")
            else:
                found += differences(kept[key], now[key], f"{name}.{key}")
        return found
    if isinstance(kept, list) and isinstance(now, list):
        return _lists(kept, now, name)
    if isinstance(kept, (int, float)) and isinstance(now, (int, float)) and last in _TOLERANCES:
        share, least = _TOLERANCES[last]
        if abs(now - kept) <= max(least, abs(kept) * share):
            return []
    return [] if kept == now else [f"{name}: {_short(kept)} in the report, {_short(now)} now"]


def _lists(kept: list[Any], now: list[Any], name: str) -> list[str]:
    keys = [_key(item) for item in (*kept, *now)]
    if all(key is not None for key in keys):
        return differences({_key(item): item for item in kept}, {_key(item): item for item in now}, name)
    if all(isinstance(item, str) for item in (*kept, *now)):
        gone = [f"{name}: no longer: {item}" for item in sorted(set(kept) - set(now))]
        return gone + [f"{name}: new: {item}" for item in sorted(set(now) - set(kept))]
    if len(kept) != len(now):
        return [f"{name}: {len(kept)} in the report, {len(now)} now"]
    return [line for old, new in zip(kept, now) for line in differences(old, new, name)]


def _key(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    for names in (("pattern", "cause", "type"), ("cls",), ("task",), ("name",), ("method",), ("message",)):
        if all(name in item for name in names):
            return " ".join(str(item[name]) for name in names)
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:120] + "…"
