"""Real services; tests that need one that is not installed are skipped by its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.compare import oracle_from
from tests.oracle.tools import Oracle
from tests.remote.buildgrid import buildgrid, find_buildgrid, find_postgres
from tests.remote.projects import make_base
from tests.remote.servers import Server, casd, find_casd


@pytest.fixture(scope="session")
def casd_program() -> str:
    """buildbox-casd."""
    found = find_casd()
    if found is None or not os.access(found, os.X_OK):
        pytest.skip("buildbox-casd is not installed (GRILSE_ORACLE or GRILSE_CASD leads to it)")
    return found


@pytest.fixture
def cache_server(casd_program: str, tmp_path: Path) -> Iterator[Server]:
    """A running buildbox-casd."""
    with casd(casd_program, tmp_path / "casd") as server:
        yield server


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """BuildStream 2.8.1."""
    found = oracle_from(None, None)
    if found is None:
        pytest.skip("GRILSE_ORACLE names no bst")
    return found


@pytest.fixture(scope="session")
def base_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base system with a C compiler."""
    place = tmp_path_factory.mktemp("base") / "base"
    problem = make_base(place)
    if problem:
        pytest.skip(f"no base system with a C compiler: {problem}")
    return place


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running BuildGrid without bots."""
    bgd, postgres = find_buildgrid(), find_postgres()
    if bgd is None:
        pytest.skip(
            "BuildGrid is not installed (python -m tests.remote.get_buildgrid does it; GRILSE_BUILDGRID names another)"
        )
    if postgres is None:
        pytest.skip("PostgreSQL is not installed, which BuildGrid needs")
    with buildgrid(bgd, postgres, tmp_path_factory.mktemp("grid")) as server:
        yield server
