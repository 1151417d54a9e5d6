"""Nodes: what YAML becomes, with the place every value came from.

Knows nothing of YAML syntax, projects or composition rules.  The class and method names are BuildStream's public
plugin API (``buildstream.Node`` and friends).

Nodes are shared freely between trees: composition makes new mappings that point at the old children, so a node must
not be changed once others can see it.  Whoever hands a node to a plugin that may change it hands over a `clone`.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, ValuesView
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import msgspec

from .node_errors import find_path, invalid, not_allowed, unexpected_key, word, wrong_type
from .provenance import LABELLED, SYNTHETIC, ProvenanceInformation

if TYPE_CHECKING:
    from ..protocol.errors import LoadError

_T = TypeVar("_T")


class _Required:
    """The type of the default that means: there is no default."""


_REQUIRED: Final = _Required()


class FileInfo(msgspec.Struct, eq=False):
    """The file that nodes come from.

    Attributes:
        filename: path that can be opened; "" when there is none.
        shortname: path below the project's directory.
        displayname: what users see; names the junction when the file is in a subproject.
        project: the project it belongs to, or None.
        toplevel: the root mapping as it was read.
        directives: whether list directives stand anywhere in it.
        conditionals: whether conditionals or assertions do.
        includes: whether include directives do.
    """

    filename: str
    shortname: str
    displayname: str
    project: Any = None
    toplevel: MappingNode | None = None
    directives: bool = False
    conditionals: bool = False
    includes: bool = False


NO_FILE: Final = FileInfo("", "", "")

# The file of the nodes being decoded from the parsed cache, whose nodes carry lines and columns only.
decoding_file: Final[ContextVar[FileInfo]] = ContextVar("decoding_file", default=NO_FILE)


class Node(msgspec.Struct, eq=False):
    """Base of all nodes.  Make one of plain data with `Node.from_dict`."""

    if TYPE_CHECKING:  # every kind of node declares these as fields, after its value

        @property
        def file(self) -> FileInfo: ...
        @property
        def line(self) -> int: ...
        @property
        def column(self) -> int: ...

    @classmethod
    def from_dict(cls, value: dict[str, Any] | None) -> MappingNode:
        """Make a mapping of plain data: str keys; dict, list, str, int, bool or None values; an empty one of None.

        Raises:
            TypeError: a value is of another type.
        """
        return _make_mapping({} if value is None else value, NO_FILE, 0, SYNTHETIC)

    def clone(self) -> Node:
        """A deep copy, free to be changed."""
        raise NotImplementedError

    def strip_node_info(self) -> Any:
        """The plain data of this tree: dict, list, str, None."""
        raise NotImplementedError

    def get_provenance(self) -> ProvenanceInformation:
        """Where this node came from."""
        return ProvenanceInformation(self.file, self.line, self.column)

    def __str__(self) -> str:
        return f"{self.get_provenance()}: {self.strip_node_info()}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def _path(self) -> str:
        """How this node is reached from the root of its file, for messages."""
        return find_path(self.file.toplevel, self)


class ScalarNode(Node, eq=False, array_like=True, tag=0, gc=False):
    """A string, or None.  Numbers and booleans stay text until somebody asks for them."""

    value: str | None
    line: int = 0
    column: int = SYNTHETIC
    file: FileInfo = msgspec.field(default_factory=decoding_file.get)

    def as_str(self) -> str:
        """The text.  None when the scalar is None, though typed str as in the public API."""
        return self.value  # type: ignore[return-value]

    def as_bool(self) -> bool:
        """True for ``True``, ``true`` and ``1``; False for ``False``, ``false`` and ``0``.

        Raises:
            LoadError: INVALID_DATA for anything else.
        """
        value = self.value
        if value in ("True", "true", "1"):
            return True
        if value in ("False", "false", "0"):
            return False
        raise invalid(self, f"{self._path()} should be a boolean (True or False), not '{value}'")

    def as_int(self) -> int:
        """The whole number.

        Raises:
            LoadError: INVALID_DATA if the text is not one.
        """
        try:
            return int(self.value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise invalid(self, f"{self._path()} should be an integer, not '{self.value}'") from None

    def as_enum(self, constraint: Callable[[str | None], _T]) -> _T:
        """The member of the enumeration `constraint` that has this text as its value.

        Raises:
            LoadError: INVALID_DATA if there is none.
        """
        try:
            return constraint(self.value)
        except ValueError:
            choices = ", ".join(str(member.value) for member in constraint)  # type: ignore[attr-defined]
            raise invalid(self, f"{self._path()} is '{self.value}', but should be one of: {choices}") from None

    def is_none(self) -> bool:
        """Whether the scalar is None."""
        return self.value is None

    def clone(self) -> ScalarNode:
        """A copy."""
        return ScalarNode(self.value, self.line, self.column, self.file)

    def strip_node_info(self) -> str | None:
        """The text, or None."""
        return self.value


class SequenceNode(Node, eq=False, array_like=True, tag=1):
    """A list of nodes."""

    value: list[ScalarNode | SequenceNode | MappingNode]
    line: int = 0
    column: int = SYNTHETIC
    file: FileInfo = msgspec.field(default_factory=decoding_file.get)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self.value)

    def __setitem__(self, index: int, value: Any) -> None:
        self.value[index] = _adopt(value, self, self.value[index])

    def append(self, value: Any) -> None:
        """Add a node, or plain data that becomes one.

        Raises:
            TypeError: plain data of a type that nodes cannot hold.
        """
        self.value.append(_adopt(value, self, None))

    def as_str_list(self) -> list[str]:
        """The texts of the scalars.

        Raises:
            LoadError: INVALID_DATA if an item is a list or a mapping.
        """
        texts: list[str] = []
        for node in self.value:
            if type(node) is not ScalarNode:
                raise invalid(node, f"{self._path()} should be a list of strings, but holds a {word(type(node))}")
            texts.append(node.value)  # type: ignore[arg-type]
        return texts

    def mapping_at(self, index: int) -> MappingNode:
        """The mapping at `index`.

        Raises:
            LoadError: INVALID_DATA if it is something else.
            IndexError: there is no such item.
        """
        return self._at(index, MappingNode)

    def scalar_at(self, index: int) -> ScalarNode:
        """The scalar at `index`; raises as `mapping_at` does."""
        return self._at(index, ScalarNode)

    def sequence_at(self, index: int) -> SequenceNode:
        """The list at `index`; raises as `mapping_at` does."""
        return self._at(index, SequenceNode)

    def node_at(self, index: int, allowed_types: list[type[Node]] | None = None) -> Any:
        """The node at `index`, of one of `allowed_types`; raises as `mapping_at` does."""
        node = self.value[index]
        if allowed_types and type(node) not in allowed_types:
            raise not_allowed(node, str(index), allowed_types)
        return node

    def _at(self, index: int, wanted: type[_T]) -> _T:
        node = self.value[index]
        if type(node) is not wanted:
            raise invalid(node, f"item {index} of {self._path()} should be a {word(wanted)}")
        return node

    def clone(self) -> SequenceNode:
        """A deep copy, free to be changed."""
        return SequenceNode([node.clone() for node in self.value], self.line, self.column, self.file)

    def strip_node_info(self) -> list[Any]:
        """The plain list."""
        return [node.value if type(node) is ScalarNode else node.strip_node_info() for node in self.value]


class MappingNode(Node, eq=False, array_like=True, tag=2):
    """A mapping from strings to nodes.  An empty mapping is still true."""

    value: dict[str, ScalarNode | SequenceNode | MappingNode]
    line: int = 0
    column: int = SYNTHETIC
    file: FileInfo = msgspec.field(default_factory=decoding_file.get)

    @staticmethod
    def from_plain(data: dict[str, Any], label: str = "") -> MappingNode:
        """Make a mapping of plain data that says `label` when asked for its place; what `strip_node_info` undoes.

        Raises:
            TypeError: a value is of a type that nodes cannot hold.
        """
        if not label:
            return _restore_mapping(data, NO_FILE, 0, SYNTHETIC)
        file = FileInfo("", "", label)
        file.toplevel = node = _restore_mapping(data, file, 0, LABELLED)
        return node

    def __contains__(self, key: object) -> bool:
        return key in self.value

    def __delitem__(self, key: str) -> None:
        del self.value[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.value[key] = _adopt(value, self, self.value.get(key))

    @overload
    def get_bool(self, key: str) -> bool: ...
    @overload
    def get_bool(self, key: str, default: bool) -> bool: ...
    @overload
    def get_bool(self, key: str, default: None) -> bool | None: ...
    def get_bool(self, key: str, default: Any = _REQUIRED) -> bool | None:
        """The boolean at `key`, or `default` (bool or None) when there is no such key.

        Raises:
            LoadError: INVALID_DATA if it is not a boolean, or is missing and has no default.
        """
        node = self.value.get(key)
        if node is None and (default is None or default is True or default is False):
            return default
        return self.get_scalar(key, default).as_bool()

    @overload
    def get_int(self, key: str) -> int: ...
    @overload
    def get_int(self, key: str, default: int) -> int: ...
    @overload
    def get_int(self, key: str, default: int | None) -> int | None: ...
    def get_int(self, key: str, default: Any = _REQUIRED) -> int | None:
        """The integer at `key`, or `default` when there is no such key; raises as `get_bool` does."""
        scalar = self.get_scalar(key, default)
        if default is None and scalar.value is None:
            return None
        return scalar.as_int()

    @overload
    def get_str(self, key: str) -> str: ...
    @overload
    def get_str(self, key: str, default: str) -> str: ...
    @overload
    def get_str(self, key: str, default: str | None) -> str | None: ...
    def get_str(self, key: str, default: Any = _REQUIRED) -> str | None:
        """The text at `key`, or `default` when there is no such key; raises as `get_bool` does."""
        node = self.value.get(key)
        if type(node) is ScalarNode:
            return node.value
        if node is None and default is not _REQUIRED:
            return None if default is None else str(default).strip()
        return self.get_scalar(key, default).value

    def get_enum(self, key: str, constraint: Callable[[Any], _T], default: Any = _REQUIRED) -> _T:
        """The member of `constraint` at `key`, or the one with the value `default`; raises as `get_bool` does."""
        node = self.value.get(key)
        if node is None:
            if default is _REQUIRED:
                raise self._missing(key)
            return None if default is None else constraint(default)  # type: ignore[return-value]
        if type(node) is not ScalarNode:
            raise wrong_type(node, key, ScalarNode)
        return node.as_enum(constraint)

    def get_scalar(self, key: str, default: Any = _REQUIRED) -> ScalarNode:
        """The scalar at `key`, or a new one of `default` (str, int, bool, None); raises as `get_bool` does."""
        node = self.value.get(key)
        if type(node) is ScalarNode:
            return node
        if node is not None:
            raise wrong_type(node, key, ScalarNode)
        if default is _REQUIRED:
            raise self._missing(key)
        made = _make(default, NO_FILE if default is not None else self.file, 0, SYNTHETIC)
        if type(made) is not ScalarNode:
            raise TypeError(f"a scalar cannot hold {default!r}")
        return made

    @overload
    def get_mapping(self, key: str) -> MappingNode: ...
    @overload
    def get_mapping(self, key: str, default: MappingNode | dict[str, Any]) -> MappingNode: ...
    @overload
    def get_mapping(self, key: str, default: MappingNode | dict[str, Any] | None) -> MappingNode | None: ...
    def get_mapping(self, key: str, default: Any = _REQUIRED) -> MappingNode | None:
        """The mapping at `key`, or one made of `default` (dict, None); raises as `get_bool` does."""
        node = self.value.get(key)
        if type(node) is MappingNode:
            return node
        if node is not None:
            raise wrong_type(node, key, MappingNode)
        if default is _REQUIRED:
            raise self._missing(key)
        if default is None or type(default) is MappingNode:
            return default
        return _make_mapping(default, NO_FILE, 0, SYNTHETIC)

    @overload
    def get_sequence(self, key: str, *, allowed_types: list[type[Node]] | None = ...) -> SequenceNode: ...
    @overload
    def get_sequence(
        self, key: str, default: list[Any], allowed_types: list[type[Node]] | None = ...
    ) -> SequenceNode: ...
    @overload
    def get_sequence(
        self, key: str, default: list[Any] | None, allowed_types: list[type[Node]] | None = ...
    ) -> SequenceNode | None: ...
    def get_sequence(
        self, key: str, default: Any = _REQUIRED, allowed_types: list[type[Node]] | None = None
    ) -> SequenceNode | None:
        """The list at `key`, whose items are of `allowed_types`, or one made of `default`; raises as `get_bool`."""
        node = self.value.get(key)
        if type(node) is SequenceNode:
            if allowed_types:
                for item in node.value:
                    if type(item) not in allowed_types:
                        raise not_allowed(item, "", allowed_types)
            return node
        if node is not None:
            raise wrong_type(node, key, SequenceNode)
        if default is _REQUIRED:
            raise self._missing(key)
        if default is None or type(default) is SequenceNode:
            return default
        return SequenceNode([_make(item, NO_FILE, 0, SYNTHETIC) for item in default], 0, SYNTHETIC, NO_FILE)

    @overload
    def get_str_list(self, key: str) -> list[str]: ...
    @overload
    def get_str_list(self, key: str, default: list[str]) -> list[str]: ...
    @overload
    def get_str_list(self, key: str, default: list[str] | None) -> list[str] | None: ...
    def get_str_list(self, key: str, default: Any = _REQUIRED) -> list[str] | None:
        """The list of texts at `key`, or `default`; raises as `get_bool` does."""
        sequence = self.get_sequence(key, default)
        return None if sequence is None else sequence.as_str_list()

    @overload
    def get_node(self, key: str, allowed_types: list[type[Node]] | None = ...) -> Any: ...
    @overload
    def get_node(self, key: str, allowed_types: list[type[Node]] | None = ..., allow_none: bool = ...) -> Any: ...
    def get_node(self, key: str, allowed_types: list[type[Node]] | None = None, allow_none: bool = False) -> Any:
        """The node at `key`, of one of `allowed_types`; None for a missing key with `allow_none`.

        Raises:
            LoadError: INVALID_DATA if the key is missing or its node is of another type.
        """
        node = self.value.get(key)
        if node is None:
            if allow_none:
                return None
            raise self._missing(key)
        if allowed_types and type(node) not in allowed_types:
            raise not_allowed(node, key, allowed_types)
        return node

    def keys(self) -> list[str]:
        """All keys."""
        return list(self.value)

    def values(self) -> ValuesView[Any]:
        """A view of the nodes."""
        return self.value.values()

    def items(self) -> ItemsView[str, Any]:
        """A view of (key, node)."""
        return self.value.items()

    def safe_del(self, key: str) -> None:
        """Remove `key` if it is there."""
        self.value.pop(key, None)

    def validate_keys(self, valid_keys: list[str]) -> None:
        """Refuse keys that are not among `valid_keys`.

        Raises:
            LoadError: INVALID_DATA, naming the first unexpected key and the nearest valid one.
        """
        for key in self.value:
            if key not in valid_keys:
                raise unexpected_key(self.value[key], key, valid_keys)

    def clone(self) -> MappingNode:
        """A deep copy, free to be changed."""
        copies = {key: node.clone() for key, node in self.value.items()}
        return MappingNode(copies, self.line, self.column, self.file)

    def strip_node_info(self) -> dict[str, Any]:
        """The plain dictionary."""
        return {
            key: node.value if type(node) is ScalarNode else node.strip_node_info() for key, node in self.value.items()
        }

    def _missing(self, key: str) -> LoadError:
        return invalid(self, f"Dictionary did not contain expected key '{key}'")


_NODE_TYPES: Final = frozenset((ScalarNode, SequenceNode, MappingNode))


def _restore(value: Any, file: FileInfo, line: int, column: int) -> ScalarNode | SequenceNode | MappingNode:
    """Plain data to nodes; text stays as it is, since resolving may have put spaces at its ends."""
    kind = type(value)
    if kind is dict:
        return _restore_mapping(value, file, line, column)
    if kind is list:
        items = [
            ScalarNode(item, line, column, file) if type(item) is str else _restore(item, file, line, column)
            for item in value
        ]
        return SequenceNode(items, line, column, file)
    if kind is str or value is None:
        return ScalarNode(value, line, column, file)
    return _make(value, file, line, column)


def _restore_mapping(value: dict[str, Any], file: FileInfo, line: int, column: int) -> MappingNode:
    nodes = {
        key: ScalarNode(item, line, column, file) if type(item) is str else _restore(item, file, line, column)
        for key, item in value.items()
    }
    return MappingNode(nodes, line, column, file)


def _make(value: Any, file: FileInfo, line: int, column: int) -> ScalarNode | SequenceNode | MappingNode:
    """Plain data to nodes; text is stripped as the YAML reader strips it."""
    kind = type(value)
    if kind is str:
        return ScalarNode(value.strip(), line, column, file)
    if kind is bool or kind is int:
        return ScalarNode(str(value), line, column, file)
    if value is None:
        return ScalarNode(None, line, column, file)
    if kind is dict:
        return _make_mapping(value, file, line, column)
    if kind is list:
        return SequenceNode([_make(item, file, line, column) for item in value], line, column, file)
    if kind in _NODE_TYPES:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return ScalarNode(str(value).strip(), line, column, file)
    raise TypeError(f"nodes cannot hold a value of type {kind.__name__}")


def _make_mapping(value: dict[str, Any], file: FileInfo, line: int, column: int) -> MappingNode:
    return MappingNode({key: _make(item, file, line, column) for key, item in value.items()}, line, column, file)


def _adopt(value: Any, parent: Node, old: Node | None) -> ScalarNode | SequenceNode | MappingNode:
    """A node as it is; plain data as nodes that stand where `old` stood, or near `parent`."""
    if type(value) in _NODE_TYPES:
        return value  # type: ignore[no-any-return]
    node = _make(value, parent.file, parent.line, SYNTHETIC)
    if old is not None:
        node.file, node.line, node.column = old.file, old.line, old.column
    return node
