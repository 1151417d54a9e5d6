"""Small object graphs that cannot cross to another process, each with every blocker, its path and its cause."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextvars
import copyreg
import enum
import functools
import io
import mmap
import multiprocessing
import os
import queue
import select
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from grilse.audit import Cause, Stage


class Box:
    """Holds whatever it is given."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None:
        """Do nothing."""

    @classmethod
    def made(cls) -> Box:
        """A new one."""
        return cls()


class Slotted:
    """Holds two values in slots."""

    __slots__ = ("left", "right")


class SlottedPrivately:
    """Holds a value in a slot whose name is mangled."""

    __slots__ = ("__hidden",)

    def __init__(self, value: object) -> None:
        self.__hidden = value


@dataclass
class Record:
    """A plain record."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class FrozenRecord:
    """A frozen, slotted record, which dataclasses give hooks of its own."""

    value: Any


class Named(collections.namedtuple("Named", "first second")):
    """A named tuple."""


class MyList(list[Any]):
    """A list with attributes."""


class MyDict(dict[Any, Any]):
    """A dict with attributes."""


class MySet(set[Any]):
    """A set, which pickle makes of a fresh list."""


class Chosen:
    """Says itself what its state is."""

    def __init__(self, kept: object, dropped: object) -> None:
        self.kept = kept
        self.dropped = dropped

    def __getstate__(self) -> dict[str, Any]:
        return {"kept": self.kept}


class ChosenWithSetter(Chosen):
    """Says itself what its state is and how to take it in."""

    def __getstate__(self) -> Any:
        return ("state", self.kept)

    def __setstate__(self, state: Any) -> None:
        _, self.kept = state


class Refuses:
    """Refuses on purpose."""

    def __getstate__(self) -> Any:
        raise TypeError("stays where it is")


class RaisesInReduce:
    """Its hook has a fault."""

    def __reduce__(self) -> Any:
        raise RuntimeError("broken")


class ReturnsNumber:
    """Its hook returns nonsense."""

    def __reduce__(self) -> Any:
        return 42


class ReturnsShortTuple:
    """Its hook returns too little."""

    def __reduce__(self) -> Any:
        return (Box,)


class ReturnsUncallable:
    """Its hook returns something that cannot be called."""

    def __reduce__(self) -> Any:
        return 3, ()


class ReturnsListForArguments:
    """Its hook returns a list where a tuple belongs."""

    def __reduce__(self) -> Any:
        return Box, []


class ReturnsUnknownName:
    """Its hook names something that is not there."""

    def __reduce__(self) -> str:
        return "no_such_name"


class MakesOther:
    """Its hook makes an instance of another class."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return vars(copyreg)["__newobj__"], (Box,)


class BadPairs:
    """Its hook gives pairs that are none."""

    def __reduce__(self) -> Any:
        return dict, (), None, None, iter([1, 2])


class RecursesForEver:
    """Its hook calls itself without end."""

    def __getstate__(self) -> Any:
        return self.__getstate__()


class NeedsItself:
    """Can only be made with something that leads back to it."""

    def __init__(self, other: Any = None) -> None:
        self.other = other

    def __reduce__(self) -> Any:
        return NeedsItself, (self.other,)


class NeedsArgument(Exception):
    """An exception whose constructor needs more than its ``args``."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NeedsNew:
    """Its ``__new__`` needs an argument that a default reduction does not give."""

    def __new__(cls, value: int) -> NeedsNew:
        return object.__new__(cls)


class LoadsWhereAllowed:
    """Can be dumped anywhere, and loaded only where the environment does not forbid it."""

    def __getstate__(self) -> Any:
        return {"x": 1}

    def __setstate__(self, state: Any) -> None:
        if os.environ.get("CORPUS_REFUSES_TO_LOAD"):
            raise ValueError("not here")


class Meta(type):
    """A metaclass."""


class Liar:
    """Says that its class is another."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Box


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


class Shadowed:
    """A class whose name now means another."""


OldShadowed = Shadowed


class Shadowed:  # type: ignore[no-redef]
    """The other."""


a_lambda: Callable[[], int] = lambda: 0  # noqa: E731


def _hidden_original() -> None:
    """Known under another name than it says."""


