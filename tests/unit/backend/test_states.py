"""What is not cached is looked for once where there is no directory of records, and always in a session that writes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grilse.backend.states import States
from grilse.storage.sources import SourceCache
from grilse.storage.store import Store


def element() -> Any:
    return SimpleNamespace(
        name="a.bst",
        kind="manual",
        project=SimpleNamespace(name="p"),
        strict_key="0" * 64,
        weak_key="1" * 64,
        sources_key=lambda: "2" * 64,
        sources=["one"],
        sources_present=lambda: False,
        is_resolved=True,
        build_dependencies=[],
        runtime_dependencies=[],
    )


def keep_sources(store: Store) -> None:
    tree = store.add_bytes(b"")
    SourceCache(store, together=True).write("2" * 64, tree)


@pytest.mark.parametrize("settled", [True, False])
def test_sources_are_found_if_any_have_been_cached(tmp_path: Path, settled: bool) -> None:
    store = Store(str(tmp_path))
    keep_sources(store)
    states = States(store, strict=True, settled=settled)
    assert not states.fetch_needed(element())
    assert states.state(element()) == "buildable"


@pytest.mark.parametrize("settled", [True, False])
def test_nothing_is_found_where_nothing_was_cached(tmp_path: Path, settled: bool) -> None:
    states = States(Store(str(tmp_path)), strict=True, settled=settled)
    assert states.state(cast("Any", element())) == "fetch needed"


def test_a_session_that_writes_finds_what_it_has_written(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    states = States(store, strict=True)
    one, other = element(), element()
    assert states.fetch_needed(one)
    keep_sources(store)
    assert not states.fetch_needed(other)
    states.forget(one)
    assert not states.fetch_needed(one)
