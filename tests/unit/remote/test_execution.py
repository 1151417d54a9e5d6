"""An action is run whatever the service loses meanwhile, or it is said in order that it was not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.reapi_server import FakeRemote, wait_until

from grilse.protocol.errors import SandboxError
from grilse.remote import cas, transfer
from grilse.remote import execution as module
from grilse.remote.actions import decode_tree, encode_action, output_trees, platform_properties
from grilse.remote.config import ExecutionConfig, RemoteConfig
from grilse.remote.connection import Connection, Connections
from grilse.remote.errors import CallFailed
from grilse.remote.execution import InputsMissing, Stage, execute
from grilse.remote.sandbox import RemoteRunner, RemoteSession, Services, open_services
from grilse.sandbox.spec import Command, HostMount
from grilse.storage.digest import digest_bytes
from grilse.storage.messages import DirectoryNode, FileNode, Listing
from grilse.storage.proto import remote_execution_pb2 as messages
from grilse.storage.store import Store
from grilse.storage.wire import MessageError, field_bytes

Connect = Callable[..., Connection]
ACTION = digest_bytes(b"action")
DONE = messages.ExecuteResponse(result=messages.ActionResult(exit_code=3, stdout_raw=b"said\n"))
COMMAND = Command(
    argv=("sh", "-c", "make"),
    cwd="/buildstream/project/element.bst",
    environment={"PATH": "/usr/bin:/bin", "A": "1"},
    writable=("/buildstream/project/element.bst", "/buildstream-install"),
    uid=0,
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.02)


def lost(code: int) -> Any:
    response = messages.ExecuteResponse()
    response.status.code = code
    response.status.message = "the worker is gone"
    return response


def test_stages_are_told_as_they_change(remote: FakeRemote, connect: Connect) -> None:
    stages: list[Stage] = []
    remote.plays.append([("stage", 1), ("stage", 2), ("stage", 2), ("stage", 3, "bot-7"), ("done", DONE)])
    finished = execute(connect(), ACTION, watch=stages.append)
    assert finished.result.exit_code == 3
    assert not finished.cached
    assert [(stage.name, stage.worker) for stage in stages] == [
        ("cache-check", ""),
        ("queued", ""),
        ("executing", "bot-7"),
    ]


@pytest.mark.parametrize("last", [("break", "UNAVAILABLE"), ("break", "DEADLINE_EXCEEDED"), ()])
def test_an_operation_is_found_again_when_the_connection_breaks(
    remote: FakeRemote, connect: Connect, last: tuple[Any, ...]
) -> None:
    remote.plays.extend([[("stage", 3), *([last] if last else [])], [("stage", 3), ("done", DONE)]])
    assert execute(connect(), ACTION).result.exit_code == 3
    assert (remote.calls["Execute"], remote.calls["WaitExecution"]) == (1, 1)


@pytest.mark.parametrize("code", ["NOT_FOUND", "UNIMPLEMENTED", "INVALID_ARGUMENT"])
def test_an_operation_that_was_forgotten_is_begun_again(remote: FakeRemote, connect: Connect, code: str) -> None:
    remote.plays.extend([[("stage", 3), ("break", "UNAVAILABLE")], [("break", code)], [("done", DONE)]])
    said: list[str] = []
    assert execute(connect(), ACTION, say=said.append).result.exit_code == 3
    assert remote.calls["Execute"] == 2
    assert len(said) == 2


@pytest.mark.parametrize("number", [1, 10, 13, 14])
def test_an_action_whose_worker_was_lost_is_run_again(remote: FakeRemote, connect: Connect, number: int) -> None:
    remote.plays.extend([[("done", lost(number))], [("error", number)], [("done", DONE)]])
    said: list[str] = []
    assert execute(connect(), ACTION, say=said.append).result.exit_code == 3
    assert len(said) == 2
    assert "the worker is gone" in said[0]


def test_an_action_that_is_lost_again_and_again_is_reported(remote: FakeRemote, connect: Connect) -> None:
    remote.plays.extend([[("done", lost(14))]] * module.ATTEMPTS)
    with pytest.raises(SandboxError, match="failed after 4 attempts: UNAVAILABLE: the worker is gone") as caught:
        execute(connect(), ACTION)
    assert caught.value.reason == "remote-execution-failed"
    assert caught.value.temporary


def test_a_service_that_is_gone_is_reported(remote: FakeRemote, connect: Connect) -> None:
    remote.plays.extend([[("break", "UNAVAILABLE")]] * module.BREAKS)
    with pytest.raises(CallFailed, match="Execute failed with status UNAVAILABLE"):
        execute(connect(), ACTION)


def test_a_refusal_is_not_repeated(remote: FakeRemote, connect: Connect) -> None:
    remote.plays.append([("break", "PERMISSION_DENIED")])
    with pytest.raises(SandboxError, match="refuses: PERMISSION_DENIED: as told") as caught:
        execute(connect(), ACTION)
    assert not caught.value.temporary
    assert remote.calls["Execute"] == 1


@pytest.mark.parametrize("play", [[("break", "FAILED_PRECONDITION")], [("done", lost(9))]])
def test_missing_inputs_are_an_error_of_their_own(
    remote: FakeRemote, connect: Connect, play: list[tuple[Any, ...]]
) -> None:
    remote.plays.append(play)
    with pytest.raises(InputsMissing):
        execute(connect(), ACTION)


def test_an_interrupt_cancels_the_operation(remote: FakeRemote, connect: Connect) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(stage: Stage) -> None:
        if stage.name == "executing":
            raise Interrupt

    remote.plays.append([("stage", 2), ("stage", 3), ("hang",)])
    with pytest.raises(Interrupt):
        execute(connect(), ACTION, watch=interrupt)
    assert remote.cancelled == ["operation-1"]


def test_a_cancelled_connection_ends_the_wait(remote: FakeRemote, connect: Connect) -> None:
    remote.plays.append([("stage", 3), ("hang",)])
    connection = connect()
    errors: list[Exception] = []

    def run() -> None:
        try:
            execute(connection, ACTION)
        except CallFailed as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: remote.calls["Execute"] == 1)
    connection.cancel()
    thread.join(5)
    assert not thread.is_alive() and len(errors) == 1


# Messages


def test_actions_name_what_buildstreams_name() -> None:
    config = {"build-os": "linux", "build-arch": "x86-64", "remote-apis-socket": {"path": "/run/reapi"}}
    platform = platform_properties(config, COMMAND)
    assert platform == {
        "ISA": "x86-64",
        "OSFamily": "linux",
        "remoteApisSocketPath": "run/reapi",
        "unixUID": "0",
    }
    encoded = encode_action(digest_bytes(b"root"), COMMAND, platform, mtimes=True)
    action = messages.Action.FromString(encoded.action)
    command = messages.Command.FromString(encoded.command)
    assert cas.from_message(action.command_digest) == digest_bytes(encoded.command)
    assert cas.from_message(action.input_root_digest) == digest_bytes(b"root")
    assert command.working_directory == "buildstream/project/element.bst"
    assert list(command.output_paths) == [".", "../../../buildstream-install"]
    assert [v.name for v in command.environment_variables] == ["A", "PATH", "PWD"]
    assert command.output_directory_format == messages.Command.DIRECTORY_ONLY
    assert list(command.output_node_properties) == ["mtime"]
    assert action.platform == command.platform


def test_equal_commands_are_equal_actions() -> None:
    other = replace(COMMAND, environment=dict(reversed(COMMAND.environment.items())))
    digests = {encode_action(digest_bytes(b""), one, {"b": "1", "a": "2"}).digest for one in (COMMAND, other)}
    assert len(digests) == 1


def test_the_whole_root_is_an_output_where_all_is_writable() -> None:
    command = Command(argv=("true",), cwd="/a/b")
    assert encode_action(digest_bytes(b""), command, {}).outputs == {"../..": "/"}
    result = messages.ActionResult()
    result.output_directories.add(path="../..", root_directory_digest=cas.to_message(ACTION))
    [output] = output_trees("/a/b", result)
    assert (output.path, output.root) == ("/", ACTION)


@pytest.mark.parametrize("data", [b"", b"\x12\x00", b"\x0a\x05x"])
def test_what_is_no_tree_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_tree(data)


# The sandbox interface


class Elsewhere:
    """A machine whose commands run on a fake remote."""

    def __init__(self, remote: FakeRemote, store: Store, log: Path, *, cache: bool = False) -> None:
        self.connections = Connections()
        service = RemoteConfig(url=remote.url, type="endpoint", retry_delay=1, retry_limit=0)
        config = ExecutionConfig(execution=service, storage=service, action_cache=service if cache else None)
        self.services: Services = open_services(self.connections, config, None)
        self.said: list[str] = []
        self._log = log.open("w+b")
        self.runner = RemoteRunner(
            self.services, store, {"build-os": "linux"}, self._log.fileno(), say=self._say, timed=self._timed
        )
        listing = Listing({"sh": FileNode(store.add_bytes(b"shell"), True)})
        usr = store.add_listing(Listing({"bin": DirectoryNode(store.add_listing(listing))}))
        self.root = store.add_listing(Listing({"usr": DirectoryNode(usr)}))

    def _say(self, kind: str, text: str, *, detail: str | None = None) -> None:
        self.said.append(f"{kind}: {text}")

    @contextmanager
    def _timed(self, text: str, *, detail: str | None = None) -> Iterator[None]:
        self.said.append(text)
        yield

    def session(self) -> RemoteSession:
        session = self.runner.open([])
        session.stage(self.root)
        return session

    def log(self) -> bytes:
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        self.connections.close()
        self._log.close()


@pytest.fixture
def elsewhere(remote: FakeRemote, store: Store, tmp_path: Path) -> Iterator[Elsewhere]:
    made = Elsewhere(remote, store, tmp_path / "log")
    yield made
    made.close()


def output(remote: FakeRemote, *, tree: bool = False) -> Any:
    """A result with one output directory, as directories or as a tree."""
    from grilse.storage.messages import encode_listing

    inner = encode_listing(Listing({"f": FileNode(remote.put(b"content"), False)}))
    outer = encode_listing(Listing({"sub": DirectoryNode(digest_bytes(inner))}))
    result = messages.ActionResult(stdout_digest=cas.to_message(remote.put(b"long output\n")))
    directory = result.output_directories.add(path=".")
    if tree:
        whole = remote.put(field_bytes(1, outer) + field_bytes(2, inner))
        directory.tree_digest.CopyFrom(cas.to_message(whole))
    else:
        remote.put(inner)
        directory.root_directory_digest.CopyFrom(cas.to_message(remote.put(outer)))
    return messages.ExecuteResponse(result=result)


@pytest.mark.parametrize("tree", [False, True])
def test_outputs_come_back_without_their_content(
    remote: FakeRemote, store: Store, elsewhere: Elsewhere, tree: bool
) -> None:
    remote.plays.append([("done", output(remote, tree=tree))])
    session = elsewhere.session()
    assert session.run(COMMAND) == 0
    captured = session.capture("/buildstream/project/element.bst")
    inner = session.capture("/buildstream/project/element.bst/sub")
    assert captured is not None and inner is not None
    assert store.listing(captured).nodes["sub"] == DirectoryNode(inner)
    assert session.capture("/buildstream-install") is None
    assert session.capture("/buildstream/project/element.bst/sub/f") is None
    assert elsewhere.log() == b"long output\n"
    content = digest_bytes(b"content")
    assert not store.contains(content)
    assert store.read(content) == b"content"


def test_inputs_are_uploaded_once(remote: FakeRemote, elsewhere: Elsewhere) -> None:
    remote.plays.extend([[("done", DONE)]] * 2)
    for _ in range(2):
        elsewhere.session().run(COMMAND)
    assert elsewhere.root in remote.blobs
    assert remote.calls["BatchUpdateBlobs"] == 2
    # The second time only the action itself is asked for.
    assert remote.calls["FindMissingBlobs"] == 3


def test_inputs_that_were_expired_are_uploaded_again(remote: FakeRemote, elsewhere: Elsewhere) -> None:
    remote.plays.append([("done", DONE)])
    elsewhere.session().run(COMMAND)
    remote.blobs.clear()
    remote.plays.extend([[("break", "FAILED_PRECONDITION")], [("done", DONE)]])
    assert elsewhere.session().run(COMMAND) == 3
    assert elsewhere.root in remote.blobs


def test_a_cached_result_whose_outputs_are_gone_is_made_again(remote: FakeRemote, elsewhere: Elsewhere) -> None:
    gone = output(remote)
    gone.cached_result = True
    remote.plays.append([("done", gone)])
    del remote.blobs[cas.from_message(gone.result.output_directories[0].root_directory_digest)]
    remote.plays.append([("done", DONE)])
    assert elsewhere.session().run(COMMAND) == 3
    assert remote.calls["Execute"] == 2


def test_outputs_that_are_nowhere_are_an_error(remote: FakeRemote, elsewhere: Elsewhere) -> None:
    gone = output(remote)
    remote.plays.append([("done", gone)])
    del remote.blobs[cas.from_message(gone.result.output_directories[0].root_directory_digest)]
    with pytest.raises(SandboxError, match="does not have 1 outputs"):
        elsewhere.session().run(COMMAND)


def test_known_results_are_used_if_they_are_successes(remote: FakeRemote, store: Store, tmp_path: Path) -> None:
    elsewhere = Elsewhere(remote, store, tmp_path / "log", cache=True)
    try:
        encoded = encode_action(elsewhere.root, COMMAND, platform_properties({"build-os": "linux"}, COMMAND))
        remote.results[encoded.digest] = output(remote).result.SerializeToString()
        assert elsewhere.session().run(COMMAND) == 0
        assert remote.calls["Execute"] == 0
        assert "info: Action result found in action cache" in elsewhere.said
        assert elsewhere.log() == b"long output\n"
        remote.results[encoded.digest] = DONE.result.SerializeToString()
        remote.plays.append([("done", output(remote))])
        assert elsewhere.session().run(COMMAND) == 0
        assert remote.calls["Execute"] == 1
    finally:
        elsewhere.close()


def test_an_action_cache_that_fails_is_done_without(remote: FakeRemote, store: Store, tmp_path: Path) -> None:
    elsewhere = Elsewhere(remote, store, tmp_path / "log", cache=True)
    try:
        remote.without.add("GetActionResult")
        remote.plays.append([("done", DONE)])
        assert elsewhere.session().run(COMMAND) == 3
        assert any(text.startswith("warn: Failed to query action cache") for text in elsewhere.said)
    finally:
        elsewhere.close()


def test_output_is_followed_while_the_command_runs(remote: FakeRemote, elsewhere: Elsewhere) -> None:
    streamed = remote.put(b"said\n" * 3)
    whole = messages.ActionResult(stdout_raw=b"said\n" * 5)
    name = f"logs/{streamed.hash}/{streamed.size}"
    remote.plays.append([("stage", 3, "bot", name), ("done", messages.ExecuteResponse(result=whole))])
    assert elsewhere.session().run(COMMAND) == 0
    assert elsewhere.log() == b"said\n" * 5
    assert remote.calls["Read"] == 1


def test_what_needs_this_machine_is_refused(elsewhere: Elsewhere) -> None:
    session = elsewhere.session()
    mounted = Command(argv=("sh",), environment=COMMAND.environment, mounts=(HostMount("/etc/hosts", "/etc/hosts"),))
    with pytest.raises(SandboxError, match="cannot show files of this machine"):
        session.run(mounted)
    with pytest.raises(SandboxError, match="no terminal"), session.launch(COMMAND):
        pass


@pytest.mark.parametrize("name", ["gcc", "/usr/bin/gcc", "bin/sh"])
def test_a_program_that_is_not_staged_is_named(remote: FakeRemote, elsewhere: Elsewhere, name: str) -> None:
    command = Command(argv=(name,), environment=COMMAND.environment)
    with pytest.raises(SandboxError, match=f"do not provide command '{name}'") as caught:
        elsewhere.session().run(command)
    assert caught.value.reason == "missing-command"
    assert not remote.calls


def test_an_input_that_is_nowhere_is_named(remote: FakeRemote, store: Store, elsewhere: Elsewhere) -> None:
    os.unlink(store.path(digest_bytes(b"shell")))
    with pytest.raises(Exception, match=digest_bytes(b"shell").hash):
        elsewhere.session().run(COMMAND)
    assert transfer.tree_digests(store, elsewhere.root)


def test_a_storage_is_needed(remote: FakeRemote) -> None:
    from grilse.protocol.errors import RemoteError

    service = RemoteConfig(url=remote.url, type="endpoint")
    with Connections() as connections:
        with pytest.raises(RemoteError, match="needs an execution service and a storage"):
            open_services(connections, ExecutionConfig(execution=service), None)
        services = open_services(connections, ExecutionConfig(execution=service), service)
        assert services.storage is services.execution
