"""What clients in sandboxes are served: content, results and execution, from here and from elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.reapi_server import FakeRemote
from tests.unit.sandbox.conftest import put, tools

from grilse.protocol.errors import SandboxError
from grilse.remote import actioncache, cas, transfer
from grilse.remote.actions import encode_action
from grilse.remote.config import ExecutionConfig, RemoteConfig, RemoteSettings
from grilse.remote.connection import Connection, Connections
from grilse.remote.errors import CallFailed
from grilse.remote.execution import InputsMissing, execute
from grilse.remote.local_execution import run_action
from grilse.remote.nested import NestedRunner, make_backend, served
from grilse.remote.proto.bytestream_pb2_grpc import ByteStreamStub
from grilse.remote.serve import Backend
from grilse.sandbox.runner import Runner
from grilse.sandbox.spec import Command
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import EMPTY, Digest, digest_bytes
from grilse.storage.messages import DirectoryNode, FileNode, Listing
from grilse.storage.proto import remote_execution_pb2 as messages
from grilse.storage.proto.bytestream_pb2 import QueryWriteStatusRequest
from grilse.storage.store import Store

__all__ = ["tools"]

LARGE = os.urandom(6 << 20)


@pytest.fixture
def client(tmp_path: Path) -> Store:
    """The store of a client."""
    return Store(str(tmp_path / "client"))


@contextmanager
def connected(backend: Backend) -> Iterator[Connection]:
    with served(backend) as path:
        connection = Connection(RemoteConfig(url=f"unix:{path}", retry_delay=1, retry_limit=0))
        try:
            yield connection
        finally:
            connection.close()


def tree(store: Store) -> Digest:
    files = {f"f{n}": FileNode(store.add_bytes(b"%d" % n), False) for n in range(50)}
    inner = store.add_listing(Listing({**files, "large": FileNode(store.add_bytes(LARGE), True)}))
    return store.add_listing(Listing({"a": DirectoryNode(inner), "b": DirectoryNode(inner)}))


def test_content_goes_in_and_comes_out(store: Store, client: Store, tmp_path: Path) -> None:
    root = tree(client)
    with connected(Backend(store)) as connection:
        digests = transfer.tree_digests(client, root)
        assert transfer.push_blobs(connection, client, digests) == len(digests)
        assert store.missing(digests) == []
        assert transfer.push_blobs(connection, client, digests) == 0
        other = Store(str(tmp_path / "other"))
        assert transfer.fetch_trees(connection, other, [root]) == []
        assert other.missing(digests) == []
        assert transfer.fetch_blobs(connection, other, [digest_bytes(b"nowhere"), digest_bytes(LARGE * 2)]) != []


def test_what_is_not_its_digest_is_refused(store: Store) -> None:
    wrong = digest_bytes(b"right")
    with connected(Backend(store)) as connection:
        with pytest.raises(CallFailed, match="DATA_LOSS"):
            cas.update_batch(connection, [(wrong, b"wrong")])
        with pytest.raises(CallFailed, match="INVALID_ARGUMENT"):
            cas.update_batch(connection, [(wrong, b"longer than it should be")])
        with pytest.raises(CallFailed, match="INVALID_ARGUMENT"):
            cas.find_missing(connection, [Digest("../../etc/passwd", 3)])
    assert not store.contains(wrong)


def test_a_write_can_be_asked_about(store: Store) -> None:
    digest = store.add_bytes(b"some")
    with connected(Backend(store)) as connection:
        stub: Any = connection.stub(ByteStreamStub)
        for name, size in ((str(digest), 4), (str(digest_bytes(b"other")), 0)):
            status = stub.QueryWriteStatus(QueryWriteStatusRequest(resource_name=f"uploads/x/blobs/{name}"))
            assert (status.committed_size, status.complete) == (size, size > 0)


def test_content_that_is_elsewhere_is_brought(
    store: Store, client: Store, remote: FakeRemote, connect: Callable[..., Connection]
) -> None:
    small, large = remote.put(b"there"), remote.put(LARGE)
    with connected(Backend(store, storage=connect())) as connection:
        assert cas.find_missing(connection, [small, large]) == []
        assert transfer.fetch_blobs(connection, client, [small, large]) == []
    assert client.read(large, verify=True) == LARGE


def test_results_are_kept_as_buildbox_casd_keeps_them(store: Store) -> None:
    action = digest_bytes(b"action")
    result = messages.ActionResult(exit_code=0, stdout_raw=b"hello")
    with connected(Backend(store, update=True)) as connection:
        assert actioncache.get_result(connection, action) is None
        actioncache.update_result(connection, action, result)
        assert actioncache.get_result(connection, action) == result
    place = Path(store.cachedir, "actioncache", "objects", action.hash[:2], action.hash[2:])
    assert place.read_bytes() == result.SerializeToString()


def test_results_whose_outputs_are_gone_are_not_told(store: Store) -> None:
    action = digest_bytes(b"action")
    result = messages.ActionResult()
    result.output_files.add(path="f", digest=cas.to_message(digest_bytes(b"gone")))
    backend = Backend(store, update=True)
    backend.keep_result(action, result)
    assert backend.result(action) is None
    store.add_bytes(b"gone")
    assert backend.result(action) == result


def test_clients_may_tell_results_only_if_they_are_trusted(store: Store) -> None:
    with connected(Backend(store)) as connection:
        assert not cas.capabilities(connection).cache_capabilities.action_cache_update_capabilities.update_enabled
        with pytest.raises(CallFailed, match="PERMISSION_DENIED"):
            actioncache.update_result(connection, digest_bytes(b"action"), messages.ActionResult())


@pytest.mark.parametrize("push", [False, True])
def test_results_are_shared_if_that_is_wanted(
    store: Store, remote: FakeRemote, connect: Callable[..., Connection], push: bool
) -> None:
    action, output = digest_bytes(b"action"), store.add_bytes(b"output")
    result = messages.ActionResult()
    result.output_files.add(path="f", digest=cas.to_message(output))
    upstream = connect()
    backend = Backend(store, storage=upstream, action_cache=upstream, update=True, push=push)
    with connected(backend) as connection:
        actioncache.update_result(connection, action, result)
    assert (action in remote.results) is push
    assert (output in remote.blobs) is push


def test_results_of_others_are_found(store: Store, remote: FakeRemote, connect: Callable[..., Connection]) -> None:
    action = digest_bytes(b"action")
    remote.results[action] = messages.ActionResult(stdout_raw=b"theirs").SerializeToString()
    with connected(Backend(store, action_cache=connect())) as connection:
        assert actioncache.get_result(connection, action).stdout_raw == b"theirs"


def test_nothing_is_run_where_nothing_can_be_run(store: Store) -> None:
    with connected(Backend(store)) as connection:
        assert not cas.capabilities(connection).execution_capabilities.exec_enabled
        with pytest.raises(SandboxError, match="UNIMPLEMENTED"):
            execute(connection, digest_bytes(b"action"))


def test_content_elsewhere_needs_results_somewhere(store: Store) -> None:
    config = {"remote-apis-socket": {"path": "/run/reapi"}}
    service = RemoteConfig(url="http://127.0.0.1:1", type="endpoint")
    workshop = Workshop(store, store.cachedir)
    with Connections() as connections:
        with pytest.raises(SandboxError, match="needs an 'action-cache-service' or an 'execution-service'"):
            make_backend(connections, RemoteSettings(storage=service), workshop, config)
        settings = RemoteSettings(storage=service, execution=ExecutionConfig(action_cache=service))
        backend = make_backend(connections, settings, workshop, config)
        assert backend.storage is backend.action_cache is not None
        assert not backend.update and not backend.push


@pytest.fixture
def workshop(store: Store) -> Workshop:
    made = Workshop(store, os.path.join(store.cachedir, "grilse"))
    if made.means().bwrap is None:
        pytest.skip(f"no sandbox: {made.means().problem}")
    return made


def command_of(script: str, **settings: Any) -> messages.Command:
    return messages.Command(
        arguments=["sh", "-c", script],
        working_directory="work",
        environment_variables=[messages.Command.EnvironmentVariable(name="PATH", value="/usr/bin")],
        **settings,
    )


def upload(connection: Connection, client: Store, root: Digest, command: Any) -> Digest:
    data = command.SerializeToString()
    action = messages.Action(command_digest=cas.to_message(digest_bytes(data)), input_root_digest=cas.to_message(root))
    transfer.push_blobs(connection, client, transfer.tree_digests(client, root))
    return transfer.upload_bytes(connection, [data, action.SerializeToString()])[1]


@pytest.mark.sandbox
def test_actions_of_clients_run_beside_their_sandbox(
    workshop: Workshop, client: Store, tools: dict[str, object]
) -> None:
    root = put(client, tools)  # type: ignore[arg-type]
    script = (
        "echo said; echo 1 > out/file; mkdir out/dir; ln -s file out/link; echo 2 > out/dir/inner; chmod +x out/file"
    )
    command = command_of(script, output_paths=["out/file", "out/dir", "out/link", "out/missing"])
    backend = Backend(workshop.store, run=lambda action: run_action(workshop, action))
    with connected(backend) as connection:
        action = upload(connection, client, root, command)
        first = execute(connection, action)
        assert first.result.exit_code == 0 and not first.cached
        assert first.result.stdout_raw == b"said\n"
        [file] = first.result.output_files
        assert (file.path, file.is_executable) == ("out/file", True)
        assert workshop.store.read(cas.from_message(file.digest)) == b"1\n"
        [link] = first.result.output_symlinks
        assert (link.path, link.target) == ("out/link", "file")
        [directory] = first.result.output_directories
        tree = messages.Tree.FromString(workshop.store.read(cas.from_message(directory.tree_digest)))
        assert [node.name for node in tree.root.files] == ["inner"]
        second = execute(connection, action)
        assert second.cached and second.result == first.result


@pytest.mark.sandbox
def test_an_action_that_fails_is_run_again(workshop: Workshop, client: Store, tools: dict[str, object]) -> None:
    root = put(client, tools)  # type: ignore[arg-type]
    with connected(Backend(workshop.store, run=lambda action: run_action(workshop, action))) as connection:
        action = upload(connection, client, root, command_of("echo no >&2; exit 3"))
        for _ in range(2):
            finished = execute(connection, action)
            assert (finished.result.exit_code, finished.cached) == (3, False)
            assert finished.result.stdout_raw == b"no\n"
        missing = command_of("true")
        missing.arguments[0] = "/no/such/program"
        finished = execute(connection, upload(connection, client, root, missing))
        assert finished.result.exit_code == 127


@pytest.mark.sandbox
def test_an_action_without_its_inputs_says_so(workshop: Workshop, client: Store) -> None:
    action = messages.Action(command_digest=cas.to_message(digest_bytes(b"gone")))
    action.input_root_digest.CopyFrom(cas.to_message(EMPTY))
    with connected(Backend(workshop.store, run=lambda action: run_action(workshop, action))) as connection:
        with pytest.raises(InputsMissing):
            execute(connection, digest_bytes(b"nothing"))
        [digest] = transfer.upload_bytes(connection, [action.SerializeToString()])
        with pytest.raises(InputsMissing):
            execute(connection, digest)


@pytest.mark.sandbox
def test_commands_find_the_socket_where_it_is_wanted(
    workshop: Workshop, store: Store, tools: dict[str, object], tmp_path: Path
) -> None:
    root = put(store, tools)  # type: ignore[arg-type]
    with (tmp_path / "log").open("w+b") as log:
        runner = NestedRunner(Runner(workshop, log.fileno()), Backend(store), "/run/reapi.sock")
        for writable in (None, ("/build",)):
            session = runner.open([])
            session.stage(root)
            command = Command(
                argv=("sh", "-c", "test -S /run/reapi.sock && cat /run/reapi.sock"),
                environment={"PATH": "/usr/bin"},
                writable=writable,
            )
            began = time.monotonic()
            # A socket cannot be opened as a file, and that is said of this one.
            assert session.run(command) != 0
            assert time.monotonic() - began < 10
            session.close()
        log.seek(0)
        assert log.read().count(b"/run/reapi.sock: No such device or address") == 2


def test_an_action_of_ours_is_understood(workshop: Workshop, client: Store, tools: dict[str, object]) -> None:
    root = put(client, tools)  # type: ignore[arg-type]
    command = Command(argv=("sh", "-c", "pwd"), cwd="/work", environment={"PATH": "/usr/bin"}, writable=("/work",))
    encoded = encode_action(root, command, {"OSFamily": "linux"})
    with connected(Backend(workshop.store, run=lambda action: run_action(workshop, action))) as connection:
        transfer.push_blobs(connection, client, transfer.tree_digests(client, root))
        transfer.upload_bytes(connection, [encoded.command, encoded.action])
        assert execute(connection, encoded.digest).result.stdout_raw == b"/work\n"
