"""Watch a process start from within: when modules are imported and which of them are used.

Runs in the process that is measured, so it imports next to nothing, can be run as a file of its own, and knows nothing
of what is measured.
"""

from __future__ import annotations

import sys
import time

_now = time.perf_counter_ns


class ImportWatch:
    """Times every import of a loader with ``exec_module``: a finder to put first in ``sys.meta_path``."""

    def __init__(self) -> None:
        self.stack: list[list[object]] = []
        # Module, own nanoseconds, nanoseconds with what it imports, and who imported it.
        self.entries: list[tuple[str, int, int, str]] = []

    def install(self) -> None:
        """Begin to watch."""
        finders: list[object] = sys.meta_path  # type: ignore[assignment]
        finders.insert(0, self)

    def remove(self) -> None:
        """Watch no more."""
        finders: list[object] = sys.meta_path  # type: ignore[assignment]
        if self in finders:
            finders.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """The spec that the other finders give, with its loader's work timed."""
        started = _now()
        finders: list[object] = sys.meta_path  # type: ignore[assignment]
        for finder in finders:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(name, path, target)
            if spec is None:
                continue
            loader = spec.loader
            # Loaders that are classes, for builtin and frozen modules, are shared: their work is small.
            if loader is not None and not isinstance(loader, type) and hasattr(loader, "exec_module"):
                try:
                    loader.exec_module = self._timed(name, loader.exec_module, _now() - started)
                except AttributeError:
                    pass
            return spec
        return None

    def _timed(self, name: str, execute: object, finding: int) -> object:
        def exec_module(module: object) -> object:
            by = str(self.stack[-1][0]) if self.stack else ""
            frame: list[object] = [name, 0]
            self.stack.append(frame)
            begun = _now()
            try:
                return execute(module)  # type: ignore[operator]
            finally:
                total = _now() - begun + finding
                self.stack.pop()
                within = frame[1]
                assert isinstance(within, int)
                self.entries.append((name, total - within, total, by))
                if self.stack:
                    above = self.stack[-1]
                    assert isinstance(above[1], int)
                    above[1] += total

        return exec_module


class UseWatch:
    """Notes the modules whose functions run other than while some module is being imported."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.depth = 0

    def install(self) -> None:
        """Begin to watch, in this thread and those started later."""
        import threading

        threading.setprofile(self.hook)
        sys.setprofile(self.hook)

    def remove(self) -> None:
        """Watch no more."""
        import threading

        sys.setprofile(None)
        threading.setprofile(None)

    def hook(self, frame: object, event: str, argument: object) -> None:
        """A profile function, see ``sys.setprofile``."""
        if event in ("call", "return"):
            code = frame.f_code  # type: ignore[attr-defined]
            name = frame.f_globals.get("__name__") or ""  # type: ignore[attr-defined]
            # The main module's body is not an import: it runs as long as the program does.
            if code.co_name == "<module>" and name != "__main__":
                self.depth += 1 if event == "call" else -1
            elif event == "call" and self.depth == 0:
                self.used.add(name)
        elif event == "c_call" and self.depth == 0:
            owner = getattr(argument, "__module__", None)
            if owner is None:
                owner = type(getattr(argument, "__self__", None)).__module__
            if isinstance(owner, str):
                self.used.add(owner)


def memory() -> tuple[int, int] | None:
    """Bytes of this process that are shared with others and that are its own; None where the system does not say."""
    try:
        with open("/proc/self/smaps_rollup") as file:
            lines = file.readlines()
    except OSError:
        return None
    return parse_memory(lines)


def parse_memory(lines: list[str]) -> tuple[int, int]:
    """Shared and private bytes from the lines of Linux's ``smaps_rollup``, which gives kB (see proc(5))."""
    shared = private = 0
    for line in lines:
        name, _, rest = line.partition(":")
        if name in ("Shared_Clean", "Shared_Dirty"):
            shared += int(rest.split()[0]) * 1024
        elif name in ("Private_Clean", "Private_Dirty"):
            private += int(rest.split()[0]) * 1024
    return shared, private
