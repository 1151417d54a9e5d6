"""What a job knows of elements: plain, resolved records in a plan file that the backend writes and workers read.

A job's message stays small because the closure travels by file and offset: a `JobSpec` names the plan file and
where its element's record stands in it, and a record names those of its dependencies the same way.  Knows nothing
of plugins, projects or how a record came to be.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from .errors import GrilseError

# A place in a plan file: byte offset and length of one encoded record.
Ref = tuple[int, int]


class PluginRecord(msgspec.Struct, frozen=True, array_like=True):
    """Where a plugin is imported from; enough to import it again in another process.

    Attributes:
        kind: the kind that element and source declarations name.
        origin: "core", "local", "pip" or "junction".
        module: stable name under which the module is imported, the same in every process.
        path: the Python file to import; "" for a core plugin (imported by `module`).
        defaults: YAML file of defaults beside the plugin, or "".
        package: name and version of a Python package, directory in the project, or junction with what is behind it:
            for display.
        setup: the function of the module that gives the plugin's class.
    """

    kind: str
    origin: str
    module: str
    path: str = ""
    defaults: str = ""
    package: str = ""
    setup: str = "setup"


class SourceRecord(msgspec.Struct, frozen=True):
    """One source of an element, resolved.

    Attributes:
        plugin: where its plugin comes from.
        config: the source's own configuration as plain data, variables expanded, core keys removed.
        directory: where below the build root it is staged, or None for the root.
        ref: what ``project.refs`` has for it, as plain data, or None.
        clear_ref: whether a ref in `config` does not count.
        key: the source's unique key as bst computes it (plain data), or None without a ref.
        name: under which it is cached on its own, ``KIND/KEY``, or None without a ref.
        where: ``file [line L column C]`` of its declaration.
        provenance: source provenance attributes as plain data, or None.
    """

    plugin: PluginRecord
    config: dict[str, Any]
    directory: str | None = None
    ref: dict[str, Any] | None = None
    clear_ref: bool = False
    key: Any = None
    name: str | None = None
    where: str = ""
    provenance: dict[str, Any] | None = None


class DependencyRecord(msgspec.Struct, frozen=True, array_like=True):
    """An edge to another record of the same plan.

    Attributes:
        ref: where the dependency's record stands in the plan file.
        build: needed to build.
        runtime: needed to run.
        strict: its strict key counts in a non-strict build.
        config: list of ``config:`` mappings given with the dependency, as plain data.
        path: the name the depending element uses for it (``junction.bst:name.bst`` across a junction).
    """

    ref: Ref
    build: bool
    runtime: bool
    strict: bool = False
    config: list[dict[str, Any]] | None = None
    path: str = ""


class ElementBody(msgspec.Struct, frozen=True):
    """The part of an element that only its own job, or a plugin that asks for it, needs to decode.

    Attributes:
        config: resolved element configuration, variables expanded.
        variables: every resolved variable.
        environment: resolved environment for commands.
        nocache: names of environment variables that are not part of the key.
        public: public data.
        sandbox: sandbox configuration (``build-os``, ``build-arch``, ``build-uid``, ``build-gid``, remote properties).
        sources: the element's sources in order.
        sources_key: under which these are cached together, or None if one has no ref.
        provenance: where the element is declared.
        description: text of its ``description``.
    """

    config: dict[str, Any]
    variables: dict[str, str]
    environment: dict[str, str]
    nocache: list[str]
    public: dict[str, Any]
    sandbox: dict[str, Any]
    sources: list[SourceRecord]
    sources_key: str | None = None
    provenance: str = ""
    description: str = ""


class ElementRecord(msgspec.Struct, frozen=True):
    """One element of a plan.

    Attributes:
        name: its file name below its project's element path, ``app.bst``.
        full_name: with junctions, ``junction.bst:app.bst``; what users see.
        project: name of its project.
        project_ref: where the record of its project stands in the plan file.
        plugin: where its plugin comes from.
        project_directory: host directory of its project (local sources are relative to it).
        weak_key, strict_key: hexadecimal keys, or None when a source has no ref.
        cache_key: the full key when known at planning time, else None.
        workspace: host directory of its open workspace, or None.
        dependencies: direct dependencies in the order of declaration.
        body: the rest, encoded `ElementBody`.
    """

    name: str
    full_name: str
    project: str
    project_ref: Ref
    plugin: PluginRecord
    project_directory: str
    weak_key: str | None
    strict_key: str | None
    cache_key: str | None
    workspace: str | None
    dependencies: list[DependencyRecord]
    body: msgspec.Raw


class MirrorRecord(msgspec.Struct, frozen=True, array_like=True):
    """A source mirror: its plugin, and its declaration as plain data."""

    plugin: PluginRecord
    declaration: dict[str, Any]


class AliasMappingRecord(msgspec.Struct, frozen=True):
    """How a junction maps aliases of its project to those of the project above.

    Attributes:
        parent: where the record of that project stands in the plan file.
        names: from alias to alias above.
        identity: whether aliases that are not in `names` map to the same name.
        only: whether aliases that are not mapped cannot be used.
        label: the junction, for messages.
    """

    parent: Ref
    names: dict[str, str]
    identity: bool
    only: bool
    label: str


class ProjectRecord(msgspec.Struct, frozen=True):
    """What plugins may ask of a project.

    Attributes:
        name: its name.
        directory: its host directory.
        junction: full name of its junction, "" for the toplevel project.
        fatal_warnings: names of warnings that are errors.
        provenance_attributes: names of source provenance attributes; None where only the first pass is known.
        aliases: from alias to the text that it stands for.
        mirrors: source mirrors in order.
        default_mirror: name of the one that is asked first, or None.
        fetch, track: where sources may come from: "all", "aliases", "mirrors" or "user".
        user_mirrors: whether the mirrors come from the user's configuration.
        mapping: how aliases map to those of the project above, or None.
    """

    name: str
    directory: str
    junction: str
    fatal_warnings: list[str]
    provenance_attributes: list[str] | None
    aliases: dict[str, str]
    mirrors: list[MirrorRecord]
    default_mirror: str | None
    fetch: str
    track: str
    user_mirrors: bool
    mapping: AliasMappingRecord | None = None


class PlanHeader(msgspec.Struct, frozen=True):
    """What all jobs of a session share; the first record of a plan file (its `Ref` is in every `JobSpec`).

    Attributes:
        session: session identifier.
        settings: user configuration that jobs need, resolved, as plain data (cache directory, remotes, retries, ...).
    """

    session: str
    settings: dict[str, Any]


class PlanWriter:
    """Appends records to a plan file; a record must be added before those that depend on it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - lives as long as the session
        self._offset = 0
        self._encoder = msgspec.msgpack.Encoder()

    def add(self, record: PlanHeader | ProjectRecord | ElementRecord) -> Ref:
        """Append a record; it is readable by other processes when this returns.

        Raises:
            GrilseError: it cannot be written.
        """
        data = self._encoder.encode(record)
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise GrilseError(f"Could not write the session's plan '{self.path}': {error.strerror}") from error
        ref = (self._offset, len(data))
        self._offset += len(data)
        return ref

    def encode_body(self, body: ElementBody) -> msgspec.Raw:
        """Encode the heavy half of a record."""
        return msgspec.Raw(self._encoder.encode(body))

    def close(self) -> None:
        """Close the file; the plan stays readable."""
        self._file.close()


