"""Requests are retried when nobody answers, limited in time, and a silent remote is left alone."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fixtures.reapi_server import FakeRemote, wait_until

from grilse.protocol.errors import ErrorDomain, RemoteError
from grilse.remote import asset, cas, transfer
from grilse.remote.channel import Address, parse_url
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection, Connections
from grilse.remote.errors import UNREACHABLE, CallFailed, RemoteSilent
from grilse.storage.digest import digest_bytes
from grilse.storage.store import Store

Connect = Callable[..., Connection]
SOME = [digest_bytes(b"some")]


@pytest.mark.parametrize(
    "url, address",
    [
        ("http://example.com:50051", Address("example.com:50051", False, False)),
        ("http://example.com", Address("example.com:80", False, False)),
        ("https://example.com/", Address("example.com:443", True, False)),
        ("grpc://localhost:1", Address("localhost:1", False, True)),
        ("grpcs://[::1]:2", Address("[::1]:2", True, True)),
        ("unix:/run/cas.sock", Address("unix:/run/cas.sock", False, True)),
    ],
)
def test_urls_are_read_as_buildstream_reads_them(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize("url", ["", "example.com:1", "ftp://x", "http://", "http://x:port", "http://x:1/cas"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(RemoteError, match="is not the URL of a remote"):
        parse_url(url)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_what_gets_no_answer_is_sent_again(remote: FakeRemote, connect: Connect, code: str) -> None:
    remote.failures["FindMissingBlobs"] = deque([code] * 3)
    assert cas.find_missing(connect(), SOME) == SOME
    assert remote.calls["FindMissingBlobs"] == 4


def test_the_limit_of_retries_is_obeyed(remote: FakeRemote, connect: Connect) -> None:
    remote.failures["FindMissingBlobs"] = deque(["UNAVAILABLE"] * 9)
    with pytest.raises(CallFailed) as caught:
        cas.find_missing(connect(retry_limit=2), SOME)
    assert remote.calls["FindMissingBlobs"] == 3
    assert caught.value.domain is ErrorDomain.REMOTE
    assert caught.value.message == "FindMissingBlobs failed with status UNAVAILABLE: as told"
    assert caught.value.temporary
    assert caught.value.reason == UNREACHABLE


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "PERMISSION_DENIED", "INTERNAL", "RESOURCE_EXHAUSTED"])
def test_an_answer_is_an_answer(remote: FakeRemote, connect: Connect, code: str) -> None:
    remote.failures["FindMissingBlobs"] = deque([code])
    with pytest.raises(CallFailed) as caught:
        cas.find_missing(connect(), SOME)
    assert remote.calls["FindMissingBlobs"] == 1
    assert caught.value.code == code
    assert caught.value.reason != UNREACHABLE


def test_a_remote_that_never_answers_costs_its_deadline_once(remote: FakeRemote, connect: Connect) -> None:
    remote.hanging.add("FetchBlob")
    notices: list[str] = []
    connection = connect(request_timeout=1, notices=notices)
    began = time.monotonic()
    with pytest.raises(CallFailed, match="DEADLINE_EXCEEDED"):
        asset.fetch_blob(connection, ["urn:x"])
    assert 0.9 < time.monotonic() - began < 3
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(RemoteSilent, match="is left alone"):
            asset.fetch_blob(connection, ["urn:x"])
    assert time.monotonic() - began < 0.5
    assert len(notices) == 1
    assert "does not answer: FetchBlob: DEADLINE_EXCEEDED" in notices[0]


@pytest.mark.parametrize("before", [False, True], ids=["from the start", "after it was fast"])
def test_a_silent_remote_gets_no_time_for_data(
    remote: FakeRemote, connect: Connect, store: Store, before: bool
) -> None:
    connection = connect(request_timeout=1)
    if before:
        for _ in range(20):
            data = os.urandom(200_000)
            cas.update_batch(connection, [(digest_bytes(data), data)])
    remote.hanging.add("BatchUpdateBlobs")
    data = os.urandom(3 << 20)
    began = time.monotonic()
    with pytest.raises(CallFailed, match="DEADLINE_EXCEEDED"):
        cas.update_batch(connection, [(digest_bytes(data), data)])
    # In twenty minutes a remote that is just not too slow would have taken it.
    assert time.monotonic() - began < 10


def test_a_slow_remote_gets_time_for_data_once_it_is_known_to_answer(connect: Connect) -> None:
    connection = connect(request_timeout=2, retry_limit=0)
    given: list[float] = []

    def send(timeout: float, metadata: object) -> None:
        given.append(timeout)
        time.sleep(0.1)

    for size in (64 << 10, 1 << 20, 100):
        connection.call("Send", send, size=size)
    first, large, small = given
    assert first <= 2
    # So much would take 1.6 seconds.
    assert 6 < large < 20
    assert small < 2.1


def test_a_tree_that_never_comes_costs_its_deadline_once(remote: FakeRemote, connect: Connect, store: Store) -> None:
    remote.hanging |= {"GetTree", "BatchReadBlobs"}
    notices: list[str] = []
    connection = connect(request_timeout=1, notices=notices)
    cas.capabilities(connection)
    began = time.monotonic()
    with pytest.raises(CallFailed, match="GetTree failed with status DEADLINE_EXCEEDED"):
        transfer.fetch_trees(connection, store, SOME)
    assert time.monotonic() - began < 1.9
    assert len(notices) == 1
    assert remote.calls["BatchReadBlobs"] == 0


def test_nobody_tries_again_once_somebody_has_found_a_remote_silent(
    remote: FakeRemote, connect: Connect, tmp_path: Path
) -> None:
    remote.failures["FindMissingBlobs"] = deque(["UNAVAILABLE"] * 9)
    directory = str(tmp_path / "state")
    patient = connect(retry_limit=5, directory=directory)

    def send(timeout: float, metadata: object) -> None:
        # Meanwhile another process gives up.
        with pytest.raises(CallFailed):
            cas.find_missing(connect(retry_limit=0, directory=directory), SOME)
        raise CallFailed("Send", remote.url, "UNAVAILABLE", "")

    with pytest.raises(RemoteSilent):
        patient.call("Send", send)
    assert remote.calls["FindMissingBlobs"] == 1


def test_the_other_processes_of_a_session_need_not_find_out_themselves(
    remote: FakeRemote, connect: Connect, tmp_path: Path
) -> None:
    remote.failures["FindMissingBlobs"] = deque(["UNAVAILABLE"])
    directory = str(tmp_path / "state")
    first, second, elsewhere = (connect(retry_limit=0, directory=d) for d in (directory, directory, ""))
    with pytest.raises(CallFailed):
        cas.find_missing(first, SOME)
    with pytest.raises(RemoteSilent):
        cas.find_missing(second, SOME)
    assert cas.find_missing(elsewhere, SOME) == SOME


def test_a_server_that_is_restarted_is_found_again(connect: Connect, remote: FakeRemote) -> None:
    connection = connect(retry_delay=100, retry_limit=8)
    assert cas.find_missing(connection, SOME) == SOME
    remote.close()
    successor: list[FakeRemote] = []

    def restart() -> None:
        wait_until(lambda: connection.memory.get("waiting", False))
        successor.append(FakeRemote(remote.port))

    thread = threading.Thread(target=restart)
    thread.start()
    connection.memory["waiting"] = True
    try:
        assert cas.find_missing(connection, SOME) == SOME
    finally:
        thread.join()
        successor[0].close()


def test_a_dead_server_is_given_up_soon() -> None:
    with FakeRemote() as remote:
        url = remote.url
    connection = Connection(RemoteConfig(url=url, retry_delay=1))
    began = time.monotonic()
    with pytest.raises(CallFailed, match="UNAVAILABLE"):
        cas.capabilities(connection)
    assert time.monotonic() - began < 3
    connection.close()


def test_a_stream_that_stalls_is_ended(
    remote: FakeRemote, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = remote.put(bytes(9 << 20))
    remote.hanging.add("Read")
    with pytest.raises(CallFailed, match="DEADLINE_EXCEEDED: less than 2048 bytes per second in 1 seconds"):
        transfer.fetch_blobs(connect(request_timeout=1, retry_limit=0), store, [digest])


def test_a_remote_that_is_too_slow_is_left_alone(remote: FakeRemote, connect: Connect, store: Store) -> None:
    digest = remote.put(bytes(9 << 20))
    remote.slow = 1000
    notices: list[str] = []
    connection = connect(request_timeout=1, retry_limit=0, notices=notices)
    with pytest.raises(CallFailed):
        transfer.fetch_blobs(connection, store, [digest])
    with pytest.raises(RemoteSilent):
        transfer.fetch_blobs(connection, store, [digest])
    assert len(notices) == 1


def test_a_cancelled_request_ends_at_once(remote: FakeRemote, connect: Connect) -> None:
    remote.hanging.add("FindMissingBlobs")
    connection = connect()
    errors: list[Exception] = []

    def ask() -> None:
        try:
            cas.find_missing(connection, SOME)
        except RemoteError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: remote.calls["FindMissingBlobs"] == 1)
    connection.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(errors[0], CallFailed) and errors[0].code == "CANCELLED"
    remote.hanging.clear()
    assert cas.find_missing(connection, SOME) == SOME


def test_waiting_for_a_retry_is_cancelled_as_well(remote: FakeRemote, connect: Connect) -> None:
    remote.failures["FindMissingBlobs"] = deque(["UNAVAILABLE"] * 9)
    connection = connect(retry_delay=30_000)
    errors: list[Exception] = []

    def ask() -> None:
        try:
            cas.find_missing(connection, SOME)
        except RemoteError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: remote.calls["FindMissingBlobs"] == 1)
    # The answer is on its way to the thread, which then waits; cancelling is right before and after that.
    connection.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(errors[0], CallFailed)


def test_the_token_is_sent_and_read_again_when_it_is_refused(
    remote: FakeRemote, connect: Connect, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    remote.token = "first"
    connection = connect(access_token=str(token))
    assert cas.find_missing(connection, SOME) == SOME
    remote.token = "second"
    token.write_text("second")
    assert cas.find_missing(connection, SOME) == SOME
    remote.token = "third"
    with pytest.raises(CallFailed, match="UNAUTHENTICATED"):
        cas.find_missing(connection, SOME)


def test_a_token_does_not_travel_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="not encrypted"):
        Connection(RemoteConfig(url="http://example.com", access_token=str(tmp_path / "token")))


@pytest.mark.parametrize("name", ["server_cert", "client_key", "client_cert"])
def test_credentials_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "nothing")
    config = RemoteConfig(url="https://127.0.0.1:1", where="user.conf [line 3 column 4]", **{name: path})
    with Connections() as connections, pytest.raises(RemoteError) as caught:
        cas.capabilities(connections.get(config))
    assert caught.value.reason == "load-remote-creds-failed"
    assert str(caught.value) == f"user.conf [line 3 column 4]: Failed to load credentials file: {path}"


def test_requests_say_which_tool_sends_them(remote: FakeRemote, connect: Connect) -> None:
    from grilse.storage.proto.remote_execution_pb2 import RequestMetadata

    cas.find_missing(connect(), SOME)
    sent = remote.metadata["FindMissingBlobs"]["build.bazel.remote.execution.v2.requestmetadata-bin"]
    assert RequestMetadata.FromString(sent).tool_details.tool_name == "grilse"


def test_remotes_that_differ_in_push_only_share_a_connection() -> None:
    with Connections() as connections:
        one = connections.get(RemoteConfig(url="http://127.0.0.1:1", push=True))
        assert connections.get(RemoteConfig(url="http://127.0.0.1:1", type="index", where="x")) is one
        assert connections.get(RemoteConfig(url="http://127.0.0.1:1", instance_name="other")) is not one
