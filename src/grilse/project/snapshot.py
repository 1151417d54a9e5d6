"""Keeps what came of loading a project: the form on disk, one file for each command that loads other things.

Knows nothing of how a snapshot is made or used.  A file holds an index, which is decoded whole, and behind it parts of
elements, decoded when somebody asks: many elements share theirs, and each is kept once.  It is plain data with a
checksum, replaced as a whole, so that any number of sessions may read and write; one that is damaged, cut short or of
another version is none.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from typing import Any, Final, TypeVar

import msgspec

from ..protocol.records import ElementBody, PluginRecord, ProjectRecord, SourceRecord
from .inputs import InputRecord

_T = TypeVar("_T")

# Raise this when anything here, or what is kept, changes its meaning.
VERSION: Final = 3

# Below the cache directory; BuildStream does not look there.
SNAPSHOTS: Final = os.path.join("grilse", "loaded")

# Bytes of one snapshot; loading what would need more is slow for other reasons.
MAX_BYTES: Final = 256 * 1024 * 1024
# Bytes of all together, and their number; those not used for the longest time go first.
MAX_TOTAL_BYTES: Final = 512 * 1024 * 1024
MAX_FILES: Final = 64

_MAGIC: Final = b"grilse loaded %d\n" % VERSION
# Magic, checksum, length of the index.
_HEADER: Final = len(_MAGIC) + 4 + 8


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A message of loading.

    Attributes:
        phase: 0 while the project was opened, 1 while elements were loaded, 2 while they were resolved.
        kind, text, detail, element: as `events.Text` has them.
    """

    phase: int
    kind: str
    text: str
    detail: str | None
    element: str | None


class PluginEntry(msgspec.Struct, frozen=True, array_like=True):
    """A plugin that was used.

    Attributes:
        record: where it comes from.
        plain: whether what it makes of a declaration depends on nothing but that and what is among the inputs.
        traits: what its class says about all that it makes, for those that are not plain.
    """

    record: PluginRecord
    plain: bool
    traits: list[Any]


# Stands for an element among the places of its sources.
WHOLE: Final = -1

# Place and length of a part behind the index.
Place = tuple[int, int]


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """Where the parts of an `ElementBody` are.

    Attributes:
        base: variables that many elements begin with; `variables` are laid over them.
        config, environment, public, sandbox: mappings.
        details: list of `DependencyDetail`, one for each dependency.
        nocache, provenance: themselves.
    """

    base: Place
    variables: Place
    config: Place
    environment: Place
    public: Place
    sandbox: Place
    details: Place
    nocache: list[str]
    provenance: str


class ElementEntry(msgspec.Struct, frozen=True, array_like=True):
    """What every command needs to know of an element.

    Attributes:
        name, full_name, description: as declared.
        project, plugin: places in the lists of the index.
        depends: places of its direct dependencies in the list of elements, all lower than its own, and what for
            (`load_element.BUILD`, `RUNTIME`), in staging order.
        weak_key, strict_key, sources_key: None if a source has no ref.
        sources: for each of its sources, what tells whether it is cached: True if it always is, the path of a file that
            exists if it is, or None if the plugin must be asked.
        asked: places of the sources whose plugins are not plain and must be asked for their keys again; `WHOLE` if
            the element must be, with all that belongs to it.
        unique_key: digest of what its plugin gave as unique key, if it must be asked.
        source_keys: digests of the unique keys of its sources, empty for one without a ref; none if none must be asked.
        records: where the list of `SourceRecord` is, without their keys; None if it was not kept.
        parts: where its parts are, None if they were not kept.
    """

    name: str
    full_name: str
    description: str
    project: int
    plugin: int
    depends: list[tuple[int, int]]
    weak_key: str | None
    strict_key: str | None
    sources_key: str | None
    sources: list[str | bool | None]
    asked: list[int]
    unique_key: bytes
    source_keys: list[bytes]
    records: Place | None
    parts: Parts | None


class DependencyDetail(msgspec.Struct, frozen=True, array_like=True):
    """What an element says of a direct dependency: the name that it uses, and the ``config`` mappings."""

    path: str
    config: list[dict[str, Any]] | None


