"""Replace include directives by the files they name, which may stand in other projects.

Knows nothing of elements.  What an include file becomes depends on the file and on its project's options only, so it is
worked out once however many elements include it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ..plugin.composition import compose_under
from ..plugin.node import MappingNode, ScalarNode, SequenceNode
from ..plugin.variables import Variables
from ..protocol.errors import LoadError, LoadErrorReason
from .conditionals import resolve_file

if TYPE_CHECKING:
    from .loader import Loader

_INCLUDE: Final = "(@)"


class Includes:
    """Includes files on behalf of one project."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        # Finished include files by loader, path, and the two ways of processing them.
        self._finished: dict[tuple[Loader, str, bool, bool], MappingNode] = {}
        self._loaded: dict[tuple[Loader, str], MappingNode] = {}

    def process(self, root: MappingNode, *, only_local: bool = False, with_options: bool = True) -> MappingNode:
        """Replace the include directives in a tree that was read from one file, at any depth.

        Args:
            only_local: leave out what stands in other projects.
            with_options: resolve conditionals first; else they are kept for later.

        Raises:
            LoadError: MISSING_FILE, RECURSIVE_INCLUDE, and whatever is wrong in an included file.
        """
        return self._process(root, self._loader, (), only_local, with_options)

    def _process(
        self, root: MappingNode, loader: Loader, including: tuple[str, ...], only_local: bool, with_options: bool
    ) -> MappingNode:
        if with_options:
            root = resolve_file(root, loader.project.options)
        if not root.file.includes:
            return root
        return self._expand(root, loader, including, only_local, with_options)

    def _expand(
        self, node: MappingNode, loader: Loader, including: tuple[str, ...], only_local: bool, with_options: bool
    ) -> MappingNode:
        directive = node.get_node(_INCLUDE, [ScalarNode, SequenceNode], allow_none=True)
        if directive is not None:
            node = MappingNode({**node.value}, node.line, node.column, node.file)
            del node.value[_INCLUDE]
            names = [directive] if type(directive) is ScalarNode else directive.value
            for name in reversed(names):
                if type(name) is not ScalarNode:
                    raise _invalid(name)
                if only_local and ":" in name.as_str():
                    continue
                included = self._included(name, loader, including, only_local, with_options)
                node = compose_under(node, included)
        changed: dict[str, Any] = {}
        for key, child in node.value.items():
            if type(child) is not ScalarNode:
                new = self._expand_child(child, loader, including, only_local, with_options)
                if new is not child:
                    changed[key] = new
        return MappingNode({**node.value, **changed}, node.line, node.column, node.file) if changed else node

    def _expand_child(
        self, child: Any, loader: Loader, including: tuple[str, ...], only_local: bool, with_options: bool
    ) -> Any:
        if type(child) is MappingNode:
            return self._expand(child, loader, including, only_local, with_options)
        if type(child) is SequenceNode:
            items = [self._expand_child(item, loader, including, only_local, with_options) for item in child.value]
            if any(new is not old for new, old in zip(items, child.value)):
                return SequenceNode(items, child.line, child.column, child.file)
        return child

    def _included(
        self, name: ScalarNode, loader: Loader, including: tuple[str, ...], only_local: bool, with_options: bool
    ) -> MappingNode:
        text = name.as_str()
        source = loader
        if ":" in text:
            junction, text = text.rsplit(":", 1)
            source = loader.subproject(junction, name)
            source.project.ensure_fully_loaded()
        path = os.path.join(source.project.directory, text)
        # A file of another project is always processed with that project's options.
        with_options = with_options or source is not loader
        key = (source, path, only_local, with_options)
        finished = self._finished.get(key)
        if finished is None or path in including:
            root = self._load(name, path, source, foreign=source is not loader)
            if path in including:
                raise LoadError(
                    f"Trying to recursively include {path}",
                    reason=LoadErrorReason.RECURSIVE_INCLUDE,
                    where=str(name.get_provenance()),
                )
            finished = self._process(root, source, (*including, path), only_local, with_options)
            self._finished[key] = finished
        return finished

    def _load(self, name: ScalarNode, path: str, source: Loader, *, foreign: bool) -> MappingNode:
        root = self._loaded.get((source, path))
        if root is None:
            try:
                root = source.load_yaml(path, name.as_str())
            except LoadError as error:
                place = str(name.get_provenance())
                message = str(error) if error.where else error.message
                raise LoadError(
                    f"Cannot include '{name.as_str()}': {message}",
                    reason=error.reason,
                    detail=error.detail,
                    where=place,
                ) from None
            if foreign:
                # Text in a file of a subproject means what it means there.
                file = root.file
                root = Variables(source.project.base_variables).expand(root)
                file.toplevel = root
            self._loaded[(source, path)] = root
        return root


def _invalid(node: Any) -> LoadError:
    return LoadError(
        "An include should be the path of a file",
        reason=LoadErrorReason.INVALID_DATA,
        where=str(node.get_provenance()),
    )
