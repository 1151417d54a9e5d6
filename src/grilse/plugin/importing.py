"""Imports plugins from files: under a name that follows from the place, the same in every process.

Must not know projects.  Every directory of plugins is a package of its own, so that plugins can import modules beside
them (``from ._helper import …``), and the same kind from two directories is two modules.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from ..protocol.records import PluginRecord
from . import alias
from .bytecode import compiled

if TYPE_CHECKING:
    from .plugin import Plugin

# Package of all packages of plugins; it exists in memory only.
ROOT: Final = "grilse_plugins"

# Where the core kinds are, by tag.
CORE: Final = {
    "element": "grilse.plugins.elements",
    "source": "grilse.plugins.sources",
    "source-mirror": "grilse.plugins.sourcemirrors",
}


class _Loader(SourceFileLoader):
    """Imports a plugin without leaving files beside it: the directory may be part of a source.

    What Python, run by others, has left there is used by Python's rules.
    """

    def get_code(self, fullname: str) -> CodeType | None:
        """The compiled module."""
        try:
            return super().get_code(fullname)
        except (EOFError, ImportError, TypeError, ValueError):
            # Damaged bytecode, unless the source is at fault and says so again.
            path = self.get_filename(fullname)
            return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        """The compiled module, from where `keep_bytecode` says if it has been compiled before."""
        directory = _finder().bytecode
        if not directory:
            return super().source_to_code(data, path)
        return compiled(directory, path, data, lambda: SourceFileLoader.source_to_code(self, data, path))

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        """Write nothing."""


class _Finder:
    """Finds the modules below `ROOT`.

    Attributes:
        bytecode: directory for compiled code, or "".
    """

    def __init__(self) -> None:
        self.bytecode = ""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, None for what is not ours."""
        if not fullname.startswith(f"{ROOT}."):
            return None
        for directory in path or ():
            spec = FileFinder(directory, (_Loader, [".py"])).find_spec(fullname)
            if spec is not None:
                return spec
        return None


def keep_bytecode(cachedir: str) -> None:
    """Keep the compiled code of plugins below a cache directory from now on."""
    _finder().bytecode = os.path.join(cachedir, "grilse", "bytecode")


def _finder() -> _Finder:
    """The finder of this process."""
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    root = ModuleType(ROOT)
    root.__path__ = []
    sys.modules[ROOT] = root
    return finder


def module_name(directory: str, stem: str) -> str:
    """The name under which the file ``stem.py`` of a directory is imported."""
    digest = hashlib.sha256(os.fsencode(os.path.abspath(directory))).hexdigest()[:16]
    return f"{ROOT}.d{digest}.{stem}"


def core_record(kind: str, tag: str) -> PluginRecord | None:
    """Where a core plugin is, None if there is none of that kind."""
    directory = os.path.join(os.path.dirname(os.path.dirname(__file__)), *CORE[tag].split(".")[1:])
    if not kind.isidentifier() or kind.startswith("_") or not os.path.isfile(os.path.join(directory, f"{kind}.py")):
        return None
    defaults = os.path.join(directory, f"{kind}.yaml")
    return PluginRecord(kind, "core", f"{CORE[tag]}.{kind}", defaults=defaults if os.path.isfile(defaults) else "")


def core_kinds(tag: str) -> list[str]:
    """The kinds of core plugins."""
    directory = os.path.join(os.path.dirname(os.path.dirname(__file__)), *CORE[tag].split(".")[1:])
    return [name[:-3] for name in os.listdir(directory) if name.endswith(".py") and not name.startswith("_")]


def import_module(record: PluginRecord) -> ModuleType:
    """Import the module of a plugin.

    Raises:
        whatever the import raises.
    """
    if record.path:
        alias.install()
        directory = os.path.dirname(record.path)
        if os.path.basename(record.path) == "__init__.py":
            directory = os.path.dirname(directory)
        _ensure_package(record.module.rpartition(".")[0], directory)
    return importlib.import_module(record.module)


@cache
def plugin_class(record: PluginRecord) -> type[Plugin]:
    """The class of a plugin that is known to be sound (`factory` made sure).

    Raises:
        whatever the import, or the plugin's ``setup``, raises.
    """
    return cast("type[Plugin]", getattr(import_module(record), record.setup)())


def _ensure_package(name: str, directory: str) -> None:
    """Make the package of a directory, unless it has been made."""
    if name in sys.modules:
        return
    _finder()
    package = ModuleType(name)
    package.__path__ = [directory]
    sys.modules[name] = package
    setattr(sys.modules[ROOT], name.rpartition(".")[2], package)
