"""Remotes that misbehave, and connections to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.reapi_server import FakeRemote

from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection
from grilse.storage.store import Store

Connect = Callable[..., Connection]


@pytest.fixture
def remote() -> Iterator[FakeRemote]:
    with FakeRemote() as made:
        yield made


@pytest.fixture
def connect(remote: FakeRemote) -> Iterator[Connect]:
    """Makes connections to the remote with short waits; `notices` collects what they say of it."""
    made: list[Connection] = []

    def make(*, directory: str = "", notices: list[str] | None = None, **settings: Any) -> Connection:
        settings = {"url": remote.url, "push": True, "retry_delay": 1, **settings}
        config = RemoteConfig(**settings)
        notify = notices.append if notices is not None else None
        connection = Connection(config, state_directory=directory, notify=notify)
        made.append(connection)
        return connection

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"))
