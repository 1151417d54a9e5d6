"""The record of an artifact: what an element's build gave, as a message.

Knows bst's record (``storage/proto/artifact.proto``, version 2); does not know where records lie, nor elements, keys or
plugins: names and keys come as text, metadata as YAML documents that others make and read.
"""

from __future__ import annotations

import os
import string
from collections.abc import Iterable

import msgspec

from grilse.storage.digest import Digest
from grilse.storage.wire import (
    MessageError,
    as_bytes,
    as_int,
    as_text,
    decode_digest,
    encode_digest,
    field_bytes,
    field_int,
    field_text,
    fields,
)

_VERSION = 2

_DEPENDENCY = 9  # number of the field that holds a build dependency

_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._")


class BuildDependency(msgspec.Struct, frozen=True):
    """One element of an artifact's build closure.

    Attributes:
        project: name of its project.
        element: its name as in ``depends``, without junctions, with suffix.
        key: its full cache key.
        workspaced: whether it was built from a workspace.
    """

    project: str
    element: str
    key: str
    workspaced: bool = False

    @property
    def artifact(self) -> str:
        """Name of its artifact."""
        return artifact_name(self.project, self.element, self.key)


class LogFile(msgspec.Struct, frozen=True):
    """A log that is kept with an artifact.

    Attributes:
        name: file name, without directories.
        digest: of its text.
    """

    name: str
    digest: Digest


class SandboxState(msgspec.Struct, frozen=True):
    """What is needed to make an artifact's sandbox again.

    Attributes:
        environment: variables of its commands, sorted by name.
        working_directory: absolute path in the sandbox.
        subsandboxes: trees of sandboxes within it.
        marked_directories: absolute paths of directories that commands may write to.
    """

    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str = ""
    subsandboxes: tuple[Digest, ...] = ()
    marked_directories: tuple[str, ...] = ()


class Artifact(msgspec.Struct, frozen=True):
    """What an element's build gave.  Digests are None where nothing was kept.

    Attributes:
        strong_key, strict_key, weak_key: cache keys, hexadecimal.
        success: whether the build succeeded; a failed one is kept, too.
        error: one line on how it ended ("succeeded", or why it failed).
        error_detail: more about it.
        workspaced: whether it was built from a workspace.
        files: tree of the output.
        encoded_dependencies: the build closure, from `encode_dependencies`; read `build_dependencies`.
        public_data: blob, YAML document.
        low_diversity: blob, YAML document with ``environment`` and ``sandbox-config``.
        high_diversity: blob, YAML document with ``variables``.
        logs: logs of the build.
        buildtree: tree of the build directory.
        sources: tree of the staged sources.
        buildroot: tree of the whole sandbox.
        sandbox: how to run commands in `buildroot`.
        version: version of the record.
    """

    strong_key: str
    strict_key: str
    weak_key: str
    success: bool = True
    error: str = "succeeded"
    error_detail: str = ""
    workspaced: bool = False
    files: Digest | None = None
    encoded_dependencies: bytes = b""
    public_data: Digest | None = None
    low_diversity: Digest | None = None
    high_diversity: Digest | None = None
    logs: tuple[LogFile, ...] = ()
    buildtree: Digest | None = None
    sources: Digest | None = None
    buildroot: Digest | None = None
    sandbox: SandboxState | None = None
    version: int = _VERSION

    @property
    def tainted(self) -> bool:
        """Whether a workspace went into it, directly or through what it was built with: nobody else's business."""
        return self.workspaced or any(needed.workspaced for needed in self.build_dependencies)

    def blobs(self) -> list[Digest]:
        """Digests of the blobs that are no trees: metadata and logs."""
        meta = (self.low_diversity, self.high_diversity, self.public_data)
        return [digest for digest in meta if digest is not None] + [log.digest for log in self.logs]

    def trees(self) -> list[Digest]:
        """Digests of all trees: output first."""
        trees: list[Digest | None] = [self.files, self.buildtree, self.sources, self.buildroot]
        if self.sandbox is not None:
            trees += self.sandbox.subsandboxes
        return [digest for digest in trees if digest is not None]

    @property
    def build_dependencies(self) -> tuple[BuildDependency, ...]:
        """The build closure in staging order; decoded each time, since few ask and it may be long."""
        return tuple(_decode_dependency(as_bytes(value)) for _, value in fields(self.encoded_dependencies))


def normal_name(element: str) -> str:
    """An element's name as a file name: ``/`` becomes ``-``, the suffix goes, other characters become ``_``."""
    stem = os.path.splitext(element.replace("/", "-"))[0]
    return "".join(char if char in _NAME_CHARACTERS else "_" for char in stem)


def artifact_name(project: str, element: str, key: str) -> str:
    """The name of an artifact, ``PROJECT/ELEMENT/KEY``, which users may write, too."""
    return f"{project}/{normal_name(element)}/{key}"


