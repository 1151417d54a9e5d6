"""Composition merges mappings, replaces values, and applies list directives, without changing its arguments."""

from __future__ import annotations

from typing import Any

import pytest

from grilse.plugin.composition import assert_fully_composed, compose, compose_under
from grilse.plugin.node import FileInfo, MappingNode, Node
from grilse.protocol.errors import LoadError


def made(data: dict[str, Any]) -> MappingNode:
    """A mapping that remembers, as read files do, that it may hold directives."""
    node = Node.from_dict(data)
    file = FileInfo("f.bst", "f.bst", "f.bst", directives=True)

    def settle(child: Any) -> None:
        child.file = file
        if not hasattr(child, "as_str"):
            for below in child.value.values() if isinstance(child, MappingNode) else child.value:
                settle(below)

    settle(node)
    return node


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"a": "1", "b": "2"}, {"b": "3", "c": "4"}, {"a": "1", "b": "3", "c": "4"}),
        ({"a": {"x": "1"}}, {"a": {"y": "2"}}, {"a": {"x": "1", "y": "2"}}),
        ({"a": ["1"]}, {"a": ["2"]}, {"a": ["2"]}),
        ({"a": ["2"]}, {"a": {"(<)": ["1"], "(>)": ["3"]}}, {"a": ["1", "2", "3"]}),
        ({"a": ["2"]}, {"a": {"(=)": ["x"], "(>)": ["y"]}}, {"a": ["x", "y"]}),
        ({}, {"a": {"(>)": ["1"]}}, {"a": {"(>)": ["1"]}}),
        ({"a": {"(>)": ["1"]}}, {"a": {"(>)": ["2"], "(<)": ["0"]}}, {"a": {"(>)": ["1", "2"], "(<)": ["0"]}}),
        ({"a": {"(<)": ["2"]}}, {"a": {"(<)": ["1"]}}, {"a": {"(<)": ["1", "2"]}}),
        ({"a": {"(>)": ["1"]}}, {"a": {"(=)": ["2"]}}, {"a": {"(>)": [], "(=)": ["2"]}}),
        ({"a": {"(>)": ["1"]}}, {"a": ["2"]}, {"a": ["2"]}),
        ({"(?)": [{"x": {}}]}, {"(?)": [{"y": {}}]}, {"(?)": [{"x": {}}, {"y": {}}]}),
    ],
)
def test_the_result_is(base: dict[str, Any], over: dict[str, Any], expected: dict[str, Any]) -> None:
    below, above = made(base), made(over)
    assert compose(below, above).strip_node_info() == expected
    assert below.strip_node_info() == base
    assert above.strip_node_info() == over


@pytest.mark.parametrize(
    ("base", "over"),
    [
        ({"a": ["1"]}, {"a": "2"}),
        ({"a": {"b": "1"}}, {"a": "2"}),
        ({"a": "1"}, {"a": ["2"]}),
        ({"a": {"b": "1"}}, {"a": ["2"]}),
        ({"a": "1"}, {"a": {"b": "2"}}),
        ({"a": ["1"]}, {"a": {"b": "2"}}),
        ({"a": "1"}, {"a": {"(>)": ["2"]}}),
        ({"a": {"b": "1"}}, {"a": {"(>)": ["2"]}}),
    ],
)
def test_values_of_different_kinds_do_not_compose(base: dict[str, Any], over: dict[str, Any]) -> None:
    with pytest.raises(LoadError, match=r"'x\.a'") as caught:
        compose(made({"x": base}), made({"x": over}))
    assert caught.value.reason == "ILLEGAL_COMPOSITE"


@pytest.mark.parametrize("base", [{}, {"a": {"b": ["1"]}}, {"a": {}}])
def test_directives_beside_other_keys_are_refused(base: dict[str, Any]) -> None:
    with pytest.raises(LoadError) as caught:
        compose(made(base), made({"a": {"b": {"(>)": ["1"], "c": "2"}}}))
    assert caught.value.reason == "INVALID_DATA"


def test_composing_under_keeps_the_values_on_top_and_their_order() -> None:
    result = compose_under(made({"b": "1", "a": "2"}), made({"a": "9", "c": "3", "b": "9"}))
    assert result.strip_node_info() == {"b": "1", "a": "2", "c": "3"}
    assert result.keys() == ["b", "a", "c"]


def test_unchanged_children_are_shared() -> None:
    base = made({"a": {"x": "1"}, "b": {"y": "2"}})
    result = compose(base, made({"b": {"z": "3"}}))
    assert result.get_mapping("a") is base.get_mapping("a")


def test_a_directive_that_found_no_list_is_refused() -> None:
    assert_fully_composed(made({"a": ["1", {"b": []}]}))
    with pytest.raises(LoadError) as caught:
        assert_fully_composed(made({"a": [{"b": {"(>)": ["1"]}}]}))
    assert caught.value.reason == "TRAILING_LIST_DIRECTIVE"