class PlanReader:
    """Reads records of one plan file; decoded records are kept, since closures overlap."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - lives as long as the worker uses the plan
        self._records: dict[int, ElementRecord] = {}
        self._projects: dict[int, ProjectRecord] = {}
        self._elements = msgspec.msgpack.Decoder(ElementRecord)
        self._bodies = msgspec.msgpack.Decoder(ElementBody)

    def _read(self, ref: Ref) -> bytes:
        self._file.seek(ref[0], os.SEEK_SET)
        return self._file.read(ref[1])

    def header(self, ref: Ref) -> PlanHeader:
        """Decode the header.

        Raises:
            msgspec.DecodeError: the file is not a plan, or not of this version.
        """
        return msgspec.msgpack.decode(self._read(ref), type=PlanHeader)

    def element(self, ref: Ref) -> ElementRecord:
        """Decode the record at `ref`, or return the one decoded before."""
        record = self._records.get(ref[0])
        if record is None:
            record = self._records[ref[0]] = self._elements.decode(self._read(ref))
        return record

    def project(self, ref: Ref) -> ProjectRecord:
        """Decode the project at `ref`, or return the one decoded before."""
        record = self._projects.get(ref[0])
        if record is None:
            record = msgspec.msgpack.decode(self._read(ref), type=ProjectRecord)
            self._projects[ref[0]] = record
        return record

    def body(self, record: ElementRecord) -> ElementBody:
        """Decode the heavy half of a record."""
        return self._bodies.decode(record.body)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
