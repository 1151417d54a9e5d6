"""Stores the refs that tracking found: in the declaration of a source, or in the toplevel project's ``project.refs``.

Knows where refs belong and how a YAML file is changed without losing its comments and layout; nothing of tracking.
"""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

from ..plugin.exceptions import SourceError
from ..plugin.node import MappingNode, Node, SequenceNode
from ..storage.userfiles import write_user_file
from .refs import PROJECT_REFS
from .yaml_writer import round_trip_yaml

if TYPE_CHECKING:
    from ..plugin.source import Source
    from .project import Project
    from .resolved import ResolvedElement

# Width beyond which the writer breaks no lines.
_WIDTH = 1_000_000
_GONE = object()
_FIRST_ITEM = re.compile(rb"^( *)[^\s#-][^\n]*:[ ]*\n(?:[ ]*(?:#[^\n]*)?\n)*( *)- ", re.MULTILINE)

# Steps from the root of a YAML document: keys of mappings and indices of sequences.
Path = list[str | int]


def store_ref(toplevel: Project, element: ResolvedElement, index: int, ref: Any) -> bool:
    """Store the ref of one source of an element.

    Args:
        toplevel: the toplevel project, whose ``ref-storage`` counts.
        element: the element.
        index: which of its sources.
        ref: the new ref, as plain data.

    Returns:
        Whether something was stored; not so for sources of subprojects, unless the toplevel project uses project.refs.

    Raises:
        SourceError: ``tracking-junction-fragment``, ``save-ref-error``.
    """
    source = element.sources[index]
    project = element.load_element.project
    if toplevel.ref_storage == PROJECT_REFS:
        _store_apart(toplevel, project, element, index, source, ref)
        return True
    if project is not toplevel:
        source.warn(f"{source}: Not persisting new reference in junctioned project")
        return False
    _store_inline(toplevel, source, ref)
    return True


def _store_apart(
    toplevel: Project, project: Project, element: ResolvedElement, index: int, source: Source, ref: Any
) -> None:
    name = "junction.refs" if element.kind == "junction" else "project.refs"
    document = _Document(os.path.join(toplevel.directory, name))
    path = _declared_apart(toplevel, project, element, index) or ["projects", project.name, element.name, index]
    found = document.find(path)
    if found is not None and not isinstance(found, dict):
        raise document.misplaced(path)
    before: dict[str, Any] = _plain(found) if found is not None else {}
    for key, value in _changes(source, before, ref).items():
        document.set(path, key, value)
    document.save()


def _declared_apart(toplevel: Project, project: Project, element: ResolvedElement, index: int) -> Path | None:
    """Where the source's entry stands in the file of refs as it is written: it may be the branch of a conditional."""
    refs = toplevel.junction_refs if element.kind == "junction" else toplevel.refs
    entry = refs.lookup(project.name, element.name, index) if refs is not None else None
    if entry is None or entry.file.toplevel is None:
        return None
    return _path_of(entry.file.toplevel, entry)


def _store_inline(toplevel: Project, source: Source, ref: Any) -> None:
    node = source._grilse.spec.node
    assert isinstance(node, MappingNode)
    documents: dict[str, _Document] = {}
    before = {key: value for key, value in node.strip_node_info().items() if key not in source.COMMON_CONFIG_KEYS}
    for key, value in _changes(source, before, ref).items():
        place: Node = node.value.get(key, node) if value is not _GONE or key in node.value else node
        container = node
        file = place.file
        if file.project is not None and file.project is not toplevel:
            raise SourceError(
                f"{file.shortname}: Cannot track source in a fragment from a junction",
                reason="tracking-junction-fragment",
            )
        if not file.filename or file.toplevel is None:
            raise SourceError(f"{source}: the ref of a source that is in no file cannot be stored")
        path = _path_of(file.toplevel, container) or _path_of_parent(file.toplevel, place)
        if path is None:
            raise SourceError(
                f"{source}: the declaration cannot be found again in '{file.shortname}'", reason="save-ref-error"
            )
        document = documents.get(file.filename)
        if document is None:
            document = documents[file.filename] = _Document(file.filename)
        document.set(path, key, value)
    for document in documents.values():
        document.save()


