"""Whatever is wrong with a project, loading it ends in an orderly way, soon, and without eating the memory.

Some seeds of the long run that `runner` makes; it also compares the reasons with BuildStream's.
"""

from __future__ import annotations

import pytest

from .runner import outcomes

SEEDS = 200


@pytest.mark.timeout(180)
def test_broken_projects_are_refused_in_an_orderly_way() -> None:
    found = list(outcomes(range(SEEDS)))
    assert not [outcome for outcome in found if outcome.fault]
    # Were all refused, or none, the projects would not be what they are meant to be
    assert {outcome.outcome for outcome in found} == {"loads", "refused"}
    assert len({outcome.reason for outcome in found}) > 5
