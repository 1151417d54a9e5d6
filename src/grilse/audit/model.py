"""What an audit says: plain, frozen data that keeps no audited object alive and can be written as JSON.

Knows nothing of how a graph is walked, measured or shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Why something cannot cross, by class."""

    LOCK = "lock"
    THREAD_LOCAL = "thread-local"
    OPEN_FILE = "open file"
    SOCKET = "socket or connection"
    PROCESS = "process"
    THREAD = "thread"
    GENERATOR = "generator"
    LOCAL_FUNCTION = "lambda or nested function"
    BOUND_METHOD = "bound method dragging its owner"
    NOT_IMPORTABLE = "not importable under its name"
    CLASS_NOT_IMPORTABLE = "class not importable under its module name"
    C_EXTENSION = "C extension without reduce"
    WEAK_REFERENCE = "weak reference"
    MODULE = "module"
    RUNNING_LOOP = "event loop"
    CONSTRUCTOR = "unpickling needs constructor arguments"
    REFUSES = "refuses to be pickled"
    HOOK_FAILS = "its pickling hook fails"
    HOOK_NONSENSE = "its pickling hook returns nonsense"
    RECURSIVE = "needs itself to be rebuilt"
    TOO_DEEP = "nested more deeply than pickle can follow"
    FRAME = "code, frame or traceback"
    OTHER = "other"


class Stage(StrEnum):
    """Where the crossing ends: when the state is dumped, or only when it is loaded in the other process."""

    DUMP = "dump"
    LOAD = "load"


class Remedy(StrEnum):
    """What to do about a blocker or a costly part."""

    RECOMPUTE = "drop it and recompute after the spawn"
    SEND_KEY = "send a key or path instead"
    OPEN_LATER = "open it after the spawn"
    MODULE_LEVEL = "make it a module-level function"
    REDUCER = "register a reducer"
    MESSAGE = "keep it in the parent behind a message"


@dataclass(frozen=True, slots=True)
class Budget:
    """The bounds of one audit; what lies beyond them is left out, and the report says so.

    ``nodes`` counts every visited object, numbers and strings included; ``seconds`` also ends a hook of the audited
    program that never returns, as long as it runs Python code.
    """

    nodes: int = 5_000_000
    bytes: int = 4 * 1024**3
    seconds: float = 120.0
    rows: int = 200
    holders: int = 20


@dataclass(frozen=True, slots=True)
class Advice:
    """A remedy, and in words what it means here."""

    remedy: Remedy
    text: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """One object that cannot cross.

    ``path`` is the shortest one from the root and ``pattern`` the same with every index and key as ``[*]``.
    ``holders`` are the other paths in the graph that lead to the object, ``outside`` what holds it beyond the graph.
    ``through`` is the path of the bound method that alone drags it in, if there is one.  ``contains`` are paths of
    what blocks within it, where it is a thing best called by one name (a process, a queue).
    """

    path: str
    pattern: str
    cause: Cause
    stage: Stage
    type: str
    reason: str
    holders: tuple[str, ...] = ()
    holders_left_out: int = 0
    outside: tuple[str, ...] = ()
    through: str | None = None
    contains: tuple[str, ...] = ()
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What one path costs: bytes, and microseconds to dump and to load, of its own and with all below it.

    Shared parts count once, where the shortest path leads to them.  ``exclusive_bytes`` is what would not cross if
    this path were cut.  Microseconds are shares of the measured whole; None where the whole cannot be measured.
    """

    path: str
    type: str
    picklable: bool | None
    nodes: int
    own_bytes: int
    total_bytes: int
    exclusive_bytes: int | None
    own_dump_us: float | None
    total_dump_us: float | None
    own_load_us: float | None
    total_load_us: float | None
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class ClassCost:
    """All instances of one class: how many, their own bytes, and whether a spawned interpreter finds the class."""

    name: str
    instances: int
    own_bytes: int
    found_after_spawn: bool | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """What a proposed state does with one attribute."""

    name: str
    remedy: Remedy
    why: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A state that instances of one class could send, as text, and what became of it in a spawned interpreter.

    ``verified`` is True only if an instance's proposed state was dumped, loaded there, and found equal; ``bytes``,
    ``dump_us`` and ``load_us`` are of that dump, with everything below it in its proposed state as well.
    """

    cls: str
    path: str
    changes: tuple[AttributeChange, ...]
    kept: tuple[str, ...]
    sketch: str
    verified: bool
    detail: str
    bytes: int | None = None
    dump_us: float | None = None
    load_us: float | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part that was not looked at: where, how many objects at least, and which bound was met."""

    path: str
    objects: int
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """One audit of one object graph.

    ``picklable``: ``pickle.dumps`` would succeed.  ``crosses``: a spawned interpreter can load it as well.  Both are
    None if nothing was found against it but the audit is not ``complete``.
    """

    name: str
    type: str
    python: str
    protocol: int
    picklable: bool | None
    crosses: bool | None
    complete: bool
    nodes: int
    objects: int
    bytes: int
    bytes_measured: bool
    dump_us: float | None
    load_us: float | None
    first_load_us: float | None
    audit_seconds: float
    budget: Budget
    blockers: tuple[Blocker, ...] = ()
    rows: tuple[Row, ...] = ()
    classes: tuple[ClassCost, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = field(default=())
