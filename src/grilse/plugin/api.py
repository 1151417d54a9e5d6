"""The public plugin API as one module: what plugins import as ``buildstream``.

Must not know plugins.  Names are BuildStream's; each is imported when it is first asked for, so that a plugin pays only
for what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .. import FORMAT_VERSION

if TYPE_CHECKING:
    from ..storage.directory import CasDirectory as Directory
    from .buildelement import BuildElement
    from .directory import DirectoryError, FileStat, FileType
    from .downloadablefilesource import DownloadableFileSource
    from .element import DependencyConfiguration, Element
    from .exceptions import (
        ElementError,
        ProgramNotFoundError,
        SandboxCommandError,
        SourceError,
        SourceMirrorError,
        UtilError,
    )
    from .node import MappingNode, Node, ScalarNode, SequenceNode
    from .plugin import Plugin
    from .provenance import ProvenanceInformation
    from .sandbox import Sandbox
    from .scriptelement import ScriptElement
    from .source import AliasSubstitution, Source, SourceFetcher
    from .sourceinfo import SourceInfo, SourceInfoMedium, SourceVersionType
    from .sourcemirror import SourceMirror
    from .types import CoreWarnings, FastEnum, OverlapAction, SourceRef

__version__ = FORMAT_VERSION

__all__ = [
    "AliasSubstitution",
    "BuildElement",
    "CoreWarnings",
    "DependencyConfiguration",
    "Directory",
    "DirectoryError",
    "DownloadableFileSource",
    "Element",
    "ElementError",
    "FastEnum",
    "FileStat",
    "FileType",
    "MappingNode",
    "Node",
    "OverlapAction",
    "Plugin",
    "ProgramNotFoundError",
    "ProvenanceInformation",
    "Sandbox",
    "SandboxCommandError",
    "ScalarNode",
    "ScriptElement",
    "SequenceNode",
    "Source",
    "SourceError",
    "SourceFetcher",
    "SourceInfo",
    "SourceInfoMedium",
    "SourceMirror",
    "SourceMirrorError",
    "SourceRef",
    "SourceVersionType",
    "UtilError",
]

# Where each name is, by module of this package.
_MODULES: Final = {
    "aliases": ("AliasSubstitution",),
    "buildelement": ("BuildElement",),
    "directory": ("Directory", "DirectoryError", "FileStat", "FileType"),
    "downloadablefilesource": ("DownloadableFileSource",),
    "element": ("DependencyConfiguration", "Element"),
    "exceptions": (
        "ElementError",
        "ProgramNotFoundError",
        "SandboxCommandError",
        "SourceError",
        "SourceMirrorError",
        "UtilError",
    ),
    "node": ("MappingNode", "Node", "ScalarNode", "SequenceNode"),
    "plugin": ("Plugin",),
    "provenance": ("ProvenanceInformation",),
    "sandbox": ("Sandbox",),
    "scriptelement": ("ScriptElement",),
    "source": ("Source", "SourceFetcher"),
    "sourceinfo": ("SourceInfo", "SourceInfoMedium", "SourceVersionType"),
    "sourcemirror": ("SourceMirror",),
    "types": ("CoreWarnings", "FastEnum", "OverlapAction", "SourceRef"),
}
_PLACES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _PLACES.get(name)
    if module is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__package__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*globals(), *_PLACES))
