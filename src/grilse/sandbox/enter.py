"""Run as a script: makes a mount namespace, mounts an overlay in it and becomes the program that it is given.

Knows nothing of grilse, which it does not import: it runs once per sandboxed command, so its start must be cheap.
It becomes that program (by `exec`, in the same process), so that nobody has to pass on signals and exit status.

usage: enter.py PARENT DIRECTORY MOUNTPOINT OPTIONS LOCK STATUS PROGRAM [ARGUMENT ...]

PARENT       process that this one must not survive; 0 for whoever started it
DIRECTORY    where to change to; everything below is relative to it
MOUNTPOINT   directory where the overlay is mounted, "" to mount nothing
OPTIONS      options of the overlay
LOCK         file to hold a shared lock on while the program runs, at descriptor LOCK_FD, or ""
STATUS       descriptor that gets one JSON object if something fails before the program runs, or -1
"""

from __future__ import annotations

import os
import sys

# The program finds the descriptor of the lock here.
LOCK_FD = 10

# Status with which this script ends when it could not start the program.
FAILED = 126

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_NOSUID = 2
_MS_NODEV = 4
_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def _fail(doing: str, error: OSError, status: int) -> None:
    message = f"{doing}: {os.strerror(error.errno) if error.errno else error}"
    os.write(2, f"Sandbox: {message}\n".encode(errors="replace"))
    if status >= 0:
        escaped = message.replace("\\", "\\\\").replace('"', '\\"')
        os.write(status, f'{{"error": "{escaped}", "errno": {error.errno or 0}}}\n'.encode(errors="replace"))
    os._exit(FAILED)


def main(arguments: list[str]) -> None:
    """Does what the module says; returns only by ending the process."""
    import ctypes

    parent, directory, mountpoint, options, lock, status_text = arguments[:6]
    program = arguments[6:]
    status = int(status_text)
    libc = ctypes.CDLL(None, use_errno=True)

    def call(doing: str, result: int) -> None:
        if result:
            _fail(doing, OSError(ctypes.get_errno(), ""), status)

    # What the interpreter ignores, the program inherits: bst's sandboxes ignore this one signal only.
    import _signal  # type: ignore[import-not-found]  # the module "signal" takes longer to import than all the rest

    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if parent != "0" and os.getppid() != int(parent):
        os._exit(FAILED)  # it has died already

    # Descriptors that this process was never meant to have must not get into the sandbox.
    os.closerange(3, max(status, 3))
    os.closerange(max(status, 2) + 1, 1 << 20)
    doing = "enter its directory"
    try:
        os.chdir(directory)
        doing = "take the lock of its directory"
        if lock:
            import fcntl

            descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.dup2(descriptor, LOCK_FD, inheritable=True)
            os.close(descriptor)
        if mountpoint:
            uid, gid = os.getuid(), os.getgid()
            call("make a user namespace", libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
            # Root in the new namespace, which the program needs to make a further one.
            doing = "map user and group into a user namespace"
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
                descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
                os.write(descriptor, text.encode())
                os.close(descriptor)
            flags = _MS_NOSUID | _MS_NODEV
            target = os.fsencode(mountpoint)
            # A volatile layer is never synced, which is right for a scratch directory; old kernels do not know it.
            if libc.mount(b"overlay", target, b"overlay", flags, os.fsencode(f"{options},volatile")):
                call("mount an overlay", libc.mount(b"overlay", target, b"overlay", flags, os.fsencode(options)))
        doing = f"start '{program[0]}'"
        os.execve(program[0], program, {})
    except OSError as error:
        _fail(doing, error, status)


if __name__ == "__main__":
    main(sys.argv[1:])
