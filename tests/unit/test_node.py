"""Nodes read values strictly and say where a bad one stands."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from grilse.plugin.node import FileInfo, MappingNode, Node, ScalarNode, SequenceNode
from grilse.protocol.errors import LoadError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def placed(data: dict[str, Any]) -> MappingNode:
    """A mapping whose every node stands at line 3, column 2 of app.bst."""
    file = FileInfo("/project/elements/app.bst", "app.bst", "app.bst")

    def settle(node: Any) -> None:
        node.file, node.line, node.column = file, 2, 2
        for child in node.values() if isinstance(node, MappingNode) else node if isinstance(node, SequenceNode) else ():
            settle(child)

    node = Node.from_dict(data)
    settle(node)
    file.toplevel = node
    return node


def test_scalars_are_text_until_asked_for_a_type() -> None:
    node = Node.from_dict({"a": 1, "b": True, "c": " text\n", "d": None})
    assert node.strip_node_info() == {"a": "1", "b": "True", "c": "text", "d": None}
    assert node.get_int("a") == 1
    assert node.get_bool("b") is True
    assert node.get_scalar("d").is_none()


def test_defaults_stand_in_for_missing_keys_only() -> None:
    node = Node.from_dict({"a": "x"})
    assert node.get_str("b", "y") == "y"
    assert node.get_str("b", None) is None
    assert node.get_int("b", 3) == 3
    assert node.get_int("b", None) is None
    assert node.get_bool("b", False) is False
    assert node.get_mapping("b", {}).keys() == []
    assert node.get_mapping("b", None) is None
    assert node.get_str_list("b", ["z"]) == ["z"]
    assert node.get_enum("b", Colour, default="red") is Colour.RED
    assert node.get_node("b", allow_none=True) is None
    assert node.get_scalar("b", None).is_none()


@pytest.mark.parametrize(
    "ask",
    [
        lambda node: node.get_str("missing"),
        lambda node: node.get_mapping("text"),
        lambda node: node.get_sequence("text"),
        lambda node: node.get_str("list"),
        lambda node: node.get_bool("text"),
        lambda node: node.get_int("text"),
        lambda node: node.get_enum("text", Colour),
        lambda node: node.get_node("text", [MappingNode, SequenceNode]),
        lambda node: node.get_str_list("nested"),
        lambda node: node.get_sequence("list", allowed_types=[MappingNode]),
        lambda node: node.get_sequence("list").mapping_at(0),
        lambda node: node.get_sequence("list").node_at(0, [SequenceNode]),
        lambda node: node.validate_keys(["text", "list"]),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(ask: Any) -> None:
    node = placed({"text": "pony", "list": ["a"], "nested": [["a"]]})
    with pytest.raises(LoadError) as caught:
        ask(node)
    assert caught.value.reason == "INVALID_DATA"
    assert caught.value.where == "app.bst [line 3 column 2]"


def test_an_unexpected_key_names_the_nearest_valid_one() -> None:
    with pytest.raises(LoadError, match="Unexpected key: depend, did you mean 'depends'"):
        Node.from_dict({"depend": []}).validate_keys(["depends", "kind"])


def test_an_empty_mapping_is_true_and_an_empty_list_is_not() -> None:
    node = Node.from_dict({"map": {}, "list": []})
    assert node.get_mapping("map")
    assert not node.get_sequence("list")


def test_assigned_plain_data_stands_where_the_old_value_stood() -> None:
    node = placed({"a": "x", "list": ["y"]})
    node["a"] = {"b": 1}
    assert str(node.get_mapping("a").get_provenance()) == "app.bst [line 3 column 2]"
    sequence = node.get_sequence("list")
    sequence[0] = "z"
    sequence.append("w")
    assert sequence.as_str_list() == ["z", "w"]
    assert str(sequence.scalar_at(1).get_provenance()) == "app.bst [synthetic node]"


def test_a_clone_can_be_changed_without_changing_the_original() -> None:
    node = placed({"a": {"b": ["c"]}})
    copy = node.clone()
    copy.get_mapping("a").get_sequence("b").append("d")
    del copy.get_mapping("a")["b"]
    copy.safe_del("nothing")
    assert node.strip_node_info() == {"a": {"b": ["c"]}}


def test_labelled_nodes_say_their_label_as_their_place() -> None:
    node = MappingNode.from_plain({"a": "b"}, "app.bst [line 9 column 0]")
    assert str(node.get_scalar("a").get_provenance()) == "app.bst [line 9 column 0]"


def test_nodes_refuse_what_yaml_cannot_hold() -> None:
    with pytest.raises(TypeError):
        Node.from_dict({"a": 1.5})
    with pytest.raises(TypeError):
        Node.from_dict({"a": "b"})["c"] = object()


def test_nodes_are_compared_by_identity() -> None:
    first, second = ScalarNode("a"), ScalarNode("a")
    assert first != second
    assert len({first, second}) == 2