_hidden_original.__qualname__ = "gone"
a_renamed_function = _hidden_original


def audit_home() -> str:
    """The directory from which the audit can be imported."""
    import grilse

    return os.path.dirname(os.path.dirname(os.path.abspath(grilse.__file__)))


def a_generator() -> Iterator[int]:
    """Counts to one."""
    yield 1


async def a_coroutine() -> None:
    """Do nothing."""


@contextmanager
def a_context() -> Iterator[None]:
    """Do nothing around."""
    yield


@dataclass(frozen=True)
class Case:
    """A graph and what is to be found in it: path, cause and stage of each blocker."""

    name: str
    build: Callable[[ExitStack], object]
    expected: frozenset[tuple[str, Cause, Stage]]
    linux_only: bool = field(default=False)


def _local_class() -> type:
    class Local:
        """Defined in a function."""

    return Local


def _local_function() -> Callable[[], None]:
    def inner() -> None:
        """Defined in a function."""

    return inner


def _two_in_one(_: ExitStack) -> object:
    lock = threading.Lock()
    return {"a": Box(lock=lock), "b": [lock]}


def _cycle(_: ExitStack) -> object:
    box = Box(lock=threading.Lock())
    box.me = box
    box.around = [box]
    return box


def _file(stack: ExitStack, mode: str = "w") -> Any:
    path = stack.enter_context(tempfile.TemporaryDirectory()) + "/file"
    return stack.enter_context(open(path, mode))


def _temporary(stack: ExitStack) -> object:
    return [stack.enter_context(tempfile.NamedTemporaryFile())]


def _mmap(stack: ExitStack) -> object:
    return [stack.enter_context(mmap.mmap(-1, 10))]


def _socket(stack: ExitStack) -> Any:
    return stack.enter_context(socket.socket())


def _socket_pair(stack: ExitStack) -> object:
    left, right = socket.socketpair()
    stack.callback(left.close)
    stack.callback(right.close)
    return {"ends": (left, right)}


def _pipe(stack: ExitStack) -> object:
    one, other = multiprocessing.Pipe()
    stack.callback(one.close)
    stack.callback(other.close)
    return Box(pipe=one)


def _process(stack: ExitStack) -> Any:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    stack.callback(process.wait)
    assert process.stdin is not None
    stack.callback(process.stdin.close)
    return process


def _loop(stack: ExitStack) -> Any:
    loop = asyncio.new_event_loop()
    stack.callback(loop.close)
    return loop


def _future(stack: ExitStack) -> object:
    return {"future": _loop(stack).create_future()}


def _pool(stack: ExitStack) -> object:
    return Box(pool=stack.enter_context(concurrent.futures.ThreadPoolExecutor(1)))


def _epoll(stack: ExitStack) -> object:
    return Box(poll=stack.enter_context(select.epoll()))


def _coroutine(stack: ExitStack) -> object:
    coroutine = a_coroutine()
    stack.callback(coroutine.close)
    return [coroutine]


def _database(stack: ExitStack) -> object:
    connection = sqlite3.connect(":memory:")
    stack.callback(connection.close)
    return Box(db=connection)


def _generated_module(stack: ExitStack) -> object:
    module = types.ModuleType("generated_plugin_space")
    exec("class Plugin:\n    pass\n", module.__dict__)
    return [module.Plugin(), module.Plugin()]


def _cut_off(stack: ExitStack) -> object:
    # A plugin namespace that was loaded and taken out of sys.modules again.
    module = types.ModuleType("unloaded_space")
    exec("def work():\n    pass\n", module.__dict__)
    return {"work": module.work}


def _class_body(_: ExitStack) -> object:
    box = Box()
    box.inner = _local_class()()
    box.inner.lock = threading.Lock()
    return box


def _slots(_: ExitStack) -> object:
    slotted = Slotted()
    slotted.left = threading.Lock()
    slotted.right = [lambda: 0]
    return slotted


def _list_with_attributes(_: ExitStack) -> object:
    made = MyList([1, threading.Lock()])
    made.note = a_generator()  # type: ignore[attr-defined]
    return made


def _dict_with_attributes(_: ExitStack) -> object:
    made = MyDict(a=threading.Lock())
    made.note = sys  # type: ignore[attr-defined]
    return made


