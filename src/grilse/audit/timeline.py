"""What an audit of a start says: plain, frozen data.

Knows nothing of how a start is measured or shown.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """One phase: its name, and microseconds from its begin to its end; the median of the repetitions."""

    name: str
    us: float


@dataclass(frozen=True, slots=True)
class MethodRun:
    """The start under one start method.

    ``start_us`` is how long the starting process waits; ``cold_us`` the time to the first message of the very first
    start, which also starts the method's helpers; ``first_message_us`` the median of the later ones.  ``bytes_sent``
    go to the new process before its first message.  Memory is that of the new process at its first message (event),
    shared with other processes and private, as the system counts it; None where it does not say.
    """

    method: str
    problem: str | None
    repetitions: int = 0
    start_us: float | None = None
    cold_us: float | None = None
    first_message_us: float | None = None
    bytes_sent: int | None = None
    phases: tuple[PhaseTime, ...] = ()
    shared_bytes: int | None = None
    private_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ImportCost:
    """A module imported before the first message: its own microseconds and with what it imports itself.

    ``needed`` is False if no function of it, nor of what it alone imports, ran before the first message other than
    while modules were imported: then it may be imported later, where it is used.
    """

    module: str
    own_us: float
    total_us: float
    imported_by: str
    needed: bool


@dataclass(frozen=True, slots=True)
class StartReport:
    """One audit of a start: a run for each start method, and the imports under spawn, the costliest first."""

    name: str
    python: str
    runs: tuple[MethodRun, ...]
    imports: tuple[ImportCost, ...] = ()
    messages: tuple[MessageSize, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageSize:
    """One message that crossed while starting: in which direction, its place, bytes, and when, in microseconds."""

    direction: str
    place: int
    bytes: int
    us: float
