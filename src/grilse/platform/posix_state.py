"""What a process has from its POSIX system and code of others may change: signals, timers, limits, descriptors.

Knows how to read it and how to put it back; nothing of who changed it.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

import msgspec

# Signals whose handling may be changed; faults are left to `faulthandler`.
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGKILL", "SIGSTOP")
_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in {getattr(signal, name) for name in _FAULTS}
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS = tuple({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})
# Descriptors that may be open in addition afterwards: connections and plan files that are kept on purpose.
_SPARE_DESCRIPTORS = 128


class ProcessState(msgspec.Struct, frozen=True):
    """A picture of the state; `take` makes it."""

    handlers: tuple[Any, ...]
    mask: frozenset[int]
    limits: tuple[tuple[int, int], ...]
    priority: int
    descriptors: int

    @classmethod
    def take(cls) -> ProcessState:
        """Take the picture; in the main thread."""
        return cls(
            tuple(map(signal.getsignal, _SIGNALS)),
            frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            tuple(map(resource.getrlimit, _LIMITS)),
            os.getpriority(os.PRIO_PROCESS, 0),
            _open_descriptors(),
        )

    def restore(self) -> list[str]:
        """Put back what can be put back, in the main thread; returns what could not, in words."""
        stains = []
        for timer in _TIMERS:
            signal.setitimer(timer, 0.0)
        for number, handler in zip(_SIGNALS, self.handlers):
            # None: it was not set from Python, and cannot be set again.
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if signal.pthread_sigmask(signal.SIG_BLOCK, ()) != self.mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        for kind, limit in zip(_LIMITS, self.limits):
            if resource.getrlimit(kind) != limit:
                try:
                    resource.setrlimit(kind, limit)
                except (OSError, ValueError):
                    stains.append("resource limits")
        if os.getpriority(os.PRIO_PROCESS, 0) != self.priority:
            stains.append("priority")
        if _open_descriptors() > self.descriptors + _SPARE_DESCRIPTORS:
            stains.append("open files")
        return stains


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        # None is free to look with: more than there ever were, or on a system without such a directory, none.
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0] if os.path.isdir("/dev/fd") else 0