def _needs_itself(_: ExitStack) -> object:
    one = NeedsItself()
    one.other = NeedsItself(one)
    return {"one": one}


def _needs_itself_through_a_fresh_list(_: ExitStack) -> object:
    # A set's subclass gives pickle a new list each time it is asked.
    one = NeedsItself()
    one.other = MySet([one])
    return one


def _wrapped_file(stack: ExitStack) -> object:
    return [stack.enter_context(io.BufferedWriter(io.FileIO(_file(stack).name, "w")))]


def _owner_by_method_and_directly(_: ExitStack) -> object:
    box = Box(lock=threading.Lock())
    return {"call": box.method, "box": box}


def _deep(_: ExitStack) -> object:
    chain: list[Any] = []
    for _number in range(200_000):
        chain = [chain]
    return chain


def _deep_blocked(_: ExitStack) -> object:
    chain: Any = threading.Lock()
    for _number in range(5):
        chain = Box(next=[chain])
    return chain


def _weak(_: ExitStack) -> object:
    target = Box()
    return {"target": target, "ref": weakref.ref(target)}


def _dead_proxy(_: ExitStack) -> object:
    return [weakref.proxy(Box())]


def _weak_values(_: ExitStack) -> object:
    target = Box()
    return Box(target=target, cache=weakref.WeakValueDictionary({"one": target}))


def _weak_set(_: ExitStack) -> object:
    target = Box()
    return Box(target=target, seen=weakref.WeakSet([target]))


def _shared_state(_: ExitStack) -> object:
    one, other = Box(), Box()
    one.__dict__ = other.__dict__ = {"lock": threading.Lock()}
    return [one, other]


def _traceback(_: ExitStack) -> object:
    try:
        raise ValueError("for its traceback")
    except ValueError as error:
        return {"tb": error.__traceback__}


def _frame(_: ExitStack) -> object:
    return [sys._getframe()]


def _all_at_once(stack: ExitStack) -> object:
    return Box(
        stream=Box(
            _scheduler=Box(context=Box(messenger=Box(_lock=threading.Lock()), log=_file(stack))),
            handlers=[lambda: 0, {"deep": (a_generator(),)}],
        ),
        names={"x": types},
    )


def _case(name: str, build: Callable[[ExitStack], object], *expected: tuple[Any, ...]) -> Case:
    return Case(
        name, build, frozenset((entry[0], entry[1], entry[2] if len(entry) > 2 else Stage.DUMP) for entry in expected)
    )


