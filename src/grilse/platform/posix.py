"""Processes on POSIX systems and the pipes to them: started by `posix_spawn` (never forked), killed with their trees.

Knows nothing of roles or messages.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _socket import socket

    from .endpoint import Endpoint
    from .posix_connection import Connection

# The first descriptor number that a started process finds its connections at.
FIRST_CONNECTION = 3
# Seconds that processes have to stop that were told to, and between two looks at whether they have: one that waits for
# a disk stops when the disk has answered.
STOP_LIMIT, STOP_INTERVAL = 0.5, 0.002


class PipeEnd:
    """One end of a two-way pipe."""

    __slots__ = ("_socket",)

    def __init__(self, socket: socket) -> None:
        self._socket = socket

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the end."""
        self._socket.close()

    def connection(self) -> Connection:
        """The end as a connection, which owns it from now on."""
        from .posix_connection import Connection

        return Connection(self._socket.detach())


def duplex_pipe() -> tuple[PipeEnd, PipeEnd]:
    """A two-way pipe."""
    # The C module is what `socket` wraps; the wrapper's import takes longer than a backend takes to be started.
    from _socket import socketpair

    here, there = socketpair()
    return PipeEnd(here), PipeEnd(there)


def adopt_connection(number: int) -> Connection:
    """A connection that this process was started with, by its number; what it starts itself does not inherit it.

    Else the end of a process would go unnoticed as long as anything that it started is alive.
    """
    from .posix_connection import Connection

    os.set_inheritable(number, False)
    return Connection(number)


def anonymous_file() -> int:
    """A descriptor of an empty file without a name, for a started process's standard error."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("grilse-stderr")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Process:
    """A started process.

    Attributes:
        pid: its process id, also its session and process group.
        sentinel: a descriptor that becomes readable when it ends, for `connection.wait`.
    """

    __slots__ = ("_status", "pid", "sentinel")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.sentinel = _sentinel(pid)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Exit status (negative: killed by that signal), or None while it runs."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = 0
            else:
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds; exit status or None."""
        import select

        if self.poll() is None:
            poller = select.poll()
            poller.register(self.sentinel, select.POLLIN)
            deadline = time.monotonic() + timeout
            while self.poll() is None and (left := deadline - time.monotonic()) > 0:
                poller.poll(left * 1000)
        return self._status

    def kill(self) -> None:
        """Kill the process itself at once."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Forget the sentinel."""
        if self.sentinel >= 0:
            os.close(self.sentinel)
            self.sentinel = -1


def _sentinel(pid: int) -> int:
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    return _waiter_pipe(pid)


def _waiter_pipe(pid: int) -> int:
    # Where there is no pidfd a thread waits, without reaping, and closes its end of a pipe.
    import threading

    reading, writing = os.pipe()

    def wait() -> None:
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            pass
        os.close(writing)

    threading.Thread(target=wait, name=f"wait-{pid}", daemon=True).start()
    return reading


def spawn(
    script: str,
    arguments: Sequence[str],
    connections: Sequence[Endpoint],
    *,
    stderr: int | None = None,
    environment: dict[str, str] | None = None,
) -> Process:
    """Start a new interpreter on `script` in a session of its own; it inherits `connections` and nothing else.

    Args:
        script: Python file to run; the numbers of its connections follow `arguments` on its command line.
        arguments: its first arguments.
        connections: ends to hand over; closed here when this returns.
        stderr: descriptor for its standard error, or None for the null device.
        environment: its environment, or None for this one's.

    Raises:
        OSError: the process cannot be started.
    """
    targets = range(FIRST_CONNECTION, FIRST_CONNECTION + len(connections))
    argv = [sys.executable, "-P", *_interpreter_flags(), script, *arguments, *(str(number) for number in targets)]
    null = os.open(os.devnull, os.O_RDWR)
    # A target number may be one of the descriptors still to be duplicated: move all out of the way first.
    high = [_duplicate_above(connection.fileno(), FIRST_CONNECTION + len(connections)) for connection in connections]
    try:
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, null if stderr is None else stderr, 2),
            *((os.POSIX_SPAWN_DUP2, descriptor, number) for descriptor, number in zip(high, targets)),
        ]
        pid = os.posix_spawn(
            sys.executable,
            argv,
            os.environ if environment is None else environment,
            file_actions=actions,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGPIPE),
            # macOS has no POSIX_SPAWN_SETSID in Python: a group of its own keeps the terminal's signals away there.
            **({"setpgroup": 0} if sys.platform == "darwin" else {"setsid": True}),
        )
    finally:
        os.close(null)
        for descriptor in high:
            os.close(descriptor)
        for connection in connections:
            connection.close()
    return Process(pid)


def _interpreter_flags() -> list[str]:
    flags = []
    if sys.flags.dont_write_bytecode:
        flags.append("-B")
    for warning in sys.warnoptions:
        flags += ["-W", warning]
    return flags


