"""Imports every portable module of grilse where what only POSIX has is missing, as on Windows. Run as a script.

Knows which modules and names POSIX systems have and others lack, and nothing of what grilse does. Prints the modules
that were imported, one a line; a traceback and status 1 when one cannot be.

A first round imports everything as it is, so that the standard library and the dependencies are loaded as this system
needs them; then our own modules are forgotten, the POSIX names hidden, and ours imported again.
"""

from __future__ import annotations

import importlib
import importlib.abc
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules of the standard library that Windows lacks, as its documentation says for each
MODULES = words("crypt curses fcntl grp nis ossaudiodev posix pty pwd readline resource spwd syslog termios tty")
OS_NAMES = words(
    """
    EX_OK O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_SYNC P_PID WNOHANG chown chroot copy_file_range
    eventfd fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getsid getuid getxattr
    initgroups killpg lchown listxattr login_tty memfd_create mkfifo mknod nice openpty pidfd_open pipe2 posix_spawn
    posix_spawnp pread preadv pwrite pwritev sched_getaffinity sched_yield sendfile setegid seteuid setgid setgroups
    setpgid setpriority setsid setuid setxattr statvfs sync tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 waitid
    """
)
SIGNAL_NAMES = words(
    """
    SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH
    SIG_BLOCK SIG_UNBLOCK alarm pause pthread_kill pthread_sigmask setitimer siginterrupt sigtimedwait sigwait
    """
)
# What only Windows has: modules may import these, and need nothing of them at import
WINDOWS_MODULES = ("_winapi", "msvcrt", "winreg")
# What is for one system only says so in its name
NOT_PORTABLE = "grilse.platform.posix"


class Hide(importlib.abc.MetaPathFinder):
    """Answers, for each hidden module, that there is none."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named '{name}' (hidden: POSIX only)", name=name)
        return None


def our_modules() -> Iterator[str]:
    """The names of all modules of grilse, without the programs."""
    import grilse

    yield "grilse"
    for found in pkgutil.walk_packages(grilse.__path__, "grilse."):
        if not found.name.endswith("__main__"):
            yield found.name


def hide_posix() -> None:
    """From here on, what only POSIX has is missing."""
    for name in MODULES:
        sys.modules.pop(name, None)
    for module, names in ((os, OS_NAMES), (signal, SIGNAL_NAMES)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in WINDOWS_MODULES:
        sys.modules.setdefault(name, ModuleType(name))
    sys.meta_path.insert(0, Hide())
    sys.platform = "win32"
    os.name = "nt"


def main() -> None:
    # The programs are found by name later on; what walks packages may import them
    names = [name for name in our_modules() if not name.startswith(NOT_PORTABLE)]
    for name in names:
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.split(".")[0] in ("grilse", "buildstream"):
            del sys.modules[name]
    hide_posix()
    for name in names:
        importlib.import_module(name)
        print(name, flush=True)


if __name__ == "__main__":
    main()
