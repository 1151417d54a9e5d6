"""The report on BuildStream 2.8.1 is current: a live session of it is audited again."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from .tools import Oracle

ROOT = Path(__file__).resolve().parents[2]

# By name: the tools are judged as modules of their own, and these tests with them.
buildstream = import_module("tools.spawn_reports.buildstream")
current = import_module("tools.spawn_reports.current")

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(600)]
# What is asked of every core class: a report on each, and all of these are refused.
TWELVE = (
    "stream",
    "scheduler",
    "context",
    "project",
    "element",
    "source",
    "messenger",
    "state",
    "cas_cache",
    "artifact_cache",
    "loader",
    "element_factory",
)


@pytest.fixture(scope="module")
def measured(oracle: Oracle) -> dict[str, Any]:
    """What the audit finds in a live session now."""
    found: dict[str, Any] = buildstream.measure(Path(oracle.bst).parent / "python")
    return found


def test_the_report_on_buildstream_is_current(measured: dict[str, Any]) -> None:
    kept = json.loads((ROOT / "docs" / "reports" / "buildstream-2.8.1.json").read_text(encoding="utf-8"))
    assert current.differences(kept, measured) == [], "make it anew: python -m tools.spawn_reports buildstream"


@pytest.mark.parametrize("name", TWELVE)
def test_a_core_class_cannot_be_pickled_and_every_blocker_has_its_path(measured: dict[str, Any], name: str) -> None:
    root = measured["roots"][name]
    assert root["complete"]
    assert root["picklable"] is False
    listed = measured["blockers"][name]
    assert sum(int(line.partition(" x ")[0]) for line in listed) == root["blockers"] > 0
    assert all(line.partition(" x ")[2].startswith(f"{name}") for line in listed)


def test_states_that_are_called_verified_were_loaded_in_a_spawned_interpreter(
    measured: dict[str, Any],
) -> None:
    verified = [proposal for proposal in measured["proposals"] if proposal["verified"]]
    assert len(verified) > 20
    assert all(proposal["bytes"] > 0 and proposal["load_us"] > 0 for proposal in verified)
