"""The audit finds every blocker of the corpus, at its path and with its cause, and no other."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from grilse.audit import Cause, Stage, audit

from .corpus import CASES, CLEAN, Case


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    missing = set(Cause) - {cause for case in CASES for _, cause, _ in case.expected} - {Cause.OTHER}
    assert not missing


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_blocker_is_found_and_none_invented(case: Case) -> None:
    with ExitStack() as stack:
        root = case.build(stack)
        report = audit(root, name="r", spawn=False)
        assert {(blocker.path, blocker.cause, blocker.stage) for blocker in report.blockers} == case.expected
        assert report.complete
        assert report.crosses is False
        assert report.picklable is all(stage is Stage.LOAD for _, _, stage in case.expected)
        if report.picklable:
            pickle.dumps(root)
        else:
            with pytest.raises(Exception):  # noqa: B017 - pickle raises many
                pickle.dumps(root)
        assert all(blocker.advice is not None and blocker.reason for blocker in report.blockers)


@pytest.mark.parametrize(("name", "build"), CLEAN, ids=lambda value: value if isinstance(value, str) else "")
def test_nothing_is_found_where_nothing_blocks(name: str, build: Callable[[], object]) -> None:
    root = build()
    report = audit(root, name="r", spawn=False)
    assert report.blockers == ()
    assert report.picklable is True
    assert report.crosses is True
    assert report.bytes == len(pickle.dumps(root))
    assert report.bytes_measured
