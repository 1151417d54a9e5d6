"""The sandbox interface over remote execution: a command on a tree runs elsewhere, and its output trees come back.

Offers what `grilse.sandbox.runner` offers, so that elements do not see the difference.  Knows the order of things
(cache, upload, execute, fetch), leaves each to its module.  Only directories of output trees are fetched; content of
files comes when the store is asked for it (see `supplier`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import msgspec

from grilse.protocol.errors import CasError, RemoteError, SandboxError
from grilse.remote import actioncache, transfer
from grilse.remote.actions import (
    EncodedAction,
    OutputTree,
    decode_tree,
    encode_action,
    output_trees,
    platform_properties,
    result_blobs,
)
from grilse.remote.config import ExecutionConfig, RemoteConfig
from grilse.remote.connection import Connection, Connections
from grilse.remote.execution import Finished, InputsMissing, Stage, execute
from grilse.remote.follow import Follower
from grilse.remote.session import Say
from grilse.remote.supplier import RemoteSupplier, Suppliers
from grilse.remote.transfer import Report
from grilse.sandbox.spec import Command, Launch
from grilse.storage.digest import EMPTY, Digest
from grilse.storage.directory import CasDirectory
from grilse.storage.messages import DirectoryNode
from grilse.storage.store import Store
from grilse.storage.wire import MessageError

_FAILED = "remote-execution-failed"


class Services(msgspec.Struct, frozen=True):
    """Connections to the services of remote execution.

    Attributes:
        execution: runs actions.
        storage: has their inputs and outputs.
        action_cache: knows results, or None.
    """

    execution: Connection
    storage: Connection
    action_cache: Connection | None


def open_services(connections: Connections, config: ExecutionConfig, storage: RemoteConfig | None) -> Services:
    """The connections that remote execution needs.

    Args:
        connections: of this process.
        config: the services; one that executes must be among them.
        storage: the cache's own storage service, for when remote execution has none.

    Raises:
        RemoteError: a service cannot be used as it is configured.
    """
    inputs = config.storage or storage
    if config.execution is None or inputs is None:
        raise RemoteError("Remote execution needs an execution service and a storage service")
    return Services(
        connections.get(config.execution),
        connections.get(inputs),
        connections.get(config.action_cache) if config.action_cache is not None else None,
    )


class Timed(Protocol):
    """Reports start and end of an activity around a block; ``JobContext.timed`` is one."""

    def __call__(self, text: str, *, detail: str | None = None) -> AbstractContextManager[None]: ...


class RemoteRunner:
    """Makes sessions whose commands run remotely; like `grilse.sandbox.runner.Runner`.

    Args:
        services: to use.
        store: the local store; from now on it is supplied from the storage service.
        config: the element's sandbox configuration.
        stdout: descriptor of the job's log.
        stderr: descriptor for the error output, None for the same.
        say: reports messages.
        timed: reports activities.
        mtimes: whether modification times of outputs are wanted.
        report: told how far transfers are, or None.
    """

    def __init__(
        self,
        services: Services,
        store: Store,
        config: Mapping[str, Any],
        stdout: int,
        stderr: int | None = None,
        *,
        say: Say,
        timed: Timed,
        mtimes: bool = False,
        report: Report | None = None,
    ) -> None:
        self.services = services
        self.store = store
        self.config = config
        self.stdout = stdout
        self.stderr = stdout if stderr is None else stderr
        self.say = say
        self.timed = timed
        self.mtimes = mtimes
        self.report = report
        outputs = RemoteSupplier(services.storage, store, report)
        store.supplier = outputs if store.supplier is None else Suppliers(outputs, store.supplier)

    def open(self, layers: Sequence[Digest]) -> RemoteSession:
        """A new session; `layers` do not matter here."""
        return RemoteSession(self)


class RemoteSession:
    """A root on which commands run remotely; like `grilse.sandbox.session.Session`."""

    def __init__(self, runner: RemoteRunner) -> None:
        self._runner = runner
        self._root = EMPTY
        self._outputs: dict[str, Digest] = {}

    def stage(self, root: Digest) -> None:
        """Make the root show a tree."""
        self._root = root
        self._outputs = {}

    def run(self, command: Command) -> int:
        """Run a command; returns its exit status.

        Raises:
            SandboxError: it does not exist in the root (``missing-command``), or the services failed.
        """
        runner = self._runner
        if command.mounts or command.interactive:
            raise SandboxError("Remote execution cannot show files of this machine, nor a terminal", reason=_FAILED)
        self._must_exist(command)
        action = encode_action(self._root, command, platform_properties(runner.config, command), mtimes=runner.mtimes)
        try:
            finished, trees = self._result(command, action)
        except RemoteError as error:
            raise SandboxError(
                f"Remote execution failed: {error.message}",
                detail=error.detail,
                reason=error.reason or _FAILED,
                temporary=error.temporary,
            ) from error
        self._outputs = {tree.path: tree.root for tree in trees if tree.root is not None}
        return int(finished.result.exit_code)

    @contextmanager
    def launch(self, command: Command) -> Iterator[Launch]:
        """Cannot be done: a terminal needs a sandbox of this machine.

        Raises:
            SandboxError: always.
        """
        raise SandboxError("Remote execution has no terminal: shells need a sandbox of this machine", reason=_FAILED)
        yield

    def capture(self, path: str, *, mtimes: bool = False, last: bool = False) -> Digest | None:
        """The digest of a directory that the command could write to; None if there is none."""
        for output in sorted(self._outputs, key=len, reverse=True):
            rest = _below(output, path)
            if rest is None:
                continue
            digest = self._outputs[output]
            for name in rest:
                node = self._runner.store.listing(digest).nodes.get(name)
                if type(node) is not DirectoryNode:
                    return None
                digest = node.digest
            return digest
        return None

    def close(self) -> None:
        """Nothing is left behind."""

    # Private

    def _must_exist(self, command: Command) -> None:
        """By the rules of bst: a path of its own, or a file in a directory of PATH."""
        name = command.argv[0]
        root = CasDirectory(self._runner.store, self._root)
        if name.startswith("/"):
            found = root.exists(name.lstrip("/"))
        elif "/" in name:
            found = False
        else:
            directories = command.environment.get("PATH", "").split(":")
            found = any(root.exists(f"{directory.strip('/')}/{name}".lstrip("/")) for directory in directories)
        if not found:
            raise SandboxError(f"Staged artifacts do not provide command '{name}'", reason="missing-command")

    def _result(self, command: Command, action: EncodedAction) -> tuple[Finished, list[OutputTree]]:
        """Find the result, or have the action run; twice if the first result names outputs that are gone."""
        known = self._known_result(command, action)
        if known is not None:
            return known
        finished = self._execute(command, action, skip_cache=False)
        trees, missing = self._fetch(command, finished)
        if missing and finished.cached:
            self._runner.say("info", "The known result names outputs that are gone; the action runs again")
            finished = self._execute(command, action, skip_cache=True)
            trees, missing = self._fetch(command, finished)
        if missing:
            raise RemoteError(
                f"The storage service does not have {len(missing)} outputs of the action",
                temporary=True,
                reason=_FAILED,
            )
        return finished, trees

    def _known_result(self, command: Command, action: EncodedAction) -> tuple[Finished, list[OutputTree]] | None:
        runner = self._runner
        if runner.services.action_cache is None:
            return None
        try:
            result = actioncache.get_result(runner.services.action_cache, action.digest)
            if result is None or result.exit_code != 0:
                return None
            known = Finished(result, True, "")
            trees, missing = self._fetch(command, known)
        except RemoteError as error:
            # Running it is always right.
            runner.say("warn", f"Failed to query action cache: {error.message}", detail=error.detail)
            return None
        if missing:
            return None
        runner.say("info", "Action result found in action cache", detail=None)
        self._write_log(known)
        return known, trees

    def _execute(self, command: Command, action: EncodedAction, *, skip_cache: bool) -> Finished:
        runner = self._runner
        upload = Uploads(runner.services.storage, runner.store, runner.report)
        with runner.timed("Uploading input root"):
            upload.action(action, thorough=False)
        follower = Follower(runner.services.execution, runner.stdout, runner.stderr)

        def watch(stage: Stage) -> None:
            follower.follow(stage)
            if stage.name == "queued":
                runner.say("status", "Waiting for a worker", detail=None)
            elif stage.name == "executing":
                runner.say("status", f"Running on worker {stage.worker}" if stage.worker else "Running", detail=None)

        def lost(sentence: str) -> None:
            runner.say("warn", sentence, detail=None)

        try:
            with runner.timed("Waiting for the remote build to complete"):
                try:
                    finished = self._wait(action, skip_cache, watch, lost)
                except InputsMissing:
                    # What we believed to be there has been expired.
                    upload.action(action, thorough=True)
                    finished = self._wait(action, skip_cache, watch, lost)
        finally:
            streamed = follower.close()
        self._write_log(finished, *streamed)
        return finished

    def _wait(
        self,
        action: EncodedAction,
        skip_cache: bool,
        watch: Callable[[Stage], None],
        lost: Callable[[str], None],
    ) -> Finished:
        connection = self._runner.services.execution
        return execute(connection, action.digest, skip_cache=skip_cache, watch=watch, say=lost)

    def _fetch(self, command: Command, finished: Finished) -> tuple[list[OutputTree], list[Digest]]:
        """Bring the directories of outputs and the texts of the command; also what of these is missing."""
        storage, store = self._runner.services.storage, self._runner.store
        trees = output_trees(command.cwd, finished.result)
        blobs = result_blobs(finished.result) + [tree.tree for tree in trees if tree.root is None and tree.tree]
        missing = transfer.fetch_blobs(storage, store, blobs)
        if missing:
            return trees, missing
        found: list[OutputTree] = []
        for tree in trees:
            if tree.root is None:
                if tree.tree is None:
                    raise SandboxError(f"The output '{tree.path}' has no digest", reason=_FAILED)
                tree = tree._replace(root=self._unpack(tree.tree))
            found.append(tree)
        _, missing = transfer.fetch_directories(storage, store, [tree.root for tree in found if tree.root is not None])
        return found, missing

    def _unpack(self, tree: Digest) -> Digest:
        """Put the directories of a ``Tree`` into the store."""
        try:
            root, directories = decode_tree(self._runner.store.read(tree))
        except MessageError as error:
            raise SandboxError(f"Blob {tree} is not a tree: {error}", reason=_FAILED) from error
        for directory in directories:
            self._runner.store.add_bytes(directory)
        return root

    def _write_log(self, finished: Finished, streamed_out: int = 0, streamed_error: int = 0) -> None:
        """Write the command's output to the log, but for the bytes that were streamed while it ran."""
        result = finished.result
        for raw, digest, descriptor, streamed in (
            (result.stdout_raw, result.stdout_digest, self._runner.stdout, streamed_out),
            (result.stderr_raw, result.stderr_digest, self._runner.stderr, streamed_error),
        ):
            data = raw
            if not data and digest.hash:
                named = Digest(digest.hash, digest.size_bytes)
                try:
                    transfer.fetch_blobs(self._runner.services.storage, self._runner.store, [named])
                    data = self._runner.store.read(named)
                except (RemoteError, CasError) as error:
                    self._runner.say("warn", f"The output of the command is lost: {error.message}", detail=None)
                    continue
            view = memoryview(data)[streamed:]
            while view:
                view = view[os.write(descriptor, view) :]


