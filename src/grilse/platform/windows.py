"""Processes on Windows: started by `CreateProcess` with an explicit list of inherited handles.

Knows nothing of roles or messages.  The names are those of ``posix``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from .endpoint import Endpoint


class PipeEnd:
    """One end of a two-way pipe (see ``posix.PipeEnd``)."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """The handle."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close the end."""
        self._connection.close()

    def connection(self) -> Connection:
        """The end as a connection, which owns it from now on."""
        return self._connection


def duplex_pipe() -> tuple[PipeEnd, PipeEnd]:
    """A two-way pipe."""
    from multiprocessing import Pipe

    here, there = Pipe()
    return PipeEnd(here), PipeEnd(there)


def adopt_connection(number: int) -> Connection:
    """A connection that this process was started with, by the number of its handle; not inherited any further."""
    from multiprocessing import connection

    os.set_handle_inheritable(number, False)  # type: ignore[attr-defined]
    adopted: Connection = connection.PipeConnection(number)  # type: ignore[attr-defined]
    return adopted


def anonymous_file() -> int:
    """A descriptor of a file that goes when it is closed, for a started process's standard error."""
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Process:
    """A started process; `sentinel` is its handle, for `connection.wait`."""

    __slots__ = ("_popen", "pid", "sentinel")

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.sentinel = int(getattr(popen, "_handle", -1))

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds; exit status or None."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kill the process itself at once."""
        if self.poll() is None:
            self._popen.kill()

    def close(self) -> None:
        """Forget the sentinel."""
        self.sentinel = -1


def spawn(
    script: str,
    arguments: Sequence[str],
    connections: Sequence[Endpoint],
    *,
    stderr: int | None = None,
    environment: dict[str, str] | None = None,
) -> Process:
    """Start a new interpreter on `script` in a process group of its own (see ``posix.spawn``)."""
    handles = [connection.fileno() for connection in connections]
    for handle in handles:
        os.set_handle_inheritable(handle, True)  # type: ignore[attr-defined]
    startup = subprocess.STARTUPINFO()  # type: ignore[attr-defined]
    startup.lpAttributeList = {"handle_list": handles}
    flags = ["-B"] if sys.flags.dont_write_bytecode else []
    try:
        popen = subprocess.Popen(
            [sys.executable, "-P", *flags, script, *arguments, *(str(handle) for handle in handles)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            env=environment,
            startupinfo=startup,
            close_fds=True,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,  # type: ignore[attr-defined]
        )
    finally:
        for connection in connections:
            connection.close()
    return Process(popen)


def _tree(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_tree(pid: int, *, spare_root: bool = False) -> int:
    """Kill `pid` and all its descendants, children first; returns how many processes were killed."""
    import psutil

    victims = [*reversed(_tree(pid)), *([] if spare_root else [pid])]
    for victim in victims:
        try:
            psutil.Process(victim).kill()
        except psutil.Error:
            pass
    return len(victims)


def kill_orphans(spared: Iterable[int]) -> int:
    """Windows has no orphans to adopt."""
    return 0


def kill_strays(spared: int) -> int:
    """Windows has no orphans to adopt."""
    return 0


def interrupt_main_thread() -> None:
    """Have the main thread's SIGINT handler run at its next instruction."""
    import _thread

    _thread.interrupt_main()


def suspend_tree(pids: Iterable[int]) -> None:
    """Suspend processes and all their descendants until `resume_tree`."""
    import psutil

    for pid in pids:
        for member in [pid, *_tree(pid)]:
            try:
                psutil.Process(member).suspend()
            except psutil.Error:
                pass


def resume_tree(pids: Iterable[int]) -> None:
    """Continue what `suspend_tree` suspended."""
    import psutil

    for pid in pids:
        for member in [pid, *_tree(pid)]:
            try:
                psutil.Process(member).resume()
            except psutil.Error:
                pass


def become_subreaper() -> None:
    """Windows has no orphans to adopt."""


def die_with_parent(parent: int) -> None:
    """Not available: the closed channel ends the process instead."""


def outlive_parent_briefly(parent: int) -> None:
    """Not available: the closed channel ends the process instead."""


def user_cache_directory() -> str:
    """The user's cache directory."""
    return os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")


def user_config_directory() -> str:
    """The user's configuration directory."""
    return os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or os.path.expanduser("~")


def cpu_count() -> int:
    """How many processors there are."""
    return os.cpu_count() or 1


def is_computing(pid: int) -> bool:
    """Whether the main thread of a process runs, or would if a processor were free; here nobody says."""
    return False