class Index(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a project and some of its elements.

    Attributes:
        inputs: everything that this was made from.
        project: name of the toplevel project.
        count: how many elements loading counted.
        whole: whether all parts of all elements were kept, or only those that plugins must be asked with.
        said: what was said.
        plugins, projects: of the elements; the `Ref` of a project is its place here and 0.
        elements: dependencies before dependants, those that only junctions needed included.
        targets: places of the elements that were asked for, in order.
    """

    inputs: InputRecord
    project: str
    count: int
    whole: bool
    said: list[Said]
    plugins: list[PluginEntry]
    projects: list[ProjectRecord]
    elements: list[ElementEntry]
    targets: list[int]


class NotKept(LookupError):
    """A part was asked for that was not kept."""


class Snapshot:
    """A snapshot that was read.

    Attributes:
        index: its index.
        lacked: whether anybody has asked for a part that was not kept.
    """

    __slots__ = ("_details", "_mappings", "_parts", "_sources", "index", "lacked")

    def __init__(self, index: Index, parts: memoryview) -> None:
        self.index = index
        self.lacked = False
        self._parts = parts
        self._mappings = msgspec.msgpack.Decoder(dict[str, Any])
        self._sources = msgspec.msgpack.Decoder(list[SourceRecord])
        self._details = msgspec.msgpack.Decoder(list[DependencyDetail])

    def body(self, entry: ElementEntry) -> ElementBody:
        """The heavy half of an element; raises NotKept."""
        parts = self._kept(entry.parts)
        mapping = self._mapping
        return ElementBody(
            config=mapping(parts.config),
            variables={**mapping(parts.base), **mapping(parts.variables)},
            environment=mapping(parts.environment),
            nocache=parts.nocache,
            public=mapping(parts.public),
            sandbox=mapping(parts.sandbox),
            sources=self.sources(entry),
            sources_key=entry.sources_key,
            provenance=parts.provenance,
            description=entry.description,
        )

    def sources(self, entry: ElementEntry) -> list[SourceRecord]:
        """The sources of an element; raises NotKept."""
        return self._sources.decode(self._part(self._kept(entry.records)))

    def details(self, entry: ElementEntry) -> list[DependencyDetail]:
        """What an element says of its dependencies; raises NotKept."""
        return self._details.decode(self._part(self._kept(entry.parts).details))

    def _kept(self, place: _T | None) -> _T:
        if place is None:
            self.lacked = True
            raise NotKept
        return place

    def _mapping(self, place: Place) -> dict[str, Any]:
        return self._mappings.decode(self._part(place))

    def _part(self, place: Place) -> memoryview:
        return self._parts[place[0] : place[0] + place[1]]


class PartWriter:
    """Collects parts, each once.

    Attributes:
        data: all of them.
    """

    __slots__ = ("_encoder", "_places", "_seen", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self._encoder = msgspec.msgpack.Encoder()
        self._places: dict[bytes, Place] = {}
        # By `id`, what was added and where it is; holding it keeps the number from being given away.
        self._seen: dict[int, tuple[Any, Place]] = {}

    def add(self, value: Any) -> Place:
        """Keep a value; gives its place.

        Raises:
            TypeError: it is not plain.
        """
        encoded = self._encoder.encode(value)
        place = self._places.get(encoded)
        if place is None:
            place = self._places[encoded] = (len(self.data), len(encoded))
            self.data += encoded
        return place

    def add_shared(self, value: Any) -> Place:
        """As `add`, for an object that is likely to be added again and does not change."""
        seen = self._seen.get(id(value))
        if seen is None:
            seen = self._seen[id(value)] = (value, self.add(value))
        return seen[1]


def snapshot_path(cachedir: str, key: Any) -> str:
    """The file of the snapshot of a session.

    Args:
        cachedir: bst's ``cachedir``.
        key: everything that is not among the inputs and decides what is loaded, as plain data.
    """
    digest = hashlib.blake2b(msgspec.msgpack.encode((VERSION, key)), digest_size=16).hexdigest()
    return os.path.join(cachedir, SNAPSHOTS, digest)


def read_snapshot(path: str) -> Snapshot | None:
    """The snapshot in a file, or None if there is no sound one."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return None
    if len(content) < _HEADER or not content.startswith(_MAGIC):
        return None
    data = memoryview(content)[len(_MAGIC) + 4 :]
    if zlib.crc32(data) != int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + 4], "big"):
        return None
    size = int.from_bytes(data[:8], "big")
    try:
        return Snapshot(msgspec.msgpack.decode(data[8 : 8 + size], type=Index), data[8 + size :])
    except msgspec.MsgspecError:
        return None


def write_snapshot(path: str, index: Index, parts: bytes | bytearray) -> None:
    """Replace the snapshot in a file; failing to is no error, since it is only a cache."""
    try:
        encoded = msgspec.msgpack.encode(index)
    except (UnicodeEncodeError, RecursionError):
        return
    head = len(encoded).to_bytes(8, "big")
    if len(encoded) + len(parts) > MAX_BYTES:
        return
    checksum = zlib.crc32(parts, zlib.crc32(encoded, zlib.crc32(head)))
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.writelines((_MAGIC, checksum.to_bytes(4, "big"), head, encoded, parts))
            os.replace(temporary, path)
        except OSError:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
        _prune(os.path.dirname(path))
    except OSError:
        return


def mark_used(path: str) -> None:
    """Let a snapshot count as used now."""
    try:
        os.utime(path)
    except OSError:
        return


def _prune(directory: str) -> None:
    """Remove what was not used for the longest time, and what interrupted writers left."""
    found: list[tuple[float, int, str]] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat()
            found.append((status.st_mtime, status.st_size, entry.path))
    found.sort(reverse=True)
    total = 0
    for number, (_, size, path) in enumerate(found):
        total += size
        if number >= MAX_FILES or total > MAX_TOTAL_BYTES:
            os.unlink(path)
