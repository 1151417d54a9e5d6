"""The tasks that would let BuildStream 2.8.1's scheduler be spawned, in the order to do them, and what each is about.

Knows BuildStream's classes by name only; imports nothing, since it is used in BuildStream's interpreter as well.
"""

from __future__ import annotations

# By name: what is to be done, and where it leads.
TASKS: dict[str, tuple[str, str]] = {
    "callbacks": (
        "Frontend callbacks become events",
        "The core calls methods of the application: each such method drags the whole application, its logger and its "
        "status area along. Send a message instead; the frontend acts on it.",
    ),
    "runtime": (
        "Make the loop, jobs, threads and processes after the spawn",
        "They belong to the process that runs them. The scheduler makes its loop when it runs, and asks for the cache "
        "daemon's process by message.",
    ),
    "connections": (
        "Open connections after the spawn",
        "Every gRPC stub holds the channel and nested functions. Send the address of the daemon and connect there.",
    ),
    "locks": (
        "Make locks and thread-local values anew",
        "They guard what one process does; a new process has nobody to guard against yet.",
    ),
    "namespaces": (
        "Rebuild plugin namespaces after the spawn",
        "A factory holds the modules of a generated namespace. Send the origins (path, kind, provenance) and load the "
        "plugins there.",
    ),
    "plugins": (
        "Send keys instead of elements and sources",
        "Their classes live in generated modules that no other process can import. Send the name or key; what a job "
        "needs of an element is its origin, kind, resolved configuration and digests.",
    ),
    "rest": (
        "Send messages' bytes instead of protobuf objects, and the rest",
        "The generated modules call themselves by another name than they are imported under. Send SerializeToString().",
    ),
    "reload": (
        "Load the project after the spawn",
        "What is left is configuration and the loader's results, which the backend can make itself from the request: "
        "command, targets, options and paths.",
    ),
}

# What the last task leaves out besides: the project and the caches, made anew from the request.
RELOADED = [
    ("buildstream._stream.Stream", "_project"),
    ("buildstream._stream.Stream", "_context"),
    ("buildstream._stream.Stream", "_scheduler"),
    ("buildstream._stream.Stream", "_artifacts"),
    ("buildstream._stream.Stream", "_elementsourcescache"),
    ("buildstream._stream.Stream", "_sourcecache"),
    ("buildstream._stream.Stream", "_state"),
    ("buildstream._stream.Stream", "queues"),
]


def task_of(cls: str, attribute: str, why: str) -> str:
    """The task that deals with an attribute, by its class and the reason why it cannot cross."""
    cause = why.rpartition("with: ")[2]
    if cause in ("event loop", "process", "thread") or ".jobs." in cls:
        return "runtime"
    if cls.startswith("grpc.") or "._cas." in cls:
        return "connections"
    if "lock" in cause or "thread-local" in cause:
        return "locks"
    if "_pluginfactory" in cls or cls == "pluginbase.PluginSource":
        return "namespaces"
    if attribute.endswith(("_proto", "_digest")):
        return "rest"
    if cause.startswith("class not importable"):
        return "plugins"
    return "rest"
