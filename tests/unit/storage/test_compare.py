"""Lists of trees are in order, and comparisons name every difference once."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grilse.protocol.errors import CasError
from grilse.storage.compare import compare_trees, list_tree
from grilse.storage.digest import Digest
from grilse.storage.directory import CasDirectory
from grilse.storage.messages import DirectoryNode, FileNode, Listing, SymlinkNode
from grilse.storage.store import Store

NAMES = st.sampled_from(["a", "b", "c"])
TREES: Any = st.dictionaries(
    NAMES,
    st.recursive(
        st.sampled_from(["x", "y", "->z"]), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
    ),
    max_size=3,
)


def build(store: Store, tree: Any) -> Digest:
    """A tree from nested dictionaries; texts are contents of files, or targets behind ``->``."""
    nodes: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            nodes[name] = DirectoryNode(build(store, value))
        elif value.startswith("->"):
            nodes[name] = SymlinkNode(value[2:])
        else:
            nodes[name] = FileNode(store.add_bytes(value.encode()), False)
    return store.add_listing(Listing(nodes))


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Every path of a tree with what is there; only that for directories."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found[prefix + name] = None if isinstance(value, dict) else value
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}/")
    return found


@settings(max_examples=60)
@given(TREES)
def test_a_list_has_everything_in_the_order_of_relative_paths(
    tmp_path_factory: pytest.TempPathFactory, tree: Any
) -> None:
    store = Store(str(tmp_path_factory.mktemp("list")))
    root = build(store, tree)
    paths = [entry.path for entry in list_tree(store, root)]
    assert paths == list(CasDirectory(store, root).list_relative_paths())
    assert set(paths) == set(flat(tree))


@settings(max_examples=60)
@given(TREES, TREES)
def test_a_comparison_names_every_difference_once(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any
) -> None:
    store = Store(str(tmp_path_factory.mktemp("compare")))
    changes = list(compare_trees(store, build(store, before), build(store, after)))
    old, new = flat(before), flat(after)
    expected = {path for path in old.keys() | new.keys() if old.get(path, "nothing") != new.get(path, "nothing")}
    assert {change.path for change in changes} == expected and len(changes) == len(expected)
    for change in changes:
        assert (change.before is None) == (change.path not in old)
        assert (change.after is None) == (change.path not in new)


def test_parts_that_are_the_same_are_not_read(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    before = build(store, {"same": {"x": "x"}, "other": "y"})
    after = build(store, {"same": {"x": "x"}, "other": "x"})
    os.unlink(store.path(build(store, {"x": "x"})))
    fresh = Store(str(tmp_path))
    assert [change.path for change in compare_trees(fresh, before, after)] == ["other"]
    assert [change.path for change in compare_trees(store, None, before)] == ["other", "same", "same/x"]
    with pytest.raises(CasError):
        list(list_tree(fresh, before))
