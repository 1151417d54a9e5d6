"""What the frontend asks of the backend: one `Request` a session, then `Command`s while it runs.

Knows nothing of how a command line is parsed or a request is carried out.
"""

from __future__ import annotations

import msgspec

from .message import PROTOCOL_VERSION, Message


class Hello(Message, frozen=True, kw_only=True):
    """First message on every channel, from the side that was started.

    Attributes:
        role: "backend" or "worker".
        protocol: protocol version spoken.
        program: version of grilse.
        pid: process id.
    """

    role: str
    protocol: int = PROTOCOL_VERSION
    program: str
    pid: int


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """The options before the command: what every command has in common.  None means "as configured".

    Attributes:
        argv: the command line, for display and the log.
        directory: project directory given with ``-C``, or the current one.
        config: user configuration file given, or None.
        options: project options as (name, value) pairs.
        on_error: "continue", "quit" or "terminate".
        fetchers, builders, pushers, max_jobs, network_retries: counts.
        strict: strict build plan.
        default_mirror: mirror to try first.
        pull_buildtrees: whether build trees are pulled with artifacts.
        cache_buildtrees: "always", "auto" or "never".
        interactive: whether somebody can answer prompts.
        colors: whether a result that is text for people may carry colours.
        verbose, debug: amount of messages.
        error_lines, message_lines: lines of a log or detail shown.
        events: JSON Lines file that this session's events are appended to, or None.
    """

    argv: tuple[str, ...]
    directory: str
    config: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    on_error: str | None = None
    fetchers: int | None = None
    builders: int | None = None
    pushers: int | None = None
    max_jobs: int | None = None
    network_retries: int | None = None
    strict: bool | None = None
    default_mirror: str | None = None
    pull_buildtrees: bool | None = None
    cache_buildtrees: str | None = None
    interactive: bool = False
    colors: bool = False
    verbose: bool | None = None
    debug: bool | None = None
    error_lines: int | None = None
    message_lines: int | None = None
    events: str | None = None


class Remotes(msgspec.Struct, frozen=True, kw_only=True):
    """Remote caches given on the command line.

    Attributes:
        artifact: remote specifications (``URL`` or ``url=URL,key=value,...``, as typed) for artifacts.
        source: the same for sources.
        ignore_project_artifact, ignore_project_source: leave out what projects recommend.
    """

    artifact: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    ignore_project_artifact: bool = False
    ignore_project_source: bool = False


class Show(Message, frozen=True, kw_only=True):
    """``show``: print elements.  `format` None means the user's configured format; `order` "stage" or "alpha"."""

    targets: tuple[str, ...]
    deps: str = "all"
    except_: tuple[str, ...] = ()
    order: str = "stage"
    format: str | None = None


class Build(Message, frozen=True, kw_only=True):
    """``build``: build elements; `deps` None means as configured."""

    targets: tuple[str, ...]
    deps: str | None = None
    retry_failed: bool = False
    remotes: Remotes = Remotes()


class Shell(Message, frozen=True, kw_only=True):
    """``shell``: describe the sandbox for a shell; the frontend runs it.  `mounts` are (host path, path) pairs."""

    target: str | None
    command: tuple[str, ...] = ()
    build: bool = False
    mounts: tuple[tuple[str, str], ...] = ()
    isolate: bool = False
    use_buildtree: bool = False
    remotes: Remotes = Remotes()


class ArtifactCheckout(Message, frozen=True, kw_only=True):
    """``artifact checkout``.  One of `directory` and `tar` (path, or "-" for standard output) or neither is given."""

    target: str | None
    directory: str | None = None
    tar: str | None = None
    compression: str | None = None
    deps: str = "run"
    integrate: bool | None = None
    hardlinks: bool = False
    force: bool = False
    remotes: Remotes = Remotes()


class ArtifactDelete(Message, frozen=True, kw_only=True):
    """``artifact delete``."""

    artifacts: tuple[str, ...]
    deps: str = "none"


class ArtifactListContents(Message, frozen=True, kw_only=True):
    """``artifact list-contents``."""

    artifacts: tuple[str, ...]
    long: bool = False


class ArtifactLog(Message, frozen=True, kw_only=True):
    """``artifact log``; `out` is a directory to write the logs to, or None for standard output."""

    artifacts: tuple[str, ...]
    out: str | None = None


class ArtifactShow(Message, frozen=True, kw_only=True):
    """``artifact show``."""

    artifacts: tuple[str, ...]
    deps: str = "none"
    remotes: Remotes = Remotes()


class ArtifactPull(Message, frozen=True, kw_only=True):
    """``artifact pull``."""

    artifacts: tuple[str, ...]
    deps: str = "none"
    remotes: Remotes = Remotes()


class ArtifactPush(Message, frozen=True, kw_only=True):
    """``artifact push``."""

    artifacts: tuple[str, ...]
    deps: str = "none"
    remotes: Remotes = Remotes()


