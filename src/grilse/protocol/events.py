"""What the backend tells the frontend, and writes to the session's event log.

Knows nothing of how events are shown.  The log holds the same structs as JSON, one a line, each with its time.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .message import Failure, Message


class SessionStarted(Message, frozen=True, kw_only=True):
    """First event of a session.

    Attributes:
        time: seconds since the epoch.
        session: session identifier (also the log's name).
        log: path of the event log, or None when it cannot be written.
        argv: the command line.
        program: version of grilse.
    """

    time: float
    session: str
    log: str | None
    argv: tuple[str, ...]
    program: str


class LogStyle(Message, frozen=True, kw_only=True):
    """How the user wants messages shown: the ``logging`` configuration with the command line applied.

    Sent right after `SessionStarted`; a display assumes the defaults given here until it comes.

    Attributes:
        message_format: columns of a log line (``%{elapsed}``, ``%{elapsed-us}``, ``%{wallclock}``, ``%{wallclock-us}``,
            ``%{key}``, ``%{element}``, ``%{action}``, ``%{message}``; ``%%`` is a per cent sign).
        element_format: how an element of the plan is shown, symbols as of ``show --format``.
        key_length: characters of a key shown; 0 for none.
        error_lines: lines of a failed task's log shown.
        message_lines: lines of a message's detail shown.
        verbose: status messages are shown.
        debug: debug messages and process ids are shown.
        log_directory: directory that task logs are shown relative to, or "".
    """

    message_format: str = "[%{elapsed}][%{key}][%{element}] %{action} %{message}"
    element_format: str = "%{state: >12} %{full-key} %{name} %{workspace-dirs}"
    key_length: int = 8
    error_lines: int = 20
    message_lines: int = 20
    verbose: bool = True
    debug: bool = False
    log_directory: str = ""


class SpanStarted(Message, frozen=True, kw_only=True):
    """Something that may take a while began (a phase of the session, or an activity within a job).

    Attributes:
        time: seconds since the epoch.
        span: identifier within the session.
        parent: enclosing span, or None.
        name: what happens, for people.
        element: display name of the element it is about, or None.
        job: job it belongs to, or None.
    """

    time: float
    span: int
    parent: int | None = None
    name: str
    element: str | None = None
    job: int | None = None


class SpanEnded(Message, frozen=True, kw_only=True):
    """The end of a span; `seconds` excludes suspension."""

    time: float
    span: int
    seconds: float
    ok: bool = True


class Text(Message, frozen=True, kw_only=True):
    """A message for people, as bst's log lines carry it.

    Attributes:
        time: seconds since the epoch.
        kind: "debug", "status", "info", "warn", "error", "bug", "start", "success", "failure", "skipped", "log".
        text: the message, one line.
        detail: further lines, or None.
        element: display name of the element, or None.
        key: its display key (may be ""), or None.
        action: name of the queue ("build", "fetch", ...), or "main".
        elapsed: seconds since the session (or the activity) began, suspension excluded.
        log: path of the task's log file, or None.
        log_tail: last lines of it, given with a failure, or None.
        job: job it belongs to, or None.
        scheduler: it is about a whole job rather than something within one.
    """

    time: float
    kind: str
    text: str
    detail: str | None = None
    element: str | None = None
    key: str | None = None
    action: str = "main"
    elapsed: float | None = None
    log: str | None = None
    log_tail: str | None = None
    job: int | None = None
    scheduler: bool = False


class PipelineElement(msgspec.Struct, frozen=True, array_like=True):
    """One element of the plan.

    Attributes:
        name: display name.
        key: full key, "" if not known.
        state: as `show` prints it.
        kind: of the element.
        workspace: directory of its open workspace, or "".
        depends: places in `Pipeline.elements` of what it depends on directly.
        planned: the session works on it; others are there since something depends on them.
    """

    name: str
    key: str
    state: str
    kind: str
    workspace: str = ""
    depends: tuple[int, ...] = ()
    planned: bool = True


class Pipeline(Message, frozen=True, kw_only=True):
    """The plan: the targets and all they depend on.

    Attributes:
        time: seconds since the epoch.
        project: name of the project.
        targets: display names of the targets.
        elements: the elements in staging order.
        heading: what bst prints before a build: (section, name, value).  A section within another has both titles, a
            line each.  A section begins with an entry that has neither name nor value.  A value without a name is a
            line of its own, one named "*" an item of a list.
        lines: `elements` as the user's element format has them, when that asks for more than `PipelineElement` knows;
            else empty.
    """

    time: float
    project: str
    targets: tuple[str, ...]
    elements: tuple[PipelineElement, ...]
    heading: tuple[tuple[str, str, str], ...] = ()
    lines: tuple[str, ...] = ()


class QueueStatus(msgspec.Struct, frozen=True, array_like=True):
    """Counts of one queue, for display: name of its action, processed, skipped, failed, waiting, total."""

    action: str
    processed: int
    skipped: int
    failed: int
    waiting: int
    total: int


class Queues(Message, frozen=True, kw_only=True):
    """Counts of all queues; coalesced: only the newest matters."""

    time: float
    queues: tuple[QueueStatus, ...]
    running: int
    cached: int = 0


class JobStarted(Message, frozen=True, kw_only=True):
    """A job was given to a worker."""

    time: float
    job: int
    element: str
    key: str
    action: str
    log: str | None
    worker: int
    attempt: int = 1


class JobProgress(Message, frozen=True, kw_only=True):
    """What a running job does now; coalesced: only the newest of a job matters.

    Attributes:
        activity: short text ("running ninja", "staging"), or "".
        current, maximum: counts where known.
        stalled: seconds without output or progress, when that is remarkable; 0 when the job goes on after that.
    """

    time: float
    job: int
    activity: str = ""
    current: int | None = None
    maximum: int | None = None
    stalled: float | None = None


class JobFinished(Message, frozen=True, kw_only=True):
    """A job ended.

    Attributes:
        status: "ok", "skipped", "failed", "cancelled" or "lost" (its worker died).
        seconds: duration, suspension excluded.
        failure: why, when failed or lost.
        will_retry: it is tried again.
        saved: file that a failed job can be replayed from, or None.
        remembered: nothing was run: the failure is that of an earlier session.
    """

    time: float
    job: int
    element: str
    key: str
    action: str
    status: str
    seconds: float
    log: str | None = None
    log_tail: str | None = None
    failure: Failure | None = None
    will_retry: bool = False
    saved: str | None = None
    remembered: bool = False


class Prompt(Message, frozen=True, kw_only=True):
    """A question; scheduling goes on meanwhile, and policy decides when nobody answers.

    After the answer "shell" comes a `ShellReady`, or a `Text` of kind "error" when there is no staging the sandbox;
    either way the question stays open, since a shell is something one comes back from.  "log" is answered by the
    frontend alone.

    Attributes:
        prompt: number to answer with.
        element: what failed.
        choices: possible answers ("continue", "quit", "terminate", "retry", "shell", "log").
        log: path of the failed task's log.
    """

    time: float
    prompt: int
    element: str
    key: str
    action: str
    choices: tuple[str, ...]
    log: str | None = None
    failure: Failure | None = None


class PromptClosed(Message, frozen=True, kw_only=True):
    """A prompt needs no answer any more."""

    time: float
    prompt: int
    choice: str


class ShellReady(Message, frozen=True, kw_only=True):
    """A sandbox is staged: run this on the terminal, then send `ShellDone`.

    Attributes:
        shell: number to answer with.
        argv: command line of the sandbox.
        environment: complete environment of that process.
        directory: working directory of that process.
        element: display name.
        interactive: a shell for a person rather than one command.
        title: prompt text for people.
    """

    time: float
    shell: int
    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    element: str
    interactive: bool
    title: str = ""


class Output(Message, frozen=True):
    """Bytes for standard output: the command's result.  Never dropped; not in the log."""

    data: bytes


class Error(Message, frozen=True, kw_only=True):
    """An orderly error: of the command (`scope` "main", the one it ends with) or of a job ("task")."""

    time: float = 0.0
    scope: str
    domain: str
    reason: str | None
    message: str
    detail: str | None = None
    where: str = ""
    element: str | None = None


class Unhandled(Message, frozen=True, kw_only=True):
    """A bug of ours."""

    time: float = 0.0
    message: str
    traceback: str = ""


class Acknowledged(Message, frozen=True, kw_only=True):
    """A command was received and its effect has begun; sent on the control channel."""

    time: float
    command: str


class Terminating(Message, frozen=True, kw_only=True):
    """The session is ending early: `why` is "quit", "terminate", "error"; `running` jobs are still alive."""

    time: float
    why: str
    running: int


class LoggedEvents(Message, frozen=True):
    """Events as the log holds them, so that each is encoded once only; itself not in the log.  Since protocol 2.

    Attributes:
        lines: JSON of one event or more, each ended by a line feed.
    """

    lines: bytes


class CaughtUp(Message, frozen=True, kw_only=True):
    """The channel was read too slowly: read the log from byte `start` to byte `end` for what was left out."""

    start: int
    end: int


class Summary(Message, frozen=True, kw_only=True):
    """What a session did.

    Attributes:
        seconds: duration, suspension excluded.
        queues: final counts.
        failed: (display name, action, message, log path) of each failure.
        slowest: (display name, action, seconds).
        phases: seconds by phase name.
        elements: how many elements the session worked on, those that needed nothing included.
        resolved: elements whose key the session has found out, by tracking them.
        resolved_lines: the same as `Pipeline.lines`.
    """

    time: float
    seconds: float
    elements: int = 0
    queues: tuple[QueueStatus, ...] = ()
    failed: tuple[tuple[str, str, str, str | None], ...] = ()
    slowest: tuple[tuple[str, str, float], ...] = ()
    phases: dict[str, float] = {}
    resolved: tuple[PipelineElement, ...] = ()
    resolved_lines: tuple[str, ...] = ()


class Result(Message, frozen=True, kw_only=True):
    """Last event of a session, sent on the control channel: the exit status and the log's final size."""

    time: float
    status: int
    log_size: int = 0


class Values(Message, frozen=True, kw_only=True):
    """Structured result of a command, for `--output json` and completion: plain data."""

    data: Any


Event = (
    SessionStarted
    | LogStyle
    | SpanStarted
    | SpanEnded
    | Text
    | Pipeline
    | Queues
    | JobStarted
    | JobProgress
    | JobFinished
    | Prompt
    | PromptClosed
    | ShellReady
    | Output
    | Error
    | Unhandled
    | Acknowledged
    | Terminating
    | LoggedEvents
    | CaughtUp
    | Summary
    | Result
    | Values
)
