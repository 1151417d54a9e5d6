"""Where a project says that its plugins come from: declarations of origins, and the files they lead to.

Must not know how projects or junctions are loaded: a subproject's plugins are asked for through a function.  The keys,
reasons of errors and groups of entry points are BuildStream's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from ..protocol.records import PluginRecord
from .exceptions import LoadError, LoadErrorReason, PluginError
from .importing import module_name
from .node import MappingNode, Node, ScalarNode

if TYPE_CHECKING:
    from .factory import PluginFactory
    from .host import Paths

TAGS: Final = ("element", "source", "source-mirror")

_LISTS: Final = {"element": "elements", "source": "sources", "source-mirror": "source-mirrors"}
_COMMON: Final = ["origin", "sources", "elements", "source-mirrors", "allow-deprecated"]
_OWN: Final = {"local": "path", "pip": "package-name", "junction": "junction"}
_GROUPS: Final = {
    "element": "buildstream.plugins.elements",
    "source": "buildstream.plugins.sources",
    "source-mirror": "buildstream.plugins.sourcemirrors",
}

# Gives the factory of a tag in the project behind a junction, and how to call that project in messages.
Subproject = Callable[[str, Node, str], "tuple[PluginFactory, str, str]"]


class Origin(msgspec.Struct, frozen=True):
    """Where some plugins come from.

    Attributes:
        kind: "local", "pip" or "junction".
        value: a directory below the project's, a requirement of a Python package, or the name of a junction.
        node: the declaration.
        directory: the project's directory.
        subproject: finds the plugins of a subproject.
    """

    kind: str
    value: str
    node: MappingNode
    directory: str
    subproject: Subproject

    def locate(self, kind: str, tag: str) -> PluginRecord:
        """Where a plugin is.

        Raises:
            PluginError: it cannot be found there.
        """
        if self.kind == "local":
            return _in_directory(kind, os.path.join(self.directory, self.value), "local", package=self.value)
        if self.kind == "pip":
            return self._in_package(kind, tag)
        return self._in_subproject(kind, tag)

    def _in_package(self, kind: str, tag: str) -> PluginRecord:
        from importlib.metadata import PackageNotFoundError, distribution

        from packaging.requirements import InvalidRequirement, Requirement

        where = str(self.node.get_provenance())
        try:
            requirement = Requirement(self.value)
        except InvalidRequirement as error:
            raise _error(where, f"Malformed package-name '{self.value}': {error}", "package-malformed-requirement")\
                from None  # fmt: skip
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            message = f"The package '{requirement.name}' of the {tag} plugin '{kind}' is not installed"
            raise _error(where, message, "package-not-found") from None
        name, version = package.metadata["Name"], package.version
        if not requirement.specifier.contains(version, prereleases=True):
            raise _error(
                where,
                f"The {tag} plugin '{kind}' needs another version of '{name}'",
                "package-version-conflict",
                f"{name} {version} is installed but {requirement} is required",
            )
        entries = package.entry_points.select(group=_GROUPS[tag], name=kind)
        entry = next(iter(entries), None)
        if entry is None:
            message = f"The package '{self.value}' has no {tag} plugin '{kind}'"
            raise _error(where, message, "plugin-not-found")
        path = _module_path(entry.module)
        if path is None:
            raise _error(where, f"The module '{entry.module}' of the {tag} plugin '{kind}' cannot be found", None)
        record = _at_path(kind, path, "pip", f"{name} {version}")
        return changed(record, setup=entry.attr) if entry.attr else record

    def _in_subproject(self, kind: str, tag: str) -> PluginRecord:
        where = str(self.node.get_provenance())
        factory, project, display = self.subproject(self.value, self.node, tag)
        try:
            record = factory.locate(kind)
        except PluginError as error:
            raise _error(
                where,
                f"Error loading {tag} plugin '{kind}' from project '{project}' behind junction '{self.value}': {error}",
                "junction-plugin-load-error",
                error.detail,
            ) from error
        if record is None:
            raise _error(
                where,
                f"Project '{project}' behind junction '{self.value}' does not declare a {tag} plugin '{kind}'",
                "junction-plugin-not-found",
            )
        inner = describe(record)
        return changed(record, origin="junction", package=f"{display} ({inner})")


def changed(record: PluginRecord, **changes: str) -> PluginRecord:
    """`record` with some fields changed."""
    from msgspec.structs import replace

    return replace(record, **changes)


def describe(record: PluginRecord) -> str:
    """How a plugin was found, in words."""
    if record.origin == "core":
        return "core plugin"
    if record.origin == "local":
        return f"project directory: {record.package}"
    if record.origin == "pip":
        name, _, version = record.package.partition(" ")
        return f"python package '{name}' version {version} at: {os.path.dirname(record.path)}"
    return f"junction: {record.package}"


def read_origins(
    nodes: Iterable[Node], directory: str, paths: Paths, subproject: Subproject
) -> dict[str, dict[str, tuple[Origin, bool]]]:
    """Read the ``plugins`` of a project: by tag and kind, the origin and whether a deprecated plugin is fine.

    Raises:
        LoadError: INVALID_DATA, or what is wrong with a path.
        PluginError: ``duplicate-plugin`` if two origins give the same kind.
    """
    found: dict[str, dict[str, tuple[Origin, bool]]] = {tag: {} for tag in TAGS}
    for node in nodes:
        if type(node) is not MappingNode:
            raise _invalid(node, "An origin of plugins should be a dict")
        scalar = node.get_scalar("origin")
        kind = scalar.as_str()
        key = _OWN.get(kind)
        if key is None:
            raise _invalid(scalar, f"'origin' is '{kind}', but should be one of: local, pip, junction")
        node.validate_keys([key, *_COMMON])
        if kind == "local":
            value = paths.check(node.get_scalar(key), check_is_dir=True)
        else:
            value = node.get_str(key)
        origin = Origin(kind, value, node, directory, subproject)
        deprecated = node.get_bool("allow-deprecated", False)
        for tag in TAGS:
            for name, allowed in _kinds(node, _LISTS[tag], deprecated):
                if name in found[tag]:
                    raise _error(
                        str(node.get_provenance()),
                        f"More than one {tag} plugin registered as kind '{name}'",
                        "duplicate-plugin",
                    )
                found[tag][name] = (origin, allowed)
    return found


def _kinds(node: MappingNode, key: str, deprecated: bool) -> Iterable[tuple[str, bool]]:
    kinds: dict[str, bool] = {}
    for item in node.get_sequence(key, []):
        if type(item) is ScalarNode:
            kinds[item.as_str()] = deprecated
        elif type(item) is MappingNode:
            item.validate_keys(["kind", "allow-deprecated"])
            kinds[item.get_str("kind")] = item.get_bool("allow-deprecated", deprecated)
        else:
            raise _invalid(item, "A plugin should be named by a string or a dict")
    return kinds.items()


def _in_directory(kind: str, directory: str, origin: str, package: str) -> PluginRecord:
    path = os.path.join(directory, f"{kind}.py")
    inside = os.path.join(directory, kind, "__init__.py")
    if not os.path.exists(path) and os.path.exists(inside):
        path = inside
    defaults = os.path.join(directory, f"{kind}.yaml")
    return PluginRecord(
        kind,
        origin,
        module_name(directory, kind),
        path=path,
        defaults=defaults if os.path.exists(defaults) else "",
        package=package,
    )


def _at_path(kind: str, path: str, origin: str, package: str) -> PluginRecord:
    directory, name = os.path.split(path)
    stem = os.path.splitext(name)[0]
    defaults = os.path.join(directory, f"{stem}.yaml")
    if stem == "__init__":
        directory, stem = os.path.split(directory)
    return PluginRecord(
        kind,
        origin,
        module_name(directory, stem),
        path=path,
        defaults=defaults if os.path.exists(defaults) else "",
        package=package,
    )


def _module_path(module: str) -> str | None:
    """The file of a module, which is not imported; packages above it are."""
    from importlib.util import find_spec

    from . import alias

    alias.install()
    try:
        spec = find_spec(module)
    except ImportError:
        return None
    return spec.origin if spec is not None else None


def _error(where: str, message: str, reason: str | None, detail: str | None = None) -> PluginError:
    error = PluginError(message, reason=reason, detail=detail)
    error.where = where
    return error


def _invalid(node: Node, message: str) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
