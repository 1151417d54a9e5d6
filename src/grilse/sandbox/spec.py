"""What a sandbox is asked to do and what came of it: plain, frozen data that any way of running it understands.

Knows nothing of how commands are run, nor of elements and plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from grilse.storage.digest import Digest

# Every staged file, link and directory shows this modification time (2011-11-11 11:11:11 UTC), as under bst.
STAGED_MTIME = 1321009871
STAGED_MTIME_NS = STAGED_MTIME * 1_000_000_000

# Modes of what is staged; REAPI keeps only the executable bit.
FILE_MODE = 0o644
PROGRAM_MODE = 0o755
DIRECTORY_MODE = 0o755


@dataclass(frozen=True, slots=True)
class HostMount:
    """A file or directory of the host that is shown in the sandbox.

    Attributes:
        path: absolute path in the sandbox; made if it does not exist.
        host_path: what is shown there, with the host's modes and times.
        read_only: whether the sandbox may not write to it.
    """

    path: str
    host_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One command and the world it sees.

    Attributes:
        argv: the command and its arguments; the first is looked up in `PATH` of `environment`.
        cwd: absolute working directory, made if it does not exist; `PWD` is set to it.
        environment: the whole environment, nothing is added but `PWD`.
        writable: absolute directories that may be written to, made if they do not exist; None for the whole root.
        mounts: what is shown of the host.
        network: whether the host's network is there.
        interactive: whether the command talks to the terminal of its standard input; it then has the host's `/dev`.
        uid: user id that the command runs with, and that everything belongs to; None for 0.
        gid: group id likewise.
    """

    argv: tuple[str, ...]
    cwd: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[str, ...] | None = None
    mounts: tuple[HostMount, ...] = ()
    network: bool = False
    interactive: bool = False
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class SandboxRun:
    """A whole job for a sandbox: stage a root, run commands until one fails, capture directories.

    Attributes:
        root: digest of the REAPI ``Directory`` that is the input root.
        commands: run in order on the same root; the first that fails is the last that runs.
        outputs: absolute directories that are captured afterwards, whether a command failed or not.
        layers: directories whose overlay comes close to `root`, bottom first (the staged artifacts): they are
            unpacked once for all sandboxes.  They never change what is staged, only what it costs.
        mtimes: whether modification times of regular files and directories are captured (for workspaces).
    """

    root: Digest
    commands: tuple[Command, ...]
    outputs: tuple[str, ...] = ()
    layers: tuple[Digest, ...] = ()
    mtimes: bool = False


@dataclass(frozen=True, slots=True)
class SandboxOutcome:
    """What came of a `SandboxRun`.

    Attributes:
        status: exit status of the last command that ran; 128 + N if signal N ended it.
        ran: how many commands ran.
        outputs: digest of each output directory, by path; those that are no directory are left out.
    """

    status: int
    ran: int
    outputs: Mapping[str, Digest]


class Launch(NamedTuple):
    """How another process runs a command in a staged sandbox, for instance on its own terminal.

    Everything is plain data that may cross processes.  The sandbox's session must stay open until it has ended, and it
    dies with the process that starts it.

    Attributes:
        argv: what to execute; the first is an absolute path.
        environment: the whole environment to execute it with.
    """

    argv: list[str]
    environment: dict[str, str]
