"""Say of an object that pickle refuses what sort of thing it is: a lock, an open file, a running loop, …

Judges by the names of an object's classes, so that no module need be imported for it, and never by asking the object.
"""

from __future__ import annotations

from types import FunctionType

from .model import Cause
from .names import class_attribute, is_a, module_of, mro_of, qualname_of

# Classes by module and name.  An instance of a subclass counts as well; the nearest class in the order of
# inheritance decides.
_SORTS: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    (
        Cause.LOCK,
        (
            "_thread.lock",
            "_thread.RLock",
            "threading._RLock",
            "threading.Condition",
            "threading.Event",
            "threading.Semaphore",
            "threading.Barrier",
            "queue.Queue",
            "_queue.SimpleQueue",
            "multiprocessing.synchronize.SemLock",
            "multiprocessing.synchronize.Condition",
            "multiprocessing.synchronize.Event",
            "multiprocessing.synchronize.Barrier",
            "_multiprocessing.SemLock",
        ),
    ),
    (Cause.THREAD_LOCAL, ("_thread._local", "_threading_local.local", "_contextvars.ContextVar", "_contextvars.Token")),
    (
        Cause.OPEN_FILE,
        (
            "_io._IOBase",
            "io.IOBase",
            "mmap.mmap",
            "tempfile._TemporaryFileWrapper",
            "tempfile.SpooledTemporaryFile",
            "posix.ScandirIterator",
            "nt.ScandirIterator",
            "select.epoll",
            "select.poll",
            "select.kqueue",
            "selectors._BaseSelectorImpl",
            "sqlite3.Connection",
            "sqlite3.Cursor",
            "_dbm.dbm",
            "_gdbm.gdbm",
            "zipfile.ZipFile",
            "tarfile.TarFile",
        ),
    ),
    (
        Cause.SOCKET,
        (
            "_socket.socket",
            "_ssl._SSLSocket",
            "_ssl._SSLContext",
            "ssl.SSLObject",
            "multiprocessing.connection._ConnectionBase",
            "multiprocessing.connection.Listener",
            "http.client.HTTPConnection",
            "grpc._channel.Channel",
            "grpc._cython.cygrpc.Channel",
            "grpc._server._Server",
        ),
    ),
    (
        Cause.PROCESS,
        (
            "subprocess.Popen",
            "multiprocessing.process.BaseProcess",
            "multiprocessing.pool.Pool",
            "multiprocessing.queues.Queue",
            "multiprocessing.queues.SimpleQueue",
            "asyncio.subprocess.Process",
            "asyncio.base_subprocess.BaseSubprocessTransport",
            "concurrent.futures.process.ProcessPoolExecutor",
            "multiprocessing.managers.BaseManager",
        ),
    ),
    (
        Cause.THREAD,
        (
            "threading.Thread",
            "_thread._ThreadHandle",
            "concurrent.futures.thread.ThreadPoolExecutor",
            "concurrent.futures._base.Executor",
            "concurrent.futures._base.Future",
        ),
    ),
    (
        Cause.GENERATOR,
        (
            "builtins.generator",
            "builtins.coroutine",
            "builtins.async_generator",
            "builtins.coroutine_wrapper",
            "builtins.async_generator_asend",
            "builtins.async_generator_athrow",
            "contextlib._GeneratorContextManagerBase",
        ),
    ),
    (
        Cause.WEAK_REFERENCE,
        (
            "weakref.ReferenceType",
            "builtins.weakref",
            "builtins.weakproxy",
            "builtins.weakcallableproxy",
            "weakref.ProxyType",
            "weakref.CallableProxyType",
            "weakref.WeakValueDictionary",
            "weakref.WeakKeyDictionary",
            "_weakrefset.WeakSet",
            "weakref.finalize",
        ),
    ),
    (Cause.MODULE, ("builtins.module",)),
    (
        Cause.RUNNING_LOOP,
        (
            "asyncio.events.AbstractEventLoop",
            "uvloop.loop.Loop",
            "_asyncio.Future",
            "_asyncio.Task",
            "asyncio.futures.Future",
            "asyncio.tasks.Task",
            "asyncio.events.Handle",
            "asyncio.base_events.Server",
            "asyncio.runners.Runner",
        ),
    ),
    (Cause.FRAME, ("builtins.frame", "builtins.traceback", "builtins.code")),
)

# Written in Python over parts that cannot cross, and best called by one name: not looked into, if they block at all.
_COMPOUNDS = frozenset(
    (
        "threading.Condition",
        "threading.Event",
        "threading.Semaphore",
        "threading.Barrier",
        "threading.Thread",
        "queue.Queue",
        "multiprocessing.synchronize.SemLock",
        "multiprocessing.synchronize.Condition",
        "multiprocessing.synchronize.Event",
        "multiprocessing.synchronize.Barrier",
        "multiprocessing.process.BaseProcess",
        "multiprocessing.pool.Pool",
        "multiprocessing.queues.Queue",
        "multiprocessing.queues.SimpleQueue",
        "multiprocessing.managers.BaseManager",
        "multiprocessing.connection.Listener",
        "subprocess.Popen",
        "asyncio.subprocess.Process",
        "asyncio.base_subprocess.BaseSubprocessTransport",
        "asyncio.events.AbstractEventLoop",
        "asyncio.futures.Future",
        "asyncio.tasks.Task",
        "asyncio.events.Handle",
        "asyncio.base_events.Server",
        "asyncio.runners.Runner",
        "concurrent.futures._base.Executor",
        "concurrent.futures._base.Future",
        "contextlib._GeneratorContextManagerBase",
        "http.client.HTTPConnection",
        "selectors._BaseSelectorImpl",
        "ssl.SSLObject",
        "tempfile._TemporaryFileWrapper",
        "tempfile.SpooledTemporaryFile",
        "weakref.WeakValueDictionary",
        "weakref.WeakKeyDictionary",
        "_weakrefset.WeakSet",
        "weakref.finalize",
        "zipfile.ZipFile",
        "tarfile.TarFile",
        "grpc._channel.Channel",
        "grpc._server._Server",
    )
)

_BY_NAME = {name: cause for cause, names in _SORTS for name in names}
_HOOKS = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs_ex__", "__getnewargs__")


def sort_of(cls: type) -> Cause | None:
    """The cause that instances of a class stand for, or None if the class is none of the known sorts."""
    for base in mro_of(cls):
        cause = _BY_NAME.get(f"{module_of(base)}.{qualname_of(base)}") if base is not object else None
        if cause is not None:
            return cause
    return None


def is_compound(cls: type) -> bool:
    """Whether instances are things best called by one name, with nothing said about their parts."""
    return any(f"{module_of(base)}.{qualname_of(base)}" in _COMPOUNDS for base in mro_of(cls)[:-1])


def cause_of_refusal(cls: type, error: BaseException) -> Cause:
    """The cause to name when reducing an instance of ``cls`` raised ``error``."""
    known = sort_of(cls)
    if known is not None:
        return known
    if not any(is_a(class_attribute(cls, hook), FunctionType) for hook in _HOOKS):
        # The default reduction, or one written in C (Cython writes such that raise TypeError).
        return Cause.C_EXTENSION if isinstance(error, TypeError) else Cause.HOOK_FAILS
    from pickle import PicklingError

    if isinstance(error, (TypeError, PicklingError, NotImplementedError)):
        return Cause.REFUSES
    return Cause.HOOK_FAILS
