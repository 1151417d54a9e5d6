"""Condense full audits to what a report says, so that it can be kept, compared and shown.

Knows the JSON of an audit; nothing of BuildStream or grilse.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

# PluginBase makes module names up, and a set has no order: what differs in every run is not told apart.
_MADE_UP = re.compile(r"_internalspace\._sp[0-9a-f]{32}")
_SPACE = re.compile(r"_internalspace\._sp\b(?!…)")
_ELEMENT = re.compile(r"\.elements\(\)\[\d+\]")
_EITHER = re.compile(r"_Element__(build|runtime)_dependencies")
_MANAGED = re.compile(r"(\._casd)\.\w+\.\w+\.(_managed_call|_response_deserializer)")


def settled(text: str) -> str:
    """A text without what differs from one run to the next."""
    text = _MADE_UP.sub("_internalspace._sp…", text)
    text = _SPACE.sub("_internalspace._sp…", text)
    return _ELEMENT.sub(".elements()[*]", text)


def condensed_blockers(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The blockers by pattern: how many of each, one path, who else holds the first, and what to do."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    firsts: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for blocker in report["blockers"]:
        key = (settled(blocker["pattern"]), blocker["cause"], blocker["stage"], settled(blocker["type"]))
        counts[key] += 1
        firsts.setdefault(key, blocker)
    found = []
    for key, count in sorted(counts.items()):
        first = firsts[key]
        found.append(
            {
                "pattern": key[0],
                "cause": key[1],
                "stage": key[2],
                "type": key[3],
                "count": count,
                "path": settled(first["path"]),
                "reason": settled(first["reason"]),
                "holders": len(first["holders"]) + first["holders_left_out"],
                "held": sorted({settled(path) for path in first["holders"]})[:3],
                "through": None if first["through"] is None else settled(first["through"]),
                "remedy": first["advice"]["remedy"],
                "advice": first["advice"]["text"],
            }
        )
    return found


def blocker_lines(report: dict[str, Any]) -> list[str]:
    """The blockers by pattern, a line each: how many, the pattern, the cause, the type."""
    counts: Counter[str] = Counter()
    for blocker in condensed_blockers(report):
        # Which of two equally short ways is met first may depend on the order of a set.
        pattern = _EITHER.sub(r"_Element__…_dependencies", blocker["pattern"])
        counts[f"{pattern}: {blocker['cause']} ({blocker['type']})"] += blocker["count"]
    return sorted(f"{count} x {line}" for line, count in counts.items())


def grouped(blockers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with stubs of one connection, which differ by service and method only, together."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for blocker in blockers:
        pattern = _MANAGED.sub(r"\1.*.*.\2", blocker["pattern"])
        known = found.get((pattern, blocker["cause"]))
        if known is None:
            found[pattern, blocker["cause"]] = {**blocker, "pattern": pattern}
        else:
            known["count"] += blocker["count"]
            if known["type"] != blocker["type"]:
                known["type"] = "(several)"
    return list(found.values())


def root_facts(report: dict[str, Any]) -> dict[str, Any]:
    """What is said of one audited object in a line."""
    return {
        "type": settled(report["type"]),
        "picklable": report["picklable"],
        "crosses": report["crosses"],
        "complete": report["complete"],
        "blockers": len(report["blockers"]),
        "patterns": len(condensed_blockers(report)),
        "nodes": report["nodes"],
        "bytes": report["bytes"],
        "dump_us": report["dump_us"],
        "load_us": report["load_us"],
    }


def condensed_proposals(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One proposal for each class, from the first report that has one, by class name."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        for proposal in report["proposals"]:
            name = settled(proposal["cls"])
            if name in found and (found[name]["verified"] or not proposal["verified"]):
                continue
            found[name] = {
                "cls": name,
                "path": settled(proposal["path"]),
                "verified": proposal["verified"],
                "detail": settled(proposal["detail"]),
                "bytes": proposal["bytes"],
                "dump_us": proposal["dump_us"],
                "load_us": proposal["load_us"],
                "changes": [[change["name"], change["remedy"], change["why"]] for change in proposal["changes"]],
                "kept": list(proposal["kept"]),
                "sketch": settled(proposal["sketch"]),
            }
    return [found[name] for name in sorted(found)]


def largest_rows(report: dict[str, Any], most: int, avoid: str = "\0") -> list[dict[str, Any]]:
    """The rows that cost most, the root first, those whose path has ``avoid`` in it left out."""
    rows = [row for row in report["rows"] if avoid not in row["path"]]
    rows = sorted(rows[1:], key=lambda row: (-row["total_bytes"], row["path"]))[:most]
    return [
        {
            "path": settled(row["path"]),
            "type": settled(row["type"]),
            "bytes": row["total_bytes"],
            "alone": row["exclusive_bytes"],
            "nodes": row["nodes"],
            "remedy": None if row["advice"] is None else row["advice"]["remedy"],
        }
        for row in rows
    ]


def largest_classes(report: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """The classes whose instances cost most."""
    return [
        {
            "name": settled(cost["name"]),
            "instances": cost["instances"],
            "bytes": cost["own_bytes"],
            "found": cost["found_after_spawn"],
        }
        for cost in report["classes"][:most]
    ]
