"""Finds, imports and checks the plugins of one project.

Must not know projects.  Each project has a factory for elements, one for sources and one for source mirrors, so that
two projects may use one kind at two versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from ..protocol.records import PluginRecord
from . import utils
from .exceptions import BstError, PluginError, UtilError
from .importing import core_kinds, core_record, import_module
from .origins import Origin, describe

if TYPE_CHECKING:
    from .node import Node
    from .plugin import Plugin


class LoadedPlugin(msgspec.Struct, frozen=True):
    """An imported plugin.

    Attributes:
        record: where it comes from.
        type: its class.
        warn_deprecated: whether its use is to be warned of.
    """

    record: PluginRecord
    type: type[Plugin]
    warn_deprecated: bool


class PluginFactory:
    """The plugins of one project that have one tag.

    Args:
        tag: "element", "source" or "source-mirror".
        origins: by kind, where it comes from and whether it may be deprecated.
        warn: takes message and detail of a warning.
    """

    def __init__(
        self,
        tag: str,
        origins: Mapping[str, tuple[Origin, bool]],
        warn: Callable[[str, str | None], None],
    ) -> None:
        self.tag = tag
        self._origins = origins
        self._warn = warn
        self._records: dict[str, PluginRecord] = {}
        self._loaded: dict[str, LoadedPlugin] = {}

    def locate(self, kind: str) -> PluginRecord | None:
        """Where the plugin of a kind is, None if the project does not say.

        Raises:
            PluginError: it is not where the project says.
        """
        record = self._records.get(kind)
        if record is None:
            declared = self._origins.get(kind)
            if declared is None:
                return None
            record = self._records[kind] = declared[0].locate(kind, self.tag)
        return record

    def load(self, kind: str, node: Node) -> LoadedPlugin:
        """The plugin of a kind, imported and checked; a deprecated one is warned of each time.

        Args:
            kind: its kind.
            node: what uses it.

        Raises:
            PluginError: there is none, or it cannot be imported, or is no plugin of this version of the API.
        """
        loaded = self._loaded.get(kind)
        if loaded is None:
            loaded = self._loaded[kind] = self._load(kind, node)
        if loaded.warn_deprecated:
            self._warn(
                f"{node.get_provenance()}: Using deprecated plugin '{kind}'",
                loaded.type.BST_PLUGIN_DEPRECATION_MESSAGE,
            )
        return loaded

    def loaded(self) -> list[LoadedPlugin]:
        """The plugins used so far."""
        return list(self._loaded.values())

    def _load(self, kind: str, node: Node) -> LoadedPlugin:
        record = self.locate(kind) or core_record(kind, self.tag)
        if record is None:
            message = f"No {self.tag} plugin registered for kind '{kind}'"
            raise self._error(kind, node, message, "plugin-not-found", detail=self._advice(kind))
        found = self._setup(kind, node, record)
        base = _base(self.tag)
        if not isinstance(found, type):
            raise self._error(
                kind,
                node,
                f"setup() of the {self.tag} plugin '{kind}' should return a class, not {found!r}",
                "setup-returns-not-type",
                record,
            )
        if not issubclass(found, base):
            raise self._error(
                kind,
                node,
                f"setup() of the {self.tag} plugin '{kind}' returned '{found.__name__}', "
                f"which does not derive from {base.__name__}",
                "setup-returns-bad-type",
                record,
            )
        self._check_version(kind, node, found, record)
        declared = self._origins.get(kind)
        allowed = declared is not None and declared[1]
        return LoadedPlugin(record, found, found.BST_PLUGIN_DEPRECATED and not allowed)

    def _setup(self, kind: str, node: Node, record: PluginRecord) -> object:
        try:
            module = import_module(record)
        except BstError:
            raise
        # Also one that calls for the end of the process: that is not what it was imported for.
        except BaseException as error:
            import traceback

            from .blame import words

            told = error if isinstance(error, Exception) else words(error)
            raise self._error(
                kind,
                node,
                f"Failed to load {self.tag} plugin '{kind}': {told}",
                None,
                record,
                traceback.format_exc(limit=-8),
            ) from error
        setup = getattr(module, record.setup, None)
        if setup is None:
            message = f"The {self.tag} plugin '{kind}' has no function {record.setup}()"
            raise self._error(kind, node, message, "missing-setup-function", record)
        try:
            return setup()
        except TypeError as error:
            message = f"'{record.setup}' of the {self.tag} plugin '{kind}' is not a function without arguments: {error}"
            raise self._error(kind, node, message, "setup-is-not-function", record) from error

    def _check_version(self, kind: str, node: Node, found: type[Plugin], record: PluginRecord) -> None:
        wanted = found.BST_MIN_VERSION
        if wanted is None:
            raise self._error(
                kind,
                node,
                f"The {self.tag} plugin '{kind}' does not specify BST_MIN_VERSION",
                "missing-min-version",
                record,
                "It may be a plugin for BuildStream 1.",
            )
        try:
            major, minor = utils.parse_version(wanted)
        except UtilError:
            raise self._error(
                kind,
                node,
                f"The {self.tag} plugin '{kind}' specifies a malformed BST_MIN_VERSION: {wanted}",
                "malformed-min-version",
                record,
                "It should be MAJOR.MINOR, two numbers.",
            ) from None
        our_major, our_minor = utils.get_bst_version()
        if major != our_major:
            raise self._error(
                kind,
                node,
                f"The {self.tag} plugin '{kind}' requires BuildStream {major}, but this speaks BuildStream {our_major}",
                "incompatible-major-version",
                record,
                "The project needs another version of the plugin.",
            )
        if minor > our_minor:
            raise self._error(
                kind,
                node,
                f"The {self.tag} plugin '{kind}' requires BuildStream {wanted}, "
                f"but this speaks BuildStream {our_major}.{our_minor}",
                "incompatible-minor-version",
                record,
                "The project needs an older version of the plugin.",
            )

    def _advice(self, kind: str) -> str:
        """What to do about a kind that there is no plugin of."""
        import difflib

        near = difflib.get_close_matches(kind, {*self._origins, *core_kinds(self.tag)}, 1)
        if near:
            return f"Did you mean '{near[0]}'?"
        return "The project says where its plugins come from in 'plugins' of project.conf."

    def _error(
        self,
        kind: str,
        node: Node,
        message: str,
        reason: str | None,
        record: PluginRecord | None = None,
        detail: str | None = None,
    ) -> PluginError:
        if record is not None:
            place = f"The plugin is {record.path or record.module} ({describe(record)})."
            detail = f"{detail}\n{place}" if detail else place
        error = PluginError(message, reason=reason, detail=detail)
        error.where = str(node.get_provenance())
        return error


def _base(tag: str) -> type[Plugin]:
    if tag == "element":
        from .element import Element

        return Element
    if tag == "source":
        from .source import Source

        return Source
    from .sourcemirror import SourceMirror

    return SourceMirror
