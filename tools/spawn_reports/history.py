"""What BuildStream's old job pickler treated specially, and what its calls between frontend and core become.

From BuildStream's history (the commits that are named); knows nothing of audits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Special:
    """One thing that was treated specially: how, what finds it among the blockers of today, and what becomes of it."""

    thing: str
    then: str
    pattern: str
    now_none: str
    becomes: str

    def matches(self, pattern: str, kind: str) -> bool:
        """Whether a blocker, by its pattern and type, is about this."""
        return re.search(self.pattern, f"{pattern} {kind}") is not None


OLD_PICKLER = (
    Special(
        "instances of plugins (elements, sources)",
        "reduced to factory and kind with their attributes; the factory had to be loaded first and kept alive",
        r"_internalspace\._sp….*(Element|Source)$",
        "none",
        "origin, kind and resolved configuration in a record; made anew where they are needed",
    ),
    Special(
        "plugin factories, of every project",
        "left out the namespace and the types, and loaded them again (a125bc07d, 04e1c533e)",
        r"_PluginSourceModule",
        "none",
        "origins (path and provenance) in the record; each process loads what it uses",
    ),
    Special(
        "several classes in one plugin file",
        "a stable identifier for the random names of modules (c879470b9)",
        r"_internalspace",
        "none",
        "module names that follow from the origin",
    ),
    Special(
        "protobuf messages (Artifact, Digest)",
        "SerializeToString() and a table of names, one entry for each type (5a5cbfac5)",
        r"_pb2\.",
        "none",
        "digests as hash and size, artifacts by reference in the store; no protobuf in any message",
    ),
    Special(
        "the loader",
        "a state of its own for jobs, without the stream's method and the caches (6d70e5d43)",
        r"loader",
        "no blocker of its own",
        "loading happens in the backend alone",
    ),
    Special(
        "the messenger",
        "a state of its own for jobs, without handler, callback and state",
        r"messenger\._",
        "none",
        "jobs send messages; the backend knows who reads them",
    ),
    Special(
        "the context",
        "jobs were given the messenger and the log directory instead (282a4fcbd)",
        r"$^",
        "no blocker of its own: everything hangs on it",
        "the few settings that a job needs are fields of its message",
    ),
    Special(
        "callbacks of queues",
        "module-level functions instead of bound methods (1ff7c902f)",
        r"_callback |_cbs",
        "none",
        "results are messages; the scheduler matches them by number",
    ),
    Special(
        "the cache and its daemon",
        "sent as a closed channel, with a flag against misuse (95ee34800, 5de5a1c1f)",
        r"_casd|_cascache",
        "none",
        "each process opens the store by its path",
    ),
    Special(
        "the option pool",
        "left out its Jinja2 environment and made it anew (ab3b89f1f)",
        r"jinja2|_options",
        "none: it crosses today",
        "options are resolved before a job exists",
    ),
    Special(
        "nodes of YAML",
        "a reduce of their own, since they are written in Cython (e02a2dcfe)",
        r"buildstream\.node\.",
        "none: they cross today",
        "resolved configuration is plain data",
    ),
    Special(
        "globals of the node module",
        "sent beside the job, else provenance was wrong (5f48e8aa6)",
        r"$^",
        "in no object, so no audit of objects sees them",
        "provenance is text in the error",
    ),
    Special(
        "class attributes of sandboxes",
        "set again in the job (5b48b47c8)",
        r"$^",
        "in no object, so no audit of objects sees them",
        "each process asks for itself what the machine can do",
    ),
    Special(
        "stream and scheduler",
        "refused, so that nobody reached them by mistake",
        r"_scheduler\.loop|_active_jobs",
        "none",
        "never in reach of a message",
    ),
)

# What the core calls of the application, by the method's name, and the event of grilse that stands for it.
EVENT_FOR = {
    "session_start_cb": "`SessionStarted` and `Pipeline`: the heading and the plan",
    "_interrupt_handler": "nothing: signals belong to the frontend, which sends a command",
    "_render_cached_messages": "nothing: the frontend has its own clock",
    "_job_failed": "`Prompt`, with the failure in it; the answer is a command",
    "_message_handler": "`Text`, `SpanStarted`, `SpanEnded`, `JobStarted`, `JobFinished`",
    "_render_status": "nothing: the frontend draws when it has news",
}

# What the frontend asks of the core, and the request or command of grilse that stands for it.
COMMAND_FOR = {
    "terminate": "the command `Terminate`",
    "quit": "the command `Quit`",
    "suspend": "the command `Suspend`",
    "resume": "the command `Resume`",
    "retry_job": "the answer `retry` to a `Prompt`",
    "build": "the request `Build`",
    "fetch": "the request `SourceFetch`",
    "track": "the request `SourceTrack`",
    "pull": "the request `ArtifactPull`",
    "push": "the request `ArtifactPush`",
    "source_push": "the request `SourcePush`",
    "checkout": "the request `ArtifactCheckout`",
    "source_checkout": "the request `SourceCheckout`",
    "shell": "the request `Shell`, answered by `ShellReady`",
    "load_selection": "the request `Show`",
    "artifact_show": "the request `ArtifactShow`",
    "artifact_log": "the request `ArtifactLog`",
    "artifact_list_contents": "the request `ArtifactListContents`",
    "artifact_delete": "the request `ArtifactDelete`",
    "workspace_open": "the request `WorkspaceOpen`",
    "workspace_close": "the request `WorkspaceClose`",
    "workspace_reset": "the request `WorkspaceReset`",
    "workspace_list": "the request `WorkspaceList`",
    "task_groups": "the event `Queues`",
    "tasks": "the events `JobStarted` and `JobFinished`",
    "elapsed_time": "the times in the events",
    "message": "the event `Text`, the other way round",
}
REST_FOR = {
    "Stream": "state that the frontend works out from the events it has seen",
    "State": "subscriptions: every event is sent to every reader",
    "Context": "settings of the display in `LogStyle`, the heading in `Pipeline`; the rest stays in the backend",
    "Messenger": "nothing: there is nobody to be handed over",
}
