"""Say what to do about a blocker or a costly part.

Knows causes and types only: how a graph was walked does not matter here.
"""

from __future__ import annotations

from .model import Advice, Cause, Remedy
from .names import class_attribute

# A part is costly from this share of the whole and this many bytes on.
COSTLY_SHARE = 0.1
COSTLY_BYTES = 16 * 1024

_WORDS = {
    Cause.LOCK: (Remedy.RECOMPUTE, "leave the lock out of the state and make a new one after the spawn"),
    Cause.THREAD_LOCAL: (Remedy.RECOMPUTE, "leave it out of the state and make an empty one after the spawn"),
    Cause.OPEN_FILE: (Remedy.OPEN_LATER, "send the file's path (and how far it was read), and open it after the spawn"),
    Cause.SOCKET: (Remedy.OPEN_LATER, "send the address and connect after the spawn"),
    Cause.PROCESS: (Remedy.MESSAGE, "only its parent can wait for a process: keep it there, and ask by message"),
    Cause.THREAD: (Remedy.MESSAGE, "a thread stays in its process: start one after the spawn, or ask by message"),
    Cause.GENERATOR: (Remedy.RECOMPUTE, "send what the generator is made from and begin it anew after the spawn"),
    Cause.LOCAL_FUNCTION: (Remedy.MODULE_LEVEL, "define it at the top of a module and bind its values with partial"),
    Cause.BOUND_METHOD: (Remedy.MODULE_LEVEL, "send a module-level function, or an event, instead of the method"),
    Cause.NOT_IMPORTABLE: (Remedy.MODULE_LEVEL, "define it at the top of a module under the name it says it has"),
    Cause.CLASS_NOT_IMPORTABLE: (
        Remedy.REDUCER,
        "give the class a place that a new interpreter can import, or register a reducer that sends where it comes "
        "from (such as an origin and a kind) and the configuration to make it anew",
    ),
    Cause.C_EXTENSION: (Remedy.REDUCER, "register a reducer that sends what it is made from"),
    Cause.WEAK_REFERENCE: (Remedy.RECOMPUTE, "leave it out of the state and refer anew after the spawn"),
    Cause.MODULE: (Remedy.SEND_KEY, "send the module's name and import it after the spawn"),
    Cause.RUNNING_LOOP: (Remedy.MESSAGE, "a loop stays in its process: run one after the spawn, and send messages"),
    Cause.CONSTRUCTOR: (Remedy.REDUCER, "give the class a __reduce__ with the arguments its constructor needs"),
    Cause.REFUSES: (Remedy.MESSAGE, "its class means it to stay: keep it in the parent behind a message"),
    Cause.HOOK_FAILS: (Remedy.REDUCER, "mend its pickling hook, or register a reducer that does without it"),
    Cause.HOOK_NONSENSE: (Remedy.REDUCER, "mend its pickling hook, or register a reducer that does without it"),
    Cause.RECURSIVE: (Remedy.REDUCER, "send what leads back to it as state, not as an argument of its making"),
    Cause.TOO_DEEP: (Remedy.SEND_KEY, "refer to the next one by key and keep all of them in one flat container"),
    Cause.FRAME: (Remedy.SEND_KEY, "send it as text, or send what it was made from"),
    Cause.OTHER: (Remedy.MESSAGE, "keep it in the parent and send what the other side needs of it by message"),
}

# Methods that make bytes of an object, and those that make it of bytes again: protobuf's messages, and the like.
_WRITERS = (
    ("SerializeToString", "FromString"),
    ("to_bytes", "from_bytes"),
    ("tobytes", "frombytes"),
    ("to_json", "from_json"),
)


def advice_for(cause: Cause, cls: type, owned_name: str | None = None) -> Advice:
    """What to do about a blocker of that cause and class."""
    remedy, text = _WORDS[cause]
    subject = cls
    if cause in (Cause.C_EXTENSION, Cause.CLASS_NOT_IMPORTABLE, Cause.HOOK_FAILS, Cause.REFUSES):
        for writer, reader in _WRITERS:
            if _has(subject, writer) and _has(subject, reader):
                return Advice(Remedy.REDUCER, f"register a reducer: send {writer}() and make it anew with {reader}()")
    if cause is Cause.SOCKET and cls.__module__.startswith("ssl"):
        text = "make the context anew from its settings and connect after the spawn"
    return Advice(remedy, text if owned_name is None else f"{text} ({owned_name})")


def advice_for_cost(cls: type, label: object, nodes: int, owns_instances: bool) -> Advice:
    """What to do about a part that crosses, but at a cost."""
    name = label if type(label) is str else ""
    if any(word in name.lower() for word in ("cache", "memo", "index", "lookup", "by_")):
        return Advice(Remedy.RECOMPUTE, "its name says that it can be computed from the rest: drop it and do so")
    if cls is str or cls is bytes or cls is bytearray:
        return Advice(Remedy.SEND_KEY, "send the path or digest of this content, and read it where it is needed")
    if owns_instances and nodes > 1:
        return Advice(Remedy.MESSAGE, "keep these objects in the parent and send plain records of what is needed")
    return Advice(Remedy.SEND_KEY, "write it to a file once and send its path")


def _has(cls: type, name: str) -> bool:
    return class_attribute(cls, name) is not None
