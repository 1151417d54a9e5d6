"""What a job may not leave behind in its worker: working directory, umask, environment, threads, children, output.

Knows nothing of jobs; takes a picture before and compares after.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from .. import platform


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The state of the process that plugins could change.

    Attributes:
        directory: working directory.
        umask: file mode creation mask.
        environment: copy of the environment.
        threads: identifiers of the threads alive.
    """

    directory: str
    umask: int
    environment: dict[str, str]
    threads: frozenset[int | None]

    @classmethod
    def take(cls) -> Surroundings:
        """Take the picture."""
        umask = os.umask(0o022)
        os.umask(umask)
        return cls(os.getcwd(), umask, dict(os.environ), _threads())

    def restore(self) -> list[str]:
        """Put back what can be put back; returns what could not, in words."""
        stains = []
        os.umask(self.umask)
        if os.environ != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        try:
            os.chdir(self.directory)
        except OSError:
            stains.append("working directory")
        if _threads() - self.threads:
            stains.append("threads")
        if platform.kill_tree(os.getpid(), spare_root=True):
            stains.append("child processes")
        return stains


def _threads() -> frozenset[int | None]:
    return frozenset(thread.ident for thread in threading.enumerate())
