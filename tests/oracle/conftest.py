"""The oracle for tests: BuildStream's `bst`, named by GRILSE_ORACLE; without it these tests are skipped by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from .compare import Comparison, compare_project, oracle_from, show_differences, summary_line, targets_of
from .tools import FIELDS, Oracle


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """BuildStream 2.8.1; its answers are kept between runs."""
    found = oracle_from(None, None)
    if found is None:
        pytest.skip("GRILSE_ORACLE names no bst to compare with")
    return found


@pytest.fixture
def agree(oracle: Oracle, capsys: pytest.CaptureFixture[str]) -> Callable[..., Comparison]:
    """Assert that both tools say the same of a project: `agree(path, targets=…, options=…, fields=…)`.

    Without targets, of all its elements. Returns the comparison, in which `elements` counts what was compared.
    """

    def check(
        path: Path,
        targets: Sequence[str] | None = None,
        *,
        options: Sequence[str] = (),
        fields: Sequence[str] = FIELDS,
        deps: str = "all",
        refused: bool = False,
    ) -> Comparison:
        chosen = targets_of(path) if targets is None else targets
        result = compare_project(path, chosen, oracle=oracle, options=options, fields=fields, deps=deps)
        lines = [summary_line(result)]
        show_differences(result, lines.append)
        assert result.equal, "\n".join(lines)
        # A test of a project that both refuse by mistake would prove nothing
        assert (result.bst_refusal is not None) == refused, "\n".join([*lines, str(result.bst_refusal)])
        return result

    return check
