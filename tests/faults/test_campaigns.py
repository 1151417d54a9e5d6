"""A few runs of each campaign, in which nothing may be left and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from grilse.sandbox.means import find_means

from . import cancel, kill
from .projects import Project
from .surroundings import CampaignFailed, base_system

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CANCELS, KILLS = 8, 4
ELEMENTS = 50


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base system; what cannot be made here is no test."""
    means = find_means(str(tmp_path_factory.mktemp("means")))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    try:
        return base_system()
    except CampaignFailed as error:
        pytest.skip(str(error))


def test_sessions_that_are_interrupted_stop_and_leave_nothing(tmp_path: Path, base: Path) -> None:
    cuts = cancel.campaign(tmp_path, base, runs=CANCELS, seed=7, kinds=Project.kinds)
    assert [words for cut in cuts for words in cut.left.all()] == []


def test_a_session_whose_processes_were_killed_loses_nothing(tmp_path: Path, base: Path) -> None:
    found = kill.campaign(tmp_path, base, runs=KILLS, elements=ELEMENTS, seed=7)
    assert [words for killed in found for words in killed.loss] == []
    assert any(killed.role != "nobody" for killed in found)