class SourceFetch(Message, frozen=True, kw_only=True):
    """``source fetch``."""

    targets: tuple[str, ...]
    deps: str = "none"
    except_: tuple[str, ...] = ()
    remotes: Remotes = Remotes()


class SourceTrack(Message, frozen=True, kw_only=True):
    """``source track``."""

    targets: tuple[str, ...]
    deps: str = "none"
    except_: tuple[str, ...] = ()
    cross_junctions: bool = False


class SourcePush(Message, frozen=True, kw_only=True):
    """``source push``."""

    targets: tuple[str, ...]
    deps: str = "none"
    except_: tuple[str, ...] = ()
    remotes: Remotes = Remotes()


class SourceCheckout(Message, frozen=True, kw_only=True):
    """``source checkout``."""

    target: str | None
    directory: str | None = None
    tar: str | None = None
    compression: str | None = None
    deps: str = "none"
    except_: tuple[str, ...] = ()
    include_build_scripts: bool = False
    force: bool = False
    remotes: Remotes = Remotes()


class WorkspaceOpen(Message, frozen=True, kw_only=True):
    """``workspace open``."""

    targets: tuple[str, ...]
    directory: str | None = None
    no_checkout: bool = False
    force: bool = False
    remotes: Remotes = Remotes()


class WorkspaceClose(Message, frozen=True, kw_only=True):
    """``workspace close``; with `all_` every open workspace."""

    targets: tuple[str, ...]
    remove_dir: bool = False
    all_: bool = False


class WorkspaceReset(Message, frozen=True, kw_only=True):
    """``workspace reset``; `soft` only forgets that the element was configured."""

    targets: tuple[str, ...]
    soft: bool = False
    all_: bool = False


class WorkspaceList(Message, frozen=True, kw_only=True):
    """``workspace list``."""


class Init(Message, frozen=True, kw_only=True):
    """``init``: write a new project; the frontend has asked what it had to ask."""

    directory: str
    project_name: str
    min_version: str = "2.8"
    element_path: str = "elements"
    force: bool = False


class PluginList(Message, frozen=True, kw_only=True):
    """``plugin list``: kinds in use, their origin, version and file."""

    targets: tuple[str, ...] = ()


class CacheInfo(Message, frozen=True, kw_only=True):
    """``cache info``: what the local cache holds and why it is full, in numbers."""


class CacheCheck(Message, frozen=True, kw_only=True):
    """``cache check``: verify digests and references; with `repair` drop what is broken."""

    repair: bool = False


class CachePrune(Message, frozen=True, kw_only=True):
    """``cache prune``: expire until the cache is below its low watermark."""


class JobReplay(Message, frozen=True, kw_only=True):
    """``job replay``: run a saved job again in a new worker."""

    file: str


class Doctor(Message, frozen=True, kw_only=True):
    """``doctor``: check sandbox, overlay, cache, disk, clock and remotes."""


Action = (
    Show
    | Build
    | Shell
    | ArtifactCheckout
    | ArtifactDelete
    | ArtifactListContents
    | ArtifactLog
    | ArtifactShow
    | ArtifactPull
    | ArtifactPush
    | SourceFetch
    | SourceTrack
    | SourcePush
    | SourceCheckout
    | WorkspaceOpen
    | WorkspaceClose
    | WorkspaceReset
    | WorkspaceList
    | Init
    | PluginList
    | CacheInfo
    | CacheCheck
    | CachePrune
    | JobReplay
    | Doctor
)


class Request(Message, frozen=True, kw_only=True):
    """What this session is to do; the first message to the backend.

    Attributes:
        invocation: options before the command.
        action: the command and its own options.
        output_json: results on standard output are JSON.
    """

    invocation: Invocation
    action: Action
    output_json: bool = False


class Cancel(Message, frozen=True, kw_only=True):
    """Stop one job: its whole process tree is dead after the grace."""

    job: int


class Quit(Message, frozen=True, kw_only=True):
    """Start no new job, let running ones finish, then end."""


class Terminate(Message, frozen=True, kw_only=True):
    """Cancel every job, then end; with `hurry` (somebody asked a second time) without any grace for the jobs."""

    hurry: bool = False


class Suspend(Message, frozen=True, kw_only=True):
    """Stop the clock and every job's processes until `Resume`."""


class Resume(Message, frozen=True, kw_only=True):
    """Go on after `Suspend`."""


class Retry(Message, frozen=True, kw_only=True):
    """Schedule a failed element again."""

    element: str


class Answer(Message, frozen=True, kw_only=True):
    """Answer to a `Prompt` event: one of its choices."""

    prompt: int
    choice: str


class ShellDone(Message, frozen=True, kw_only=True):
    """The shell that the frontend ran for a `ShellReady` has ended; its sandbox may be taken down."""

    shell: int
    status: int


Command = Cancel | Quit | Terminate | Suspend | Resume | Retry | Answer | ShellDone
