"""The base system for tests that build in a sandbox; where there can be none they are skipped, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from grilse.sandbox.means import find_means
from tests.faults.surroundings import CampaignFailed, base_system


def base_or_skip(directory: Path) -> Path:
    """The base system; `directory` is where it is tried out whether sandboxes work."""
    means = find_means(str(directory))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    try:
        return base_system()
    except CampaignFailed as error:
        pytest.skip(str(error))
