"""The report on grilse's own split is current: it is measured again, with its real processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tools.spawn_reports import current, own

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the report compares with fork, which this system has not")
@pytest.mark.timeout(300)
def test_the_report_on_grilse_is_current() -> None:
    now = own.measure()
    kept = json.loads((ROOT / "docs" / "reports" / "grilse.json").read_text(encoding="utf-8"))
    assert current.differences(kept, now) == [], "make it anew: python -m tools.spawn_reports grilse"
    # Times are those of the machine, and tests run beside others on it: only sizes are promises here.
    assert own.broken(now, times=False) == []
    runs = now["start"]["runs"]
    assert set(runs) == {"spawn", "fork"}
    assert 0 < runs["spawn"]["first_message_us"] < 60e6
