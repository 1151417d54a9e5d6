"""What globs match."""

from __future__ import annotations

import pytest

from grilse.plugin.globs import matcher

NAMES = ["p/dir-a/1", "p/dir-a/2", "p/e/1", "q/e/1"]


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*/*/*", ["p/dir-a/1", "p/dir-a/2", "p/e/1", "q/e/1"]),
        ("p/**", ["p/dir-a/1", "p/dir-a/2", "p/e/1"]),
        ("p/dir-*/1", ["p/dir-a/1"]),
        ("**/1", ["p/dir-a/1", "p/e/1", "q/e/1"]),
        ("?/e/*", ["p/e/1", "q/e/1"]),
        ("[!q]/e/[0-9]", ["p/e/1"]),
        ("[^q]/e/1", ["q/e/1"]),
        ("p/e/1", ["p/e/1"]),
        ("p/*", []),
        ("p/e/[1", []),
        ("nothing/*/*", []),
    ],
)
def test_globs_find_names(glob: str, found: list[str]) -> None:
    matches = matcher([glob]).match
    assert [name for name in NAMES if matches(name)] == found


def test_any_of_several_globs_may_match() -> None:
    matches = matcher(["p/e/*", "q/**"]).match
    assert [name for name in NAMES if matches(name)] == ["p/e/1", "q/e/1"]
    assert matcher([]).match("p") is None