CASES: tuple[Case, ...] = (
    _case("lock", lambda _: Box(lock=threading.Lock()), ("r.lock", Cause.LOCK)),
    _case("bare lock", lambda _: threading.Lock(), ("r", Cause.LOCK)),
    _case("reentrant lock", lambda _: [threading.RLock()], ("r[0]", Cause.LOCK)),
    _case("condition", lambda _: Box(c=threading.Condition()), ("r.c", Cause.LOCK)),
    _case("event", lambda _: Box(e=threading.Event()), ("r.e", Cause.LOCK)),
    _case("semaphore", lambda _: Box(s=threading.Semaphore(2)), ("r.s", Cause.LOCK)),
    _case("queue", lambda _: {"q": queue.Queue()}, ("r['q']", Cause.LOCK)),
    _case("simple queue", lambda _: {"q": queue.SimpleQueue()}, ("r['q']", Cause.LOCK)),
    _case("process lock", lambda _: Box(l=multiprocessing.get_context("spawn").Lock()), ("r.l", Cause.LOCK)),
    _case("lock held twice", _two_in_one, ("r['a'].lock", Cause.LOCK)),
    _case("two locks", lambda _: [threading.Lock(), threading.Lock()], ("r[0]", Cause.LOCK), ("r[1]", Cause.LOCK)),
    _case("lock behind a circle", _cycle, ("r.lock", Cause.LOCK)),
    _case("lock far down", _deep_blocked, ("r.next[0].next[0].next[0].next[0].next[0]", Cause.LOCK)),
    _case("lock in a tuple", lambda _: (1, (2, (threading.Lock(),))), ("r[1][1][0]", Cause.LOCK)),
    _case("lock as a key", lambda _: {threading.Lock(): 1}, ("r.keys()[0]", Cause.LOCK)),
    _case("lock in a set", lambda _: {threading.Lock()}, ("r.elements()[0]", Cause.LOCK)),
    _case("lock in a frozenset", lambda _: frozenset([threading.Lock()]), ("r.elements()[0]", Cause.LOCK)),
    _case("lock in a deque", lambda _: collections.deque([1, threading.Lock()]), ("r[1]", Cause.LOCK)),
    _case("lock in an ordered dict", lambda _: collections.OrderedDict(a=threading.Lock()), ("r['a']", Cause.LOCK)),
    _case(
        "lock in a default dict", lambda _: collections.defaultdict(list, a=threading.Lock()), ("r['a']", Cause.LOCK)
    ),
    _case(
        "default factory", lambda _: collections.defaultdict(lambda: 0), ("r.__reduce__()[1][0]", Cause.LOCAL_FUNCTION)
    ),
    _case("lock in a namespace", lambda _: types.SimpleNamespace(l=threading.Lock()), ("r.l", Cause.LOCK)),
    _case("lock in a named tuple", lambda _: Named(1, threading.Lock()), ("r.__getnewargs__()[1]", Cause.LOCK)),
    _case("lock in a dataclass", lambda _: Record("x", threading.Lock()), ("r.value", Cause.LOCK)),
    _case("lock in a frozen record", lambda _: FrozenRecord(threading.Lock()), ("r.__getstate__()[0]", Cause.LOCK)),
    _case("slots", _slots, ("r.left", Cause.LOCK), ("r.right[0]", Cause.LOCAL_FUNCTION)),
    _case("private slot", lambda _: SlottedPrivately(threading.Lock()), ("r._SlottedPrivately__hidden", Cause.LOCK)),
    _case("list with attributes", _list_with_attributes, ("r[1]", Cause.LOCK), ("r.note", Cause.GENERATOR)),
    _case("dict with attributes", _dict_with_attributes, ("r['a']", Cause.LOCK), ("r.note", Cause.MODULE)),
    _case("chosen state", lambda _: Chosen(threading.Lock(), a_generator()), ("r.kept", Cause.LOCK)),
    _case(
        "chosen state of another shape",
        lambda _: ChosenWithSetter(threading.Lock(), a_generator()),
        ("r.__getstate__()[1]", Cause.LOCK),
    ),
    _case("shared dict of attributes", _shared_state, ("r[0].lock", Cause.LOCK)),
    _case("lock in a partial", lambda _: functools.partial(print, threading.Lock()), ("r.args[0]", Cause.LOCK)),
    _case("lambda in a partial", lambda _: functools.partial(lambda: 0), ("r.func", Cause.LOCAL_FUNCTION)),
    _case("thread-local", lambda _: Box(local=threading.local()), ("r.local", Cause.THREAD_LOCAL)),
    _case("context variable", lambda _: [contextvars.ContextVar("v")], ("r[0]", Cause.THREAD_LOCAL)),
    _case("text file", lambda stack: Box(log=_file(stack)), ("r.log", Cause.OPEN_FILE)),
    _case("binary file", lambda stack: {"f": _file(stack, "wb")}, ("r['f']", Cause.OPEN_FILE)),
    _case("wrapped file", _wrapped_file, ("r[0]", Cause.OPEN_FILE)),
    _case("temporary file", _temporary, ("r[0]", Cause.OPEN_FILE)),
    _case("memory map", _mmap, ("r[0]", Cause.OPEN_FILE)),
    _case("database", _database, ("r.db", Cause.OPEN_FILE)),
    _case("socket", lambda stack: Box(s=_socket(stack)), ("r.s", Cause.SOCKET)),
    _case("socket pair", _socket_pair, ("r['ends'][0]", Cause.SOCKET), ("r['ends'][1]", Cause.SOCKET)),
    _case("pipe", _pipe, ("r.pipe", Cause.SOCKET, Stage.LOAD)),
    _case("TLS context", lambda _: Box(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)), ("r.tls", Cause.SOCKET)),
    _case("process", lambda stack: Box(child=_process(stack)), ("r.child", Cause.PROCESS)),
    _case(
        "unstarted process",
        lambda _: Box(child=multiprocessing.get_context("spawn").Process()),
        ("r.child", Cause.PROCESS),
    ),
    _case("thread", lambda _: Box(worker=threading.Thread()), ("r.worker", Cause.THREAD)),
    _case("this thread", lambda _: [threading.main_thread()], ("r[0]", Cause.THREAD)),
    _case("thread pool", _pool, ("r.pool", Cause.THREAD)),
    _case("concurrent future", lambda _: [concurrent.futures.Future()], ("r[0]", Cause.THREAD)),
    _case("generator", lambda _: Box(g=a_generator()), ("r.g", Cause.GENERATOR)),
    _case("coroutine", _coroutine, ("r[0]", Cause.GENERATOR)),
    _case("context manager", lambda _: Box(c=a_context()), ("r.c", Cause.GENERATOR)),
    _case("lambda", lambda _: [lambda: 0], ("r[0]", Cause.LOCAL_FUNCTION)),
    _case("lambda of a module", lambda _: [a_lambda], ("r[0]", Cause.LOCAL_FUNCTION)),
    _case("nested function", lambda _: {"f": _local_function()}, ("r['f']", Cause.LOCAL_FUNCTION)),
    _case("renamed function", lambda _: [a_renamed_function], ("r[0]", Cause.NOT_IMPORTABLE)),
    _case("function of an unloaded module", _cut_off, ("r['work']", Cause.NOT_IMPORTABLE)),
    _case(
        "method that drags its owner",
        lambda _: {"call": Box(lock=threading.Lock()).method},
        ("r['call']", Cause.BOUND_METHOD),
        ("r['call'].__self__.lock", Cause.LOCK),
    ),
    _case("method of an owner that is there", _owner_by_method_and_directly, ("r['box'].lock", Cause.LOCK)),
    _case("local class", lambda _: _local_class()(), ("r", Cause.CLASS_NOT_IMPORTABLE)),
    _case("local class itself", lambda _: {"c": _local_class()}, ("r['c']", Cause.CLASS_NOT_IMPORTABLE)),
    _case(
        "lock in an instance of a local class",
        _class_body,
        ("r.inner", Cause.CLASS_NOT_IMPORTABLE),
        ("r.inner.lock", Cause.LOCK),
    ),
    _case("generated module", _generated_module, ("r[0]", Cause.CLASS_NOT_IMPORTABLE)),
    _case("shadowed class", lambda _: [OldShadowed()], ("r[0]", Cause.CLASS_NOT_IMPORTABLE)),
    _case("class of a metaclass", lambda _: [Meta("Anew", (), {})], ("r[0]", Cause.CLASS_NOT_IMPORTABLE)),
    _case("memory view", lambda _: [memoryview(b"x")], ("r[0]", Cause.C_EXTENSION)),
    _case("property", lambda _: {"p": property()}, ("r['p']", Cause.C_EXTENSION)),
    _case("mapping proxy", lambda _: Box(p=types.MappingProxyType({})), ("r.p", Cause.C_EXTENSION)),
    _case("weak reference", _weak, ("r['ref']", Cause.WEAK_REFERENCE)),
    _case("dead proxy", _dead_proxy, ("r[0]", Cause.WEAK_REFERENCE)),
    _case("weak dictionary", _weak_values, ("r.cache", Cause.WEAK_REFERENCE)),
    _case("weak set", _weak_set, ("r.seen", Cause.WEAK_REFERENCE)),
    _case("module", lambda _: Box(m=types), ("r.m", Cause.MODULE)),
    _case("event loop", lambda stack: Box(loop=_loop(stack)), ("r.loop", Cause.RUNNING_LOOP)),
    _case("future of a loop", _future, ("r['future']", Cause.RUNNING_LOOP)),
    _case("poll", _epoll, ("r.poll", Cause.OPEN_FILE)),
    _case(
        "exception with arguments", lambda _: [NeedsArgument("m", reason="r")], ("r[0]", Cause.CONSTRUCTOR, Stage.LOAD)
    ),
    _case("class with arguments for new", lambda _: NeedsNew(1), ("r", Cause.CONSTRUCTOR, Stage.LOAD)),
    _case("refuses", lambda _: Box(x=Refuses()), ("r.x", Cause.REFUSES)),
    _case("hook that raises", lambda _: Box(x=RaisesInReduce()), ("r.x", Cause.HOOK_FAILS)),
    _case("hook that recurses", lambda _: Box(x=RecursesForEver()), ("r.x", Cause.HOOK_FAILS)),
    _case("hook that returns a number", lambda _: [ReturnsNumber()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case("hook that returns a short tuple", lambda _: [ReturnsShortTuple()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case("hook that returns no callable", lambda _: [ReturnsUncallable()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case("hook that returns a list", lambda _: [ReturnsListForArguments()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case("hook that names nothing", lambda _: [ReturnsUnknownName()], ("r[0]", Cause.NOT_IMPORTABLE)),
    _case("hook that makes another", lambda _: [MakesOther()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case("hook with bad pairs", lambda _: [BadPairs()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case("liar about its class", lambda _: [Liar()], ("r[0]", Cause.HOOK_NONSENSE)),
    _case(
        "needs itself", _needs_itself, ("r['one']", Cause.RECURSIVE), ("r['one'].__reduce__()[1][0]", Cause.RECURSIVE)
    ),
    _case(
        "needs itself through a fresh list",
        _needs_itself_through_a_fresh_list,
        ("r", Cause.RECURSIVE),
        ("r.__reduce__()[1][0]", Cause.RECURSIVE),
    ),
    _case("deep", _deep, ("r", Cause.TOO_DEEP)),
    _case("traceback", _traceback, ("r['tb']", Cause.FRAME)),
    _case("frame", _frame, ("r[0]", Cause.FRAME)),
    _case("code", lambda _: {"code": a_coroutine.__code__}, ("r['code']", Cause.FRAME)),
    _case(
        "all at once",
        _all_at_once,
        ("r.stream._scheduler.context.messenger._lock", Cause.LOCK),
        ("r.stream._scheduler.context.log", Cause.OPEN_FILE),
        ("r.stream.handlers[0]", Cause.LOCAL_FUNCTION),
        ("r.stream.handlers[1]['deep'][0]", Cause.GENERATOR),
        ("r.names['x']", Cause.MODULE),
    ),
)

# Graphs in which nothing is to be found.
CLEAN: tuple[tuple[str, Callable[[], object]], ...] = (
    ("nothing", lambda: None),
    ("number", lambda: 3),
    ("text", lambda: "x" * 10_000),
    ("containers", lambda: {"a": [1, (2.5, {3}), frozenset([4])], b"b": None, (1, 2): bytearray(b"x")}),
    ("class", lambda: Box),
    ("function", lambda: len),
    ("method of a class", lambda: Box.made),
    ("method", lambda: Box(x=1).method),
    ("metaclass's class", lambda: Meta),
    ("enumeration", lambda: [Colour.RED, Colour]),
    ("singletons", lambda: [..., NotImplemented, type(None), type(...)]),
    ("instances", lambda: [Box(a=1), Record("x", 2), FrozenRecord(3), Named(1, 2), Colour.RED]),
    ("chosen state", lambda: Chosen(1, threading.Lock())),
    ("partial", lambda: functools.partial(print, 1, end="")),
    ("range and slice", lambda: [range(3), complex(1, 2)]),
    ("exception", lambda: [ValueError("x"), KeyError(1)]),
    ("proxy", lambda: Box(p=weakref.proxy(_KEPT))),
    ("bytes in memory", lambda: io.BytesIO(b"abc")),
    ("iterator", lambda: iter([1, 2])),
    ("big numbers", lambda: [2**k for k in range(0, 4000, 37)] + [-(2**k) for k in range(0, 4000, 37)]),
    ("set subclass", lambda: MySet([1, 2])),
    ("circle of lists", lambda: _circle()),
    ("set in itself", lambda: _set_in_itself()),
)

_KEPT = Box(x=1)


def _circle() -> object:
    whole: list[Any] = [1]
    whole.append((whole, {"whole": whole}))
    return whole


def _set_in_itself() -> object:
    # Pickle meets the set twice, and then the instance in it, which it remembers.
    box = Box()
    box.all = MySet([box])
    return box.all
