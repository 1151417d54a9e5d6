"""Every project of the corpus loads, or is refused for the reason and at the place that BuildStream names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus import cases, expected

from grilse.project.api import LoadSession
from grilse.project.targets import classify_targets
from grilse.protocol.errors import GrilseError

CASES = cases()
EXPECTED = expected()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.plugins])
def test_the_outcome_is_that_of_buildstream(
    name: str, tmp_path: Path, open_project: Callable[..., LoadSession]
) -> None:
    case = CASES[name]
    options = tuple(zip(case.options[1::3], case.options[2::3], strict=True))
    directory = case.write(tmp_path / "project")
    wanted, _, _ = EXPECTED[name].partition(" (")
    try:
        session = open_project(directory, options=options)
        session.load(classify_targets(case.targets, session.project).elements)
        session.finish()
    except GrilseError as error:
        domain, reason, place = (*wanted.split(" ", 2), "", "")[:3]
        assert (error.domain.name, error.reason) == (domain, reason), str(error)
        assert place in f"{error} {error.detail}"
        return
    assert wanted == "loads"


def test_no_outcome_is_for_a_case_that_is_gone() -> None:
    assert set(EXPECTED) == set(CASES)
