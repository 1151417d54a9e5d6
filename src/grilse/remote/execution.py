"""Has actions run by a remote execution service, whatever happens to it meanwhile.

Knows operations: their stages, their loss and recovery, cancellation.  Does not know what actions do, nor how their
inputs got there.

Source: ``remote_execution.proto`` and ``operations.proto`` in ``storage/proto``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from grilse.protocol.errors import RemoteError, SandboxError
from grilse.remote.cas import to_message
from grilse.remote.connection import Connection
from grilse.remote.errors import CallFailed
from grilse.remote.library import grpc
from grilse.remote.proto.operations_pb2_grpc import OperationsStub
from grilse.remote.proto.remote_execution_pb2_grpc import ExecutionStub
from grilse.storage.digest import Digest
from grilse.storage.proto import operations_pb2
from grilse.storage.proto import remote_execution_pb2 as messages

# After this we ask anew, so that a connection that died in silence is noticed.
STREAM_SECONDS = 300.0
# How often an action is begun again that the service lost, and a stream that broke without having said anything.
ATTEMPTS = 4
BREAKS = 6
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
CANCEL_SECONDS = 5.0

# What the service says when it is not the action's fault: a worker or a part of the service was lost.
_LOST = frozenset({"UNAVAILABLE", "ABORTED", "INTERNAL", "CANCELLED", "UNKNOWN", "RESOURCE_EXHAUSTED"})
_PRECONDITION = "FAILED_PRECONDITION"


class Stage(NamedTuple):
    """Where an operation is.

    Attributes:
        name: "unknown", "cache-check", "queued", "executing" or "completed".
        worker: who runs it, if the service says so, else "".
        stdout, stderr: names of byte streams with its output so far, or "".
    """

    name: str
    worker: str = ""
    stdout: str = ""
    stderr: str = ""


_STAGES = {0: "unknown", 1: "cache-check", 2: "queued", 3: "executing", 4: "completed"}


class InputsMissing(SandboxError):
    """The service does not have an action's inputs."""


def _lacking(words: str) -> InputsMissing:
    return InputsMissing(f"The execution service cannot run the action: {words}", reason="remote-inputs-missing")


class Finished(NamedTuple):
    """What came of an action.

    Attributes:
        result: its ``ActionResult``.
        cached: whether it was not run, since the result was known.
        message: what the service says about it, or "".
    """

    result: Any
    cached: bool
    message: str