class Uploads:
    """Uploads actions with their inputs, by difference.

    What the storage had a moment ago is not asked for again: the same base systems are part of nearly every action.
    """

    def __init__(self, connection: Connection, store: Store, report: Report | None) -> None:
        self._connection = connection
        self._store = store
        self._report = report

    def action(self, action: EncodedAction, *, thorough: bool) -> None:
        """Upload an action, unless it is there.

        Args:
            action: the action.
            thorough: whether to ask for everything anew.

        Raises:
            RemoteError: the storage fails.
            CasError: an input is neither there nor here.
        """
        memory: dict[Digest, None] = self._connection.memory.setdefault("present", {})
        if thorough or len(memory) > _REMEMBERED:
            memory.clear()
        digests = [d for d in transfer.tree_digests(self._store, action.root) if d not in memory]
        transfer.push_blobs(self._connection, self._store, digests, self._report)
        memory.update(dict.fromkeys(digests))
        transfer.upload_bytes(self._connection, [action.command, action.action])


# How many digests a connection is remembered to have; one takes about 200 bytes.
_REMEMBERED = 500_000


def _below(parent: str, path: str) -> list[str] | None:
    """The names that lead from one absolute path to another below it, or None if it is not."""
    base = [part for part in parent.split("/") if part]
    names = [part for part in path.split("/") if part]
    return names[len(base) :] if names[: len(base)] == base else None
