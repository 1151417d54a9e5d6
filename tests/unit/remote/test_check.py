"""What is wrong with a remote is found out when a session begins, and said once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import pytest
from tests.fixtures.reapi_server import FakeRemote

from grilse.remote.check import check_remote, check_remotes, initialize_remotes
from grilse.remote.config import RemoteConfig, RemoteSettings
from grilse.remote.connection import Connections


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as made:
        yield made


def test_a_remote_that_works_has_no_problem(connections: Connections, remote: FakeRemote) -> None:
    found = check_remote(connections, RemoteConfig(url=remote.url, push=True))
    assert found.problem is None
    assert found.seconds is not None and found.seconds < 5
    assert not remote.blobs


def test_a_thorough_check_writes_and_reads(connections: Connections, remote: FakeRemote) -> None:
    assert check_remote(connections, RemoteConfig(url=remote.url, push=True), thorough=True).write is True
    assert len(remote.blobs) == 1
    readable = check_remote(connections, RemoteConfig(url=remote.url), thorough=True)
    assert (readable.read, readable.write) == (True, None)
    remote.refuse = 8
    full = check_remote(connections, RemoteConfig(url=remote.url, push=True), thorough=True)
    assert full.write is False
    assert full.problem is not None and "cannot be written to" in full.problem


@pytest.mark.parametrize("method, service", [("FetchBlob", "Fetch"), ("PushBlob", "Push")])
def test_a_service_that_is_missing_is_named(
    connections: Connections, remote: FakeRemote, method: str, service: str
) -> None:
    remote.without.add(method)
    found = check_remote(connections, RemoteConfig(url=remote.url, push=True))
    assert found.problem is not None and f"the {service} service" in found.problem
    assert check_remote(connections, RemoteConfig(url=remote.url, push=True, type="storage")).problem is None


def test_a_push_service_is_not_needed_to_pull(connections: Connections, remote: FakeRemote) -> None:
    remote.without.add("PushBlob")
    assert check_remote(connections, RemoteConfig(url=remote.url)).problem is None


def test_a_refusal_is_a_problem(connections: Connections, remote: FakeRemote) -> None:
    remote.failures["FetchBlob"] = deque(["PERMISSION_DENIED"])
    assert check_remote(connections, RemoteConfig(url=remote.url)).problem == "PERMISSION_DENIED: as told"


def test_a_url_that_makes_no_sense_is_a_problem(connections: Connections) -> None:
    problem = check_remote(connections, RemoteConfig(url="pony")).problem
    assert problem is not None and "'pony' is not the URL of a remote" in problem


def test_dead_remotes_are_left_out_with_a_warning(connections: Connections, remote: FakeRemote) -> None:
    with FakeRemote() as other:
        dead = RemoteConfig(url=other.url)
    alive = RemoteConfig(url=remote.url)
    said: list[tuple[str, str]] = []

    def say(kind: str, text: str, *, detail: str | None = None) -> None:
        said.append((kind, text))

    settings = RemoteSettings(artifacts={"a": (dead, alive), "b": (dead,)}, sources={"a": (dead,)})
    left = initialize_remotes(connections, settings, say)
    assert (left.artifacts, left.sources) == ({"a": (alive,), "b": ()}, {"a": ()})
    assert len(said) == 1
    assert said[0][0] == "warn"
    assert said[0][1].startswith(f"Failed to initialize remote {dead.url}: UNAVAILABLE")


def test_remotes_are_checked_at_the_same_time(connections: Connections) -> None:
    silent = [FakeRemote() for _ in range(3)]
    try:
        for remote in silent:
            remote.hanging.add("GetCapabilities")
        began = time.monotonic()
        found = check_remotes(connections, [RemoteConfig(url=remote.url, request_timeout=1) for remote in silent])
        assert time.monotonic() - began < 2.5
        assert all(check.problem is not None and "DEADLINE_EXCEEDED" in check.problem for check in found)
    finally:
        for remote in silent:
            remote.close()


def test_without_remotes_nothing_is_checked(connections: Connections) -> None:
    assert initialize_remotes(connections, RemoteSettings(), None) == RemoteSettings()  # type: ignore[arg-type]