def execute(
    connection: Connection,
    action: Digest,
    *,
    skip_cache: bool = False,
    watch: Callable[[Stage], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Finished:
    """Have an action run, and wait for it.

    Whatever interrupts the wait (an exception of the caller's) cancels the operation.

    Args:
        connection: to the service.
        action: digest of the action, whose inputs the service's storage has.
        skip_cache: whether it is run even if the service knows the result.
        watch: told where the operation is, when that changes.
        say: told in a sentence when something is lost and begun again.

    Raises:
        InputsMissing: the service does not have the action or its inputs.
        SandboxError: the service failed, again and again, or refuses.
        CallFailed, RemoteSilent: it does not answer.
    """
    attempt = 1
    while True:
        operation = _Operation(connection, action, skip_cache, watch, say)
        try:
            response = operation.wait()
        except (SandboxError, RemoteError):
            raise
        except BaseException:
            operation.cancel()
            raise
        code = _code_name(response.status.code)
        if code == "OK":
            return Finished(response.result, response.cached_result, response.message)
        words = response.status.message or response.message
        if code == _PRECONDITION:
            raise _lacking(words)
        if code not in _LOST or attempt >= ATTEMPTS:
            tries = f" after {attempt} attempts" if attempt > 1 else ""
            raise SandboxError(
                f"The execution service at {connection.url} failed{tries}: {code}" + (f": {words}" if words else ""),
                reason="remote-execution-failed",
                temporary=code in _LOST,
            )
        if say is not None:
            say(f"The execution service lost the action ({code}: {words}); it is begun again")
        connection.pause(_pause(attempt))
        attempt += 1
        # A result of a run that was lost is not to be trusted.
        skip_cache = True


class _Operation:
    """One operation: begun, watched, and found again when the connection to it breaks."""

    def __init__(
        self,
        connection: Connection,
        action: Digest,
        skip_cache: bool,
        watch: Callable[[Stage], None] | None,
        say: Callable[[str], None] | None,
    ) -> None:
        self._connection = connection
        self._request = messages.ExecuteRequest(
            instance_name=connection.instance, action_digest=to_message(action), skip_cache_lookup=skip_cache
        )
        self._watch = watch
        self._say = say
        self._stage: Stage | None = None
        self._call: Any = None
        self.name = ""

    def wait(self) -> Any:
        """The ``ExecuteResponse``.

        Raises:
            SandboxError: the service refuses, or answers with nonsense.
            CallFailed, RemoteSilent: it does not answer.
        """
        breaks = 0
        while True:
            self._connection.check_breaker()
            heard = False
            try:
                for operation in self._stream():
                    heard = True
                    self.name = operation.name or self.name
                    self._tell(operation)
                    if operation.done:
                        self._connection.answered()
                        return self._response(operation)
                code, words = "UNAVAILABLE", "the service ended the stream before the operation was done"
            except grpc.RpcError as error:
                code, words = error.code().name, (error.details() or "").partition("\n")[0]
            except ValueError as error:
                code, words = "CANCELLED", str(error)
            if heard:
                breaks = 0
            if code == "DEADLINE_EXCEEDED" and heard:
                continue  # our own limit, to ask anew
            if self.name and code in ("NOT_FOUND", "UNIMPLEMENTED", "INVALID_ARGUMENT"):
                # It forgot the operation, or cannot find any again: an equal one may still be under way.
                self.name = ""
                breaks += 1
            elif code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
                breaks += 1
            else:
                raise self._refusal(code, words)
            if breaks >= BREAKS:
                raise self._connection.failure("Execute", code, words)
            if self._say is not None:
                self._say(f"The connection to the execution service broke ({code}: {words}); it is made anew")
            self._connection.pause(_pause(breaks))

    def _stream(self) -> Any:
        stub = self._connection.stub(ExecutionStub)
        metadata = self._connection.metadata()
        if self.name:
            request = messages.WaitExecutionRequest(name=self.name)
            self._call = stub.WaitExecution(request, timeout=STREAM_SECONDS, metadata=metadata)
        else:
            self._call = stub.Execute(self._request, timeout=STREAM_SECONDS, metadata=metadata)
        return self._call

    def _tell(self, operation: Any) -> None:
        found = messages.ExecuteOperationMetadata()
        try:
            if not operation.metadata.Unpack(found):
                return
        except DecodeError:
            return
        worker = found.partial_execution_metadata.worker
        stage = Stage(_STAGES.get(found.stage, "unknown"), worker, found.stdout_stream_name, found.stderr_stream_name)
        if stage != self._stage:
            self._stage = stage
            if self._watch is not None:
                self._watch(stage)

    def _response(self, operation: Any) -> Any:
        response = messages.ExecuteResponse()
        if operation.HasField("error"):
            response.status.CopyFrom(operation.error)
            return response
        try:
            if operation.response.Unpack(response):
                return response
        except DecodeError:
            pass
        raise SandboxError(
            f"The execution service at {self._connection.url} answered with something that is no result",
            reason="remote-execution-failed",
        )

    def _refusal(self, code: str, words: str) -> Exception:
        if code == _PRECONDITION:
            return InputsMissing(
                f"The execution service cannot run the action: {words}", reason="remote-inputs-missing"
            )
        if code == "CANCELLED":
            return CallFailed("Execute", self._connection.url, code, words)
        self._connection.answered()
        return SandboxError(
            f"The execution service at {self._connection.url} refuses: {code}" + (f": {words}" if words else ""),
            reason="remote-execution-failed",
            temporary=code in _LOST,
        )

    def cancel(self) -> None:
        """Tell the service that nobody waits any more; best effort."""
        if self._call is not None:
            self._call.cancel()
        if not self.name:
            return
        stub = self._connection.stub(OperationsStub)
        request = operations_pb2.CancelOperationRequest(name=self.name)
        try:
            stub.CancelOperation(request, timeout=CANCEL_SECONDS, metadata=self._connection.metadata())
        except (grpc.RpcError, ValueError):
            pass  # it cannot, or is not there any more: there is nobody who could do something about it


def _pause(number: int) -> float:
    return float(min(FIRST_PAUSE_SECONDS * 2 ** (number - 1), LONGEST_PAUSE_SECONDS))


def _code_name(number: int) -> str:
    names: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
    return names.get(number, f"status {number}")
