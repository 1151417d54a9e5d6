"""Makes ``import buildstream`` mean our plugin API, also where BuildStream is installed.

Must not know plugins.  Installed by a process before it imports the first plugin; nothing else of ours asks for
``buildstream``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

PACKAGE: Final = "buildstream"

# Modules that plugins import, and where what is in them is.
_MODULES: Final = {
    "buildelement": "buildelement",
    "downloadablefilesource": "downloadablefilesource",
    "element": "element",
    "exceptions": "exceptions",
    "node": "node",
    "plugin": "plugin",
    "sandbox": "sandbox",
    "sandbox.sandbox": "sandbox",
    "scriptelement": "scriptelement",
    "source": "source",
    "sourcemirror": "sourcemirror",
    "storage": "directory",
    "storage.directory": "directory",
    "types": "types",
    "utils": "utils",
}


def _below(name: str) -> object:
    """What the package has: its names, and its modules, which BuildStream imports with it.

    Every module gives them, since in BuildStream most have what they import themselves, and plugins take it from there
    (``from buildstream.plugin import CoreWarnings``).
    """
    if name in _MODULES:
        return importlib.import_module(f"{PACKAGE}.{name}")
    return getattr(importlib.import_module(f"{__package__}.api"), name)


def _either(lazy: Callable[[str], object]) -> Callable[[str], object]:
    """What a module has by itself, else what the package has."""

    def get(name: str) -> object:
        try:
            return lazy(name)
        except AttributeError:
            return _below(name)

    return get


class _Alias:
    """A loader: gives a module of ours in place of one of BuildStream's.

    Without the base class of loaders, whose import takes as long as that of all this; so does that of finders.
    """

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A module under BuildStream's name with the content of ours.

        It cannot be the same object: the import system notes on it what it was imported as.
        """
        target = importlib.import_module(self._target)
        module = ModuleType(spec.name, target.__doc__)
        module.__dict__.update(
            {name: value for name, value in vars(target).items() if not name.startswith("__") or name == "__version__"}
        )
        lazy = getattr(target, "__getattr__", None)
        module.__getattr__ = _below if lazy is None or spec.name == PACKAGE else _either(lazy)  # type: ignore[method-assign]
        if hasattr(target, "__dir__") and lazy is not None:
            module.__dir__ = target.__dir__  # type: ignore[method-assign]
        module.__all__ = getattr(target, "__all__", None) or [  # type: ignore[attr-defined]
            name for name in vars(target) if not name.startswith("_")
        ]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


class _Finder:
    """Finds ``buildstream`` and what is below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, None for what is not ours to give."""
        if fullname == PACKAGE:
            api: Any = _Alias(f"{__package__}.api")
            return ModuleSpec(fullname, api, is_package=True)
        head, _, rest = fullname.partition(".")
        module = _MODULES.get(rest) if head == PACKAGE else None
        if module is None:
            return None
        packages = {name.rpartition(".")[0] for name in _MODULES}
        loader: Any = _Alias(f"{__package__}.{module}")
        return ModuleSpec(fullname, loader, is_package=rest in packages)


def install() -> None:
    """Make the alias, once.

    Raises:
        RuntimeError: something has imported the real BuildStream in this process.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if PACKAGE in sys.modules:
        raise RuntimeError("BuildStream itself has been imported in this process")
    sys.meta_path.insert(0, _Finder())
