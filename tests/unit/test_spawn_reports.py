"""The reports in docs/reports are what their data say, and are about what is there now."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tools.spawn_reports import buildstream, current, own
from tools.spawn_reports.project import inputs
from tools.spawn_reports.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]

REPORTS = ROOT / "docs" / "reports"
RENDERED = {"buildstream-2.8.1": buildstream.render, "grilse": own.render}


def kept(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))
    return data


@pytest.mark.parametrize("name", RENDERED)
def test_a_page_is_what_its_data_say(name: str) -> None:
    assert RENDERED[name](kept(name)) == (REPORTS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RENDERED)
def test_a_report_is_about_the_project_that_would_be_built_now(name: str) -> None:
    assert kept(name)["inputs"] == inputs()


def test_the_report_on_buildstream_has_the_classes_and_tasks_that_the_tool_knows() -> None:
    data = kept("buildstream-2.8.1")
    assert data["buildstream"] == "2.8.1"
    assert set(data["roots"]) == set(data["blockers"]) == set(buildstream.CORE)
    assert [task["task"] for task in data["tasks"]] == list(TASKS)
    assert all(root["picklable"] is False for root in data["roots"].values())
    assert data["large"]["elements"] > 500


def test_the_report_on_grilse_keeps_what_it_promises() -> None:
    data = kept("grilse")
    assert own.broken(data) == []
    assert data["large"]["elements"] > 500


def test_what_is_not_promised_is_found_out() -> None:
    data = kept("grilse")
    data["to_start"]["bytes"] = own.MOST_TO_START + 1
    data["large"]["jobs"]["spec"]["p99"] = own.MOST_PER_JOB_P99 + 1
    data["start"]["runs"]["spawn"]["first_message_us"] = own.MOST_TO_FIRST_EVENT_US + 1
    assert len(own.broken(data)) == 4
    assert len(own.broken(data, times=False)) == 2


def test_a_report_that_is_no_longer_so_is_found_out() -> None:
    data = kept("grilse")
    now = copy.deepcopy(data)
    assert current.differences(data, now) == []
    now["messages"][0]["bytes"]["p50"] += 1000
    now["jobs"]["tasks"]["build"] += 1
    del now["objects"][0]
    assert len(current.differences(data, now)) == 3
    now = copy.deepcopy(data)
    now["messages"][0]["bytes"]["p50"] += 3
    now["start"]["runs"]["spawn"]["first_message_us"] *= 2
    assert current.differences(data, now) == []