def encode_dependencies(closure: Iterable[BuildDependency]) -> bytes:
    """The build closure in the form that `Artifact` holds."""
    return b"".join(
        field_bytes(
            _DEPENDENCY,
            field_text(1, needed.project)
            + field_text(2, needed.element)
            + field_text(3, needed.key)
            + field_int(4, needed.workspaced),
        )
        for needed in closure
    )


def encode_artifact(artifact: Artifact) -> bytes:
    """The ``Artifact`` message, the same bytes as bst writes."""

    def digest(number: int, value: Digest | None) -> bytes:
        return b"" if value is None else field_bytes(number, encode_digest(value))

    out = [
        field_int(1, artifact.version),
        field_int(2, artifact.success),
        field_text(3, artifact.error),
        field_text(4, artifact.error_detail),
        field_text(5, artifact.strong_key),
        field_text(6, artifact.weak_key),
        field_int(7, artifact.workspaced),
        digest(8, artifact.files),
    ]
    out += (artifact.encoded_dependencies, digest(10, artifact.public_data))
    out += (field_bytes(11, field_text(1, log.name) + digest(2, log.digest)) for log in artifact.logs)
    out += (
        digest(12, artifact.buildtree),
        digest(13, artifact.sources),
        digest(14, artifact.low_diversity),
        digest(15, artifact.high_diversity),
        field_text(16, artifact.strict_key),
        digest(17, artifact.buildroot),
    )
    if artifact.sandbox is not None:
        state = artifact.sandbox
        body = b"".join(field_bytes(1, field_text(1, name) + field_text(2, value)) for name, value in state.environment)
        body += field_text(2, state.working_directory)
        body += b"".join(field_bytes(3, encode_digest(tree)) for tree in state.subsandboxes)
        body += b"".join(field_bytes(4, path.encode("utf-8")) for path in state.marked_directories)
        out.append(field_bytes(18, body))
    return b"".join(out)


def decode_artifact(data: bytes) -> Artifact:
    """Read an ``Artifact`` message.

    Raises:
        MessageError: it is none, or an empty one, as a file has that was cut off.
    """
    numbers: dict[int, int] = {}
    texts: dict[int, str] = {}
    digests: dict[int, Digest] = {}
    logs: list[LogFile] = []
    sandbox: SandboxState | None = None
    dependencies = b""
    for number, value in fields(data, together=_DEPENDENCY):
        if number in (1, 2, 7):
            numbers[number] = as_int(value)
        elif number in (3, 4, 5, 6, 16):
            texts[number] = as_text(value)
        elif number in (8, 10, 12, 13, 14, 15, 17):
            if value:  # old records hold digests without a hash where there is nothing
                digests[number] = decode_digest(as_bytes(value))
        elif number == _DEPENDENCY:
            dependencies += as_bytes(value)
        elif number == 11:
            logs.append(_decode_log(as_bytes(value)))
        elif number == 18:
            sandbox = _decode_sandbox(as_bytes(value))
    if not numbers.get(1):
        raise MessageError("an artifact has no version")
    return Artifact(
        strong_key=texts.get(5, ""),
        strict_key=texts.get(16, ""),
        weak_key=texts.get(6, ""),
        success=bool(numbers.get(2)),
        error=texts.get(3, ""),
        error_detail=texts.get(4, ""),
        workspaced=bool(numbers.get(7)),
        files=digests.get(8),
        encoded_dependencies=dependencies,
        public_data=digests.get(10),
        low_diversity=digests.get(14),
        high_diversity=digests.get(15),
        logs=tuple(logs),
        buildtree=digests.get(12),
        sources=digests.get(13),
        buildroot=digests.get(17),
        sandbox=sandbox,
        version=numbers[1],
    )


def _decode_dependency(data: bytes) -> BuildDependency:
    texts = {1: "", 2: "", 3: ""}
    workspaced = False
    for number, value in fields(data):
        if number in texts:
            texts[number] = as_text(value)
        elif number == 4:
            workspaced = bool(as_int(value))
    return BuildDependency(texts[1], texts[2], texts[3], workspaced)


def _decode_log(data: bytes) -> LogFile:
    name = ""
    digest: Digest | None = None
    for number, value in fields(data):
        if number == 1:
            name = as_text(value)
        elif number == 2:
            digest = decode_digest(as_bytes(value))
    if digest is None:
        raise MessageError("a log has no digest")
    return LogFile(name, digest)


def _decode_sandbox(data: bytes) -> SandboxState:
    environment: list[tuple[str, str]] = []
    directory = ""
    trees: list[Digest] = []
    marked: list[str] = []
    for number, value in fields(data):
        if number == 1:
            pair = {1: "", 2: ""}
            for key, text in fields(as_bytes(value)):
                pair[key] = as_text(text)
            environment.append((pair[1], pair[2]))
        elif number == 2:
            directory = as_text(value)
        elif number == 3:
            trees.append(decode_digest(as_bytes(value)))
        elif number == 4:
            marked.append(as_text(value))
    return SandboxState(tuple(environment), directory, tuple(trees), tuple(marked))
