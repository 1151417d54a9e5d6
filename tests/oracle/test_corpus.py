"""Every small project of the corpus has the same outcome under both tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpus import cases, expected

from .compare import Comparison

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(120)]

EXPECTED = expected()
FIELDS = ("kind", "description", "full-key", "deps", "build-deps", "runtime-deps", "config", "vars", "public")


@pytest.mark.parametrize("name", [name for name in cases() if "BuildStream fails" not in EXPECTED[name]])
def test_both_tools_agree(name: str, tmp_path: Path, agree: Callable[..., Comparison]) -> None:
    case = cases()[name]
    refused = EXPECTED[name] != "loads"
    agree(case.write(tmp_path / "project"), case.targets, options=case.options, fields=FIELDS, refused=refused)