def _duplicate_above(descriptor: int, lowest: int) -> int:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)


def descendants(pid: int) -> list[int]:
    """Process ids of all descendants of `pid`, children before their own children."""
    if os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"):
        found: list[int] = []
        todo = [pid]
        while todo:
            parent = todo.pop()
            children = _proc_children(parent)
            found += children
            todo += children
        return found
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _proc_children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return children
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(word) for word in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            # This thread has ended; the others still have theirs.
            continue
    return children


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_tree(pid: int, *, spare_root: bool = False) -> int:
    """Kill `pid` and all its descendants; returns how many processes were signalled.

    The root is stopped first so that it starts no more; orphans of a subreaper stay among its descendants.
    """
    if not spare_root:
        _signal(pid, signal.SIGSTOP)
    killed: set[int] = set()
    # A child may have been forking while the list was made: look again until nothing new turns up.
    while fresh := [child for child in descendants(pid) if child not in killed]:
        for child in fresh:
            _signal(child, signal.SIGKILL)
        killed.update(fresh)
    if not spare_root:
        _signal(pid, signal.SIGKILL)
        killed.add(pid)
    return len(killed)


def kill_orphans(spared: Iterable[int]) -> int:
    """Kill and reap the children of this process that are none of `spared`, with their trees; returns how many.

    Only a subreaper has such children: descendants of a process that died.
    """
    keep = set(spared)
    return _kill_and_reap([child for child in _proc_children(os.getpid()) if child not in keep])


def kill_strays(spared: int) -> int:
    """As `kill_orphans`, for a process whose own children belong to its session, but for one; returns how many."""
    session = os.getsid(0)
    return _kill_and_reap(
        [child for child in _proc_children(os.getpid()) if child != spared and _strays(child, session)]
    )


def _strays(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) != session
    except ProcessLookupError:
        return False


def _kill_and_reap(pids: list[int]) -> int:
    for pid in pids:
        kill_tree(pid)
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
    return len(pids)


def interrupt_main_thread() -> None:
    """Have the main thread's SIGINT handler run, also when the thread waits in a system call."""
    import threading

    ident = threading.main_thread().ident
    if ident is not None:
        signal.pthread_kill(ident, signal.SIGINT)


def _signal_tree(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        for member in [pid, *descendants(pid)]:
            _signal(member, number)


def suspend_tree(pids: Iterable[int]) -> None:
    """Stop processes and all their descendants until `resume_tree`."""
    roots = list(pids)
    told: set[int] = set()
    deadline = time.monotonic() + STOP_LIMIT
    while True:
        members = {member for root in roots for member in (root, *descendants(root))}
        for fresh in members - told:
            _signal(fresh, signal.SIGSTOP)
        # Whoever does not stand still yet may be starting another: look again until all do.
        if members <= told and all(_stands_still(member) for member in members):
            return
        told |= members
        if time.monotonic() > deadline:
            return
        time.sleep(STOP_INTERVAL)


def _stands_still(pid: int) -> bool:
    """Whether a process is stopped, or none any more; True where nobody says."""
    state = _state(pid)
    return state is None or state in b"TtZX"


def _state(pid: int) -> bytes | None:
    """The state of a process's main thread, a letter (proc_pid_stat(5)), or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name before the state is in brackets, and may hold any character.
            return file.read().rpartition(b")")[2].split(None, 1)[0]
    except OSError:
        return None


def resume_tree(pids: Iterable[int]) -> None:
    """Continue what `suspend_tree` stopped."""
    _signal_tree(pids, signal.SIGCONT)


_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def become_subreaper() -> None:
    """Where the system has it, adopt orphaned descendants, so that they can be found and killed."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Where the system has it, have this process killed when its parent `parent` dies, whatever it is doing then."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent_briefly(parent: int) -> None:
    """Where the system has it, have this process killed three seconds after its parent `parent` has died.

    For a process that notices that itself, and uses the time: this is for the case that it cannot, since somebody
    holds the interpreter lock and no thread of it runs.  Therefore nothing of Python is involved: the kernel sends a
    signal, whose handler is the C library's `alarm`, called with the number of the signal; SIGQUIT's is 3 (signal(7)),
    and a handler's argument is passed as that of `alarm` is.  SIGALRM then ends the process.
    """
    if sys.platform != "linux":
        return
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    library.signal.argtypes, library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    library.signal(signal.SIGQUIT, ctypes.cast(library.alarm, ctypes.c_void_p))
    library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def user_cache_directory() -> str:
    """The user's cache directory: ``$XDG_CACHE_HOME`` or ``~/.cache`` (XDG Base Directory Specification)."""
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")


def user_config_directory() -> str:
    """The user's configuration directory: ``$XDG_CONFIG_HOME`` or ``~/.config``."""
    return os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")


def cpu_count() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def is_computing(pid: int) -> bool:
    """Whether the main thread of a process runs, or would if a processor were free; False where nobody says."""
    return _state(pid) == b"R"