def _changes(source: Source, before: dict[str, Any], ref: Any) -> dict[str, Any]:
    """Keys whose values a ref changes, with the new values; `_GONE` for keys that go."""
    node = MappingNode.from_plain(before)
    source.set_ref(ref, node)
    after = node.strip_node_info()
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    changed.update({key: _GONE for key in before if key not in after})
    return changed


def _path_of(root: MappingNode, target: Node) -> Path | None:
    """Where `target` stands below `root`: the very node, or one at the same place of the same file."""
    fallback: Path | None = None
    stack: list[tuple[Node, Path]] = [(root, [])]
    while stack:
        node, path = stack.pop()
        if node is target:
            return path
        if type(node) is type(target) and node.line == target.line and node.column == target.column:
            fallback = path
        if isinstance(node, MappingNode):
            stack += [(child, [*path, key]) for key, child in node.value.items()]
        elif isinstance(node, SequenceNode):
            stack += [(child, [*path, place]) for place, child in enumerate(node.value)]
    return fallback


def _path_of_parent(root: MappingNode, target: Node) -> Path | None:
    path = _path_of(root, target)
    return path[:-1] if path else None


class _Document:
    """A YAML file to be changed, or a new one."""

    def __init__(self, path: str) -> None:
        from ruamel.yaml.error import YAMLError

        self._path = path
        # As bst writes: a ref of digits needs no quotes where everything is text.
        self._yaml = round_trip_yaml()
        self._yaml.width = _WIDTH
        try:
            with open(path, "rb") as file:
                text = file.read()
        except FileNotFoundError:
            text = b""
        except OSError as error:
            raise self._error(error) from error
        match = _FIRST_ITEM.search(text)
        offset = len(match[2]) - len(match[1]) if match else 0
        self._yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
        try:
            self._data: Any = self._yaml.load(text)
        except YAMLError as error:
            raise self._error(error) from error
        if self._data is None:
            self._data = {}
        self._changed = False

    def find(self, path: Path) -> Any:
        """What stands at a path, or None."""
        here = self._data
        for step in path:
            try:
                here = here[step]
            except (KeyError, IndexError, TypeError):
                return None
        return here

    def set(self, path: Path, key: str, value: Any) -> None:
        """Set, or with `_GONE` remove, a key of the mapping at a path; what is missing on the way is made.

        Raises:
            SourceError: ``save-ref-error``, something else is in the way.
        """
        self._changed = True
        here: Any = self._data
        for depth, (step, following) in enumerate(zip(path, [*path[1:], ""])):
            empty: Any = {} if isinstance(following, str) else []
            if type(step) is not (str if isinstance(here, dict) else int if isinstance(here, list) else None):
                raise self.misplaced(path[:depth])
            if isinstance(step, str):
                here = here.setdefault(step, empty)
            else:
                while len(here) <= step:
                    here.append({})
                here = here[step]
        if value is _GONE:
            here.pop(key, None)
        else:
            here[key] = value

    def save(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            SourceError: ``save-ref-error``.
        """
        if not self._changed:
            return
        stream = io.BytesIO()
        self._yaml.dump(self._data, stream)
        try:
            write_user_file(self._path, stream.getvalue())
        except OSError as error:
            raise self._error(error) from error

    def misplaced(self, path: Path) -> SourceError:
        """The error that something at a path is not what a file of refs has there."""
        where = ": ".join(str(step) for step in path) or "the top"
        return self._error(ValueError(f"What is at {where} has no place for refs"))

    def _error(self, error: Exception) -> SourceError:
        return SourceError(f"Error saving source reference to '{self._path}': {error}", reason="save-ref-error")


def _plain(value: Any) -> Any:
    """Round-trip data as plain data; scalars are text, as everywhere in BuildStream's YAML."""
    if isinstance(value, dict):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return None if value is None else str(value)
