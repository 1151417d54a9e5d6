"""Compare two audits, for CI: what no longer crosses, what crosses now, and what grew.

Reads the JSON that an audit writes; knows nothing of how it was made.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .render import JSON_FORMAT

# What counts as growth, unless said otherwise: a share of the old, and at least so much.
BYTES_TOLERANCE = 0.05
BYTES_LEAST = 64
TIME_TOLERANCE = 1.0
TIME_LEAST_US = 20_000.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; ``worse`` is what a check should fail for."""

    worse: bool
    text: str


class NotAnAudit(ValueError):
    """A file is not the JSON of an audit, or of another shape than this program knows."""


def read(path: str) -> dict[str, Any]:
    """The data of an audit's JSON file.

    :raises NotAnAudit: if it is none.
    :raises OSError: if it cannot be read.
    """
    with open(path, encoding="utf-8") as file:
        try:
            data = json.load(file)
        except ValueError as error:
            raise NotAnAudit(f"'{path}' is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("kind") not in ("object", "start"):
        raise NotAnAudit(f"'{path}' is not the JSON of an audit")
    if data.get("format") != JSON_FORMAT:
        raise NotAnAudit(f"'{path}' has format {data.get('format')!r}; only {JSON_FORMAT} can be compared")
    return data


def differences(
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    bytes_tolerance: float = BYTES_TOLERANCE,
    time_tolerance: float = TIME_TOLERANCE,
) -> list[Difference]:
    """What differs from the old audit to the new one, the worse first.

    :raises NotAnAudit: if the two are not of one kind.
    """
    if old["kind"] != new["kind"]:
        raise NotAnAudit(f"an audit of kind '{old['kind']}' cannot be compared with one of kind '{new['kind']}'")
    found = _starts(old, new, bytes_tolerance, time_tolerance) if old["kind"] == "start" else []
    if old["kind"] == "object":
        found = _objects(old, new, bytes_tolerance, time_tolerance)
    return sorted(found, key=lambda difference: not difference.worse)


def _objects(old: dict[str, Any], new: dict[str, Any], by_bytes: float, by_time: float) -> list[Difference]:
    found = []
    before, after = _blockers(old), _blockers(new)
    for key in sorted(after.keys() | before.keys()):
        pattern, cause = key
        if after[key] > before[key]:
            how = "no longer crosses" if not before[key] else f"blocks {after[key]} times, not {before[key]}"
            found.append(Difference(True, f"{pattern} {how}: {cause}"))
        elif after[key] < before[key]:
            how = "crosses now" if not after[key] else f"blocks {after[key]} times, not {before[key]}"
            found.append(Difference(False, f"{pattern} {how} (was: {cause})"))
    if old["complete"] and not new["complete"]:
        found.append(Difference(True, "the new audit is not complete"))
    found += _figure("bytes", old["bytes"], new["bytes"], by_bytes, BYTES_LEAST)
    found += _figure("microseconds to dump", old["dump_us"], new["dump_us"], by_time, TIME_LEAST_US)
    found += _figure("microseconds to load", old["load_us"], new["load_us"], by_time, TIME_LEAST_US)
    paths = {row["path"]: row["total_bytes"] for row in old["rows"][1:]}
    for row in new["rows"][1:]:
        if row["path"] in paths:
            found += _figure(f"bytes of {row['path']}", paths[row["path"]], row["total_bytes"], by_bytes, BYTES_LEAST)
    verified = {proposal["cls"] for proposal in old["proposals"] if proposal["verified"]}
    for proposal in new["proposals"]:
        if proposal["cls"] in verified and not proposal["verified"]:
            why = proposal["detail"]
            found.append(Difference(True, f"the proposed state of {proposal['cls']} is no longer verified: {why}"))
    return found


def _blockers(data: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter((blocker["pattern"], blocker["cause"]) for blocker in data["blockers"])


def _figure(name: str, old: float | None, new: float | None, tolerance: float, least: float) -> list[Difference]:
    if old is None or new is None or abs(new - old) <= max(least, old * tolerance):
        return []
    word = "grew" if new > old else "shrank"
    return [Difference(new > old, f"{name} {word} from {old:,.0f} to {new:,.0f}")]


def _starts(old: dict[str, Any], new: dict[str, Any], by_bytes: float, by_time: float) -> list[Difference]:
    found = []
    before = {run["method"]: run for run in old["runs"]}
    for run in new["runs"]:
        known = before.get(run["method"])
        if known is None:
            continue
        method = run["method"]
        found += _figure(f"{method}: bytes sent", known["bytes_sent"], run["bytes_sent"], by_bytes, BYTES_LEAST)
        first, was = run["first_message_us"], known["first_message_us"]
        found += _figure(f"{method}: microseconds to the first message", was, first, by_time, TIME_LEAST_US)
    extra = {entry["module"] for entry in new["imports"]} - {entry["module"] for entry in old["imports"]}
    found += [Difference(False, f"'{module}' is now imported before the first message") for module in sorted(extra)]
    return found
