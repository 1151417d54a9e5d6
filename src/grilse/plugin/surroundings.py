"""What plugins may not leave behind in their process: the state of interpreter and process, threads, children.

Knows nothing of plugins or jobs; takes a picture before and compares after.
"""

from __future__ import annotations

import _thread
import builtins
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from .. import platform
from ..platform.files import umask
from ..platform.state import ProcessState

_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")


class Surroundings(msgspec.Struct, frozen=True):
    """The state of the process that plugins could change.

    Attributes:
        directory: working directory, None if it has been removed.
        umask: file mode creation mask.
        environment: copy of the environment.
        process: what the system has of the process.
        streams: standard streams and hooks of the interpreter.
        names: built-in names.
        path: where modules are looked for.
        depth: limit of recursion.
        threads: identifiers of the threads alive.
        raw_threads: how many threads Python has started, whether the module `threading` knows them or not.
    """

    directory: str | None
    umask: int
    environment: dict[str, str]
    process: ProcessState
    streams: tuple[Any, ...]
    names: dict[str, Any]
    path: tuple[str, ...]
    depth: int
    threads: frozenset[int | None]
    raw_threads: int

    @classmethod
    def take(cls) -> Surroundings:
        """Take the picture; in the main thread."""
        return cls(
            _directory(),
            umask(),
            dict(os.environ),
            ProcessState.take(),
            tuple(getattr(sys, name) for name in _STREAMS),
            dict(vars(builtins)),
            tuple(sys.path),
            sys.getrecursionlimit(),
            _threads(),
            _thread._count(),
        )

    def restore(self) -> list[str]:
        """Put back what can be put back, in the main thread; returns what could not, in words."""
        self._restore_interpreter()
        stains = self.process.restore()
        os.umask(self.umask)
        if os.environ != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        if _directory() != self.directory:
            try:
                os.chdir(self.directory or os.path.sep)
            except OSError:
                stains.append("working directory")
        if _threads() - self.threads or _thread._count() > self.raw_threads:
            stains.append("threads")
        return stains

    def _restore_interpreter(self) -> None:
        for name, value in zip(_STREAMS, self.streams):
            if getattr(sys, name, None) is not value:
                setattr(sys, name, value)
        names = vars(builtins)
        if names != self.names:
            names.update(self.names)
            for name in names.keys() - self.names.keys():
                del names[name]
        if tuple(sys.path) != self.path:
            sys.path[:] = self.path
        if sys.getrecursionlimit() != self.depth:
            sys.setrecursionlimit(self.depth)
        if sys.gettrace() is not None:
            sys.settrace(None)
        if sys.getprofile() is not None:
            sys.setprofile(None)
        _quieten_logging()
        socket = sys.modules.get("_socket")
        if socket is not None and socket.getdefaulttimeout() is not None:
            socket.setdefaulttimeout(None)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back after a block what plugins have changed in it, as far as that can be done."""
    before = Surroundings.take()
    try:
        yield
    finally:
        before.restore()


@contextmanager
def keeping_umask() -> Iterator[None]:
    """Put the umask back after a block in which a plugin works, for what is written to the cache after it."""
    mask = umask()
    try:
        yield
    finally:
        os.umask(mask)


def kill_children() -> bool:
    """Kill what this process has started and what is left of it; whether there was anything."""
    return bool(platform.kill_tree(os.getpid(), spare_root=True))


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _threads() -> frozenset[int | None]:
    return frozenset(thread.ident for thread in threading.enumerate())


def _quieten_logging() -> None:
    """Leave the logging module, if a plugin uses it, as it is at first: nothing of ours writes to it."""
    logging = sys.modules.get("logging")
    if logging is None or not hasattr(logging, "root"):
        return
    root = logging.root
    if root.handlers or root.manager.disable or root.level != logging.WARNING:
        root.handlers.clear()
        logging.disable(logging.NOTSET)
        root.setLevel(logging.WARNING)
