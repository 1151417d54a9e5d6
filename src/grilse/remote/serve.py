"""Serves REAPI over a local store: content, byte streams, action cache and execution, for clients inside sandboxes.

Knows the services' methods; does not know where it is reached, nor who its clients are.  Everything it has not itself
(blobs, results, machines) it takes from other services, if it is told of some.

Source: ``remote_execution.proto``, ``bytestream.proto`` and ``operations.proto`` in ``storage/proto``.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf import any_pb2

from grilse.protocol.errors import CasError, GrilseError
from grilse.remote import actioncache, transfer
from grilse.remote.cas import MESSAGE_BYTES, from_message, to_message
from grilse.remote.connection import Connection
from grilse.remote.errors import BlobsMissing
from grilse.remote.library import grpc
from grilse.remote.proto import bytestream_pb2_grpc, remote_execution_pb2_grpc
from grilse.remote.streams import CHUNK_BYTES
from grilse.storage import refs
from grilse.storage.closure import missing_blobs
from grilse.storage.digest import Digest, is_hash
from grilse.storage.proto import bytestream_pb2, operations_pb2
from grilse.storage.proto import remote_execution_pb2 as messages
from grilse.storage.store import Store

# Headroom for what a message holds besides the data of blobs.
_BATCH_BYTES = MESSAGE_BYTES - (256 << 10)

_INVALID = 3
_NOT_FOUND = 5


class Backend:
    """What the services work with.

    Args:
        store: the local store.
        storage: where blobs are that are not here, and where those go that other machines need, or None.
        action_cache: knows results of actions, or None for the cache directory's own.
        update: whether clients may tell the action cache results.
        push: whether these are told to `action_cache` as well.
        execution: runs actions elsewhere, or None.
        run: runs an action here; gives its result and the trees and blobs that belong to it.
    """

    def __init__(
        self,
        store: Store,
        *,
        storage: Connection | None = None,
        action_cache: Connection | None = None,
        update: bool = False,
        push: bool = False,
        execution: Connection | None = None,
        run: Callable[[Any], tuple[Any, Sequence[Digest]]] | None = None,
    ) -> None:
        self.store = store
        self.storage = storage
        self.action_cache = action_cache
        self.update = update
        self.push = push
        self.execution = execution
        self.run = run
        self._results = os.path.join(store.cachedir, "actioncache", "objects")
        # Sandboxes are made by one thread at a time.
        self.running = threading.Lock()

    def bring(self, digests: Sequence[Digest]) -> list[Digest]:
        """Bring blobs into the store; gives those that are nowhere.

        Raises:
            GrilseError: the storage does not answer, or the store cannot be written.
        """
        lacking = self.store.missing(digests)
        if not lacking or self.storage is None:
            return lacking
        return transfer.fetch_blobs(self.storage, self.store, lacking)

    def missing(self, digests: Sequence[Digest]) -> list[Digest]:
        """Those of `digests` that a client has to upload."""
        lacking = self.store.missing(digests)
        if self.storage is None or not lacking:
            return lacking
        from grilse.remote import cas

        return cas.find_missing(self.storage, lacking)

    def pass_on(self, digests: Sequence[Digest]) -> None:
        """Upload blobs to where actions are run, if that is elsewhere."""
        if self.execution is not None and self.storage is not None:
            transfer.push_blobs(self.storage, self.store, digests)

    def result(self, action: Digest) -> Any:
        """The known result of an action whose outputs can be had, or None."""
        found = self._own_result(action)
        if found is not None or self.action_cache is None:
            return found
        return actioncache.get_result(self.action_cache, action)

    def keep_result(self, action: Digest, result: Any) -> None:
        """Remember a result."""
        refs.write_ref(self._results, f"{action.hash[:2]}/{action.hash[2:]}", result.SerializeToString())
        if self.action_cache is not None and self.push:
            if self.storage is not None:
                blobs, trees = named_by(result)
                digests = list(blobs)
                for tree in trees:
                    digests += transfer.tree_digests(self.store, tree)
                transfer.push_blobs(self.storage, self.store, digests)
            actioncache.update_result(self.action_cache, action, result)

    def _own_result(self, action: Digest) -> Any:
        data = refs.read_ref(self._results, f"{action.hash[:2]}/{action.hash[2:]}", touch=True)
        if data is None:
            return None
        try:
            result = messages.ActionResult.FromString(data)
        except ValueError:
            return None
        blobs, trees = named_by(result)
        return None if next(missing_blobs(self.store, blobs, trees), None) is not None else result


def named_by(result: Any) -> tuple[list[Digest], list[Digest]]:
    """The blobs and the trees that an ``ActionResult`` names."""
    blobs = [from_message(one.digest) for one in result.output_files]
    blobs += [from_message(one.tree_digest) for one in result.output_directories if one.tree_digest.hash]
    blobs += [from_message(one) for one in (result.stdout_digest, result.stderr_digest) if one.hash]
    trees = [from_message(one.root_directory_digest) for one in result.output_directories]
    return blobs, [tree for tree in trees if tree.hash]


def add_services(server: Any, backend: Backend) -> None:
    """Let a gRPC server offer the services."""
    services: Any = remote_execution_pb2_grpc
    services.add_CapabilitiesServicer_to_server(_Capabilities(backend), server)
    services.add_ContentAddressableStorageServicer_to_server(_Storage(backend), server)
    services.add_ActionCacheServicer_to_server(_ActionCache(backend), server)
    services.add_ExecutionServicer_to_server(_Execution(backend), server)
    streams: Any = bytestream_pb2_grpc
    streams.add_ByteStreamServicer_to_server(_Streams(backend), server)


class _Servicer:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def _checked(self, message: Any, context: Any) -> Digest:
        digest = from_message(message)
        if not is_hash(digest.hash) or digest.size < 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"'{digest.hash}' is not the SHA-256 of a blob")
        return digest


def _abort(context: Any, error: GrilseError) -> None:
    """End a call with an error of ours."""
    if isinstance(error, BlobsMissing) or error.reason == "missing-blob":
        context.abort(grpc.StatusCode.NOT_FOUND, error.message)
    if error.reason == "cache-too-full":
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, error.message)
    if error.reason == "corrupt-blob":
        context.abort(grpc.StatusCode.DATA_LOSS, error.message)
    context.abort(grpc.StatusCode.UNAVAILABLE if error.temporary else grpc.StatusCode.INTERNAL, error.message)


class _Capabilities(_Servicer, remote_execution_pb2_grpc.CapabilitiesServicer):
    def GetCapabilities(self, request: Any, context: Any) -> Any:
        backend = self._backend
        sha256 = messages.DigestFunction.SHA256
        told = messages.ServerCapabilities(
            cache_capabilities=messages.CacheCapabilities(
                digest_functions=[sha256],
                action_cache_update_capabilities=messages.ActionCacheUpdateCapabilities(update_enabled=backend.update),
                max_batch_total_size_bytes=_BATCH_BYTES,
                symlink_absolute_path_strategy=messages.SymlinkAbsolutePathStrategy.ALLOWED,
            ),
            execution_capabilities=messages.ExecutionCapabilities(
                digest_function=sha256,
                digest_functions=[sha256],
                exec_enabled=backend.execution is not None or backend.run is not None,
            ),
        )
        told.low_api_version.major = told.high_api_version.major = 2
        told.high_api_version.minor = 3
        return told


class _Storage(_Servicer, remote_execution_pb2_grpc.ContentAddressableStorageServicer):
    def FindMissingBlobs(self, request: Any, context: Any) -> Any:
        digests = [self._checked(one, context) for one in request.blob_digests]
        try:
            missing = self._backend.missing(digests)
        except GrilseError as error:
            _abort(context, error)
        return messages.FindMissingBlobsResponse(missing_blob_digests=map(to_message, missing))

    def BatchUpdateBlobs(self, request: Any, context: Any) -> Any:
        response = messages.BatchUpdateBlobsResponse()
        added: list[Digest] = []
        try:
            for one in request.requests:
                digest = self._checked(one.digest, context)
                answer = response.responses.add(digest=one.digest)
                if one.compressor != messages.Compressor.IDENTITY or len(one.data) != digest.size:
                    answer.status.code = _INVALID
                    continue
                with self._backend.store.receive(digest) as file:
                    file.write(one.data)
                added.append(digest)
            self._backend.pass_on(added)
        except GrilseError as error:
            _abort(context, error)
        return response

    def BatchReadBlobs(self, request: Any, context: Any) -> Any:
        digests = [self._checked(one, context) for one in request.digests]
        if sum(digest.size for digest in digests) > _BATCH_BYTES:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"a batch has at most {_BATCH_BYTES} bytes")
        response = messages.BatchReadBlobsResponse()
        try:
            missing = set(self._backend.bring(digests))
            for digest in digests:
                answer = response.responses.add(digest=to_message(digest))
                if digest in missing:
                    answer.status.code = _NOT_FOUND
                else:
                    answer.data = self._backend.store.read(digest)
        except GrilseError as error:
            _abort(context, error)
        return response

    def GetTree(self, request: Any, context: Any) -> Iterator[Any]:
        root = self._checked(request.root_digest, context)
        store = self._backend.store
        todo, seen = [root], {root}
        while todo:
            page = messages.GetTreeResponse()
            size = 0
            try:
                if self._backend.bring(todo):
                    context.abort(grpc.StatusCode.NOT_FOUND, "a directory of the tree is missing")
                while todo and size < CHUNK_BYTES:
                    data = store.read(todo.pop(0))
                    size += len(data)
                    directory = messages.Directory.FromString(data)
                    page.directories.append(directory)
                    for node in directory.directories:
                        digest = from_message(node.digest)
                        if digest not in seen:
                            seen.add(digest)
                            todo.append(digest)
            except GrilseError as error:
                _abort(context, error)
            yield page


class _Streams(_Servicer, bytestream_pb2_grpc.ByteStreamServicer):
    def Read(self, request: Any, context: Any) -> Iterator[Any]:
        digest = _named_blob(request.resource_name)
        if digest is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the name of a blob is expected")
            return
        try:
            if self._backend.bring([digest]):
                context.abort(grpc.StatusCode.NOT_FOUND, f"there is no blob {digest}")
            with self._backend.store.open(digest) as file:
                file.seek(request.read_offset)
                left = request.read_limit or digest.size
                while left > 0 and (data := file.read(min(CHUNK_BYTES, left))):
                    left -= len(data)
                    yield bytestream_pb2.ReadResponse(data=data)
        except GrilseError as error:
            _abort(context, error)

    def Write(self, requests: Any, context: Any) -> Any:
        first = next(requests, None)
        digest = _named_blob(first.resource_name) if first is not None else None
        if first is None or digest is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the name of a blob is expected")
            return None
        try:
            with self._backend.store.receive(digest) as file:
                file.write(first.data)
                for request in requests:
                    if request.write_offset != file.size:
                        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a part is missing")
                    if file.size + len(request.data) > digest.size:
                        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "more than the blob's size")
                    file.write(request.data)
            self._backend.pass_on([digest])
        except GrilseError as error:
            _abort(context, error)
        return bytestream_pb2.WriteResponse(committed_size=digest.size)

    def QueryWriteStatus(self, request: Any, context: Any) -> Any:
        digest = _named_blob(request.resource_name)
        whole = digest is not None and self._backend.store.contains(digest)
        size = digest.size if digest is not None and whole else 0
        return bytestream_pb2.QueryWriteStatusResponse(committed_size=size, complete=whole)


def _named_blob(name: str) -> Digest | None:
    """The blob that a resource name ends with: ``.../blobs/HASH/SIZE``, perhaps with something behind it."""
    parts = name.split("/")
    for index, part in enumerate(parts[:-2]):
        if part == "blobs" and is_hash(parts[index + 1]) and parts[index + 2].isdecimal():
            return Digest(parts[index + 1], int(parts[index + 2]))
    return None


class _ActionCache(_Servicer, remote_execution_pb2_grpc.ActionCacheServicer):
    def GetActionResult(self, request: Any, context: Any) -> Any:
        action = self._checked(request.action_digest, context)
        found = None
        try:
            found = self._backend.result(action)
        except GrilseError as error:
            _abort(context, error)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "the action's result is not known")
        return found

    def UpdateActionResult(self, request: Any, context: Any) -> Any:
        action = self._checked(request.action_digest, context)
        if not self._backend.update:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "clients in this sandbox may not update the action cache")
        try:
            self._backend.keep_result(action, request.action_result)
        except GrilseError as error:
            _abort(context, error)
        return request.action_result


class _Execution(_Servicer, remote_execution_pb2_grpc.ExecutionServicer):
    def Execute(self, request: Any, context: Any) -> Iterator[Any]:
        action = self._checked(request.action_digest, context)
        backend = self._backend
        try:
            known = None if request.skip_cache_lookup else backend.result(action)
            if known is not None:
                yield _done(messages.ExecuteResponse(result=known, cached_result=True))
            elif backend.execution is not None:
                yield self._elsewhere(backend.execution, action, request.skip_cache_lookup)
            elif backend.run is not None:
                yield self._here(backend.run, action)
            else:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "actions are not run here")
        except BlobsMissing as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, error.message)
        except CasError as error:
            if error.reason == "missing-blob":
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, error.message)
            _abort(context, error)
        except GrilseError as error:
            _abort(context, error)

    def _elsewhere(self, execution: Connection, action: Digest, skip_cache: bool) -> Any:
        from grilse.remote.execution import execute

        finished = execute(execution, action, skip_cache=skip_cache)
        return _done(
            messages.ExecuteResponse(result=finished.result, cached_result=finished.cached, message=finished.message)
        )

    def _here(self, run: Callable[[Any], tuple[Any, Sequence[Digest]]], action: Digest) -> Any:
        backend = self._backend
        lacking = backend.bring([action])
        if lacking:
            raise BlobsMissing("of the sandbox", lacking)
        message = messages.Action.FromString(backend.store.read(action))
        root = from_message(message.input_root_digest)
        if backend.storage is not None:
            lacking = backend.bring([from_message(message.command_digest)])
            lacking += transfer.fetch_trees(backend.storage, backend.store, [root])
            if lacking:
                raise BlobsMissing(backend.storage.url, lacking)
        with backend.running:
            result, _ = run(message)
        # What was run here is to be trusted, whether or not clients may tell of what they ran themselves.
        if result.exit_code == 0 and not message.do_not_cache:
            backend.keep_result(action, result)
        return _done(messages.ExecuteResponse(result=result))


def _done(response: Any) -> Any:
    packed = any_pb2.Any()
    packed.Pack(response)
    metadata = any_pb2.Any()
    metadata.Pack(messages.ExecuteOperationMetadata(stage=messages.ExecutionStage.COMPLETED))
    return operations_pb2.Operation(name=f"local/{uuid.uuid4()}", metadata=metadata, done=True, response=packed)
