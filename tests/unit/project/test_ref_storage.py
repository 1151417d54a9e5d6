"""Refs are written into files as bst writes them."""

from __future__ import annotations

from pathlib import Path

from grilse.project.ref_storage import _Document


def test_a_ref_of_digits_needs_no_quotes_and_the_rest_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "e.bst"
    before = "kind: import  # why\nsources:\n- kind: bzr\n  track: yes\n  version: '1.0'\n  level: 007\n"
    path.write_text(before)
    document = _Document(str(path))
    document.set(["sources", 0], "ref", "2")
    document.save()
    assert path.read_text() == before + "  ref: 2\n"
