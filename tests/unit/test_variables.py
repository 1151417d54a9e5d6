"""Variables resolve what they refer to, however deep, and say what is missing or goes in a circle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.plugin.node import Node
from grilse.plugin.variables import Variables
from grilse.protocol.errors import LoadError


def variables(base: Variables | None = None, **values: object) -> Variables:
    return Variables(Node.from_dict({name.replace("_", "-"): value for name, value in values.items()}), base)


def test_references_are_resolved_through_any_number_of_steps() -> None:
    count = 20_000
    chain = Variables(Node.from_dict({f"v{i}": f"%{{v{i + 1}}}" for i in range(count)} | {f"v{count}": "end"}))
    assert chain["v0"] == "end"


def test_text_that_only_looks_like_a_reference_stays() -> None:
    found = variables(a="%{1x} %{} %{a b} %{b", b="%")
    found.check()
    assert found["a"] == "%{1x} %{} %{a b} %{b"


def test_iterating_gives_names_and_values_in_order_of_declaration() -> None:
    base = variables(z="1", a="%{z}")
    assert list(variables(base, m="%{a}", z="2")) == [("z", "2"), ("a", "2"), ("m", "2")]
    assert variables(base, z="3").plain() == {"z": "3", "a": "3"}


def test_variables_laid_over_others_change_what_refers_to_them_and_nothing_else() -> None:
    base = variables(prefix="/usr", bindir="%{prefix}/bin", other="x")
    assert base["bindir"] == "/usr/bin"
    over = variables(base, prefix="/opt")
    assert over["bindir"] == "/opt/bin"
    assert base["bindir"] == "/usr/bin"
    assert variables(over, bindir="b", tool="%{bindir}/t")["tool"] == "b/t"


def test_a_base_may_refer_to_what_is_defined_above_it() -> None:
    base = variables(a="%{element-name}.x")
    assert variables(base, element_name="e")["a"] == "e.x"
    with pytest.raises(LoadError, match="undefined variable 'element-name'"):
        variables(base, other="1").check()


def test_a_plain_value_may_replace_a_reference_and_the_other_way_round() -> None:
    base = variables(a="%{b}", b="1")
    base.check()
    assert variables(base, a="2").plain() == {"a": "2", "b": "1"}
    assert variables(base, b="%{c}", c="3").plain() == {"a": "3", "b": "3", "c": "3"}
    with pytest.raises(LoadError) as caught:
        variables(base, b="%{a}").check()
    assert caught.value.reason == "CIRCULAR_REFERENCE_VARIABLE"


def test_a_circle_is_named_step_by_step() -> None:
    with pytest.raises(LoadError) as caught:
        variables(x="%{a}", a="%{b}", b="%{c}", c="%{a}").check()
    assert caught.value.reason == "CIRCULAR_REFERENCE_VARIABLE"
    assert caught.value.detail is not None
    assert [line.split(": ")[1] for line in caught.value.detail.splitlines()] == [
        "Variable 'a' refers to variable 'b'",
        "Variable 'b' refers to variable 'c'",
        "Variable 'c' refers to variable 'a'",
    ]


@pytest.mark.parametrize("text", ["%{nowhere}", "x%{plain}%{nowhere}"])
def test_an_undefined_reference_is_refused_in_variables_and_in_other_text(text: str) -> None:
    with pytest.raises(LoadError) as caught:
        variables(a=text, plain="1").check()
    assert caught.value.reason == "UNRESOLVED_VARIABLE"
    with pytest.raises(LoadError) as caught:
        variables(plain="1").expand(Node.from_dict({"t": text}).get_scalar("t"))
    assert caught.value.reason == "UNRESOLVED_VARIABLE"


def test_notparallel_means_one_job() -> None:
    base = variables(max_jobs="8", jobs="-j%{max-jobs}", notparallel=False)
    assert base["jobs"] == "-j8"
    assert variables(base, notparallel=True)["jobs"] == "-j1"


def test_expanding_a_tree_shares_what_has_no_references() -> None:
    tree = Node.from_dict({"a": ["%{x}", "y"], "b": {"c": "d"}, "e": "%{x}%{x}", "n": None})
    result = variables(x="1").expand(tree)
    assert result.strip_node_info() == {"a": ["1", "y"], "b": {"c": "d"}, "e": "11", "n": None}
    assert result.get_mapping("b") is tree.get_mapping("b")
    assert tree.get_str("e") == "%{x}%{x}"


def test_values_that_grow_without_bound_are_refused() -> None:
    doubling = {f"v{i}": f"%{{v{i + 1}}}%{{v{i + 1}}}" for i in range(64)} | {"v64": "x"}
    with pytest.raises(LoadError) as caught:
        Variables(Node.from_dict(doubling)).check()
    assert caught.value.reason == "INVALID_DATA"


def test_a_variable_that_is_not_a_scalar_is_refused() -> None:
    with pytest.raises(LoadError) as caught:
        variables(a=["1"])
    assert caught.value.reason == "INVALID_DATA"
    with pytest.raises(LoadError) as caught:
        variables(variables(a="1"), a=["1"])
    assert caught.value.reason == "ILLEGAL_COMPOSITE"


NAMES = st.sampled_from("abcdef")
DECLARED = st.dictionaries(NAMES, st.lists(NAMES, max_size=2).map(lambda names: "".join(f"%{{{n}}}." for n in names)))


@given(st.lists(DECLARED, min_size=1, max_size=4))
def test_layers_resolve_as_one_flat_mapping_does(layers: list[dict[str, str]]) -> None:
    flat: dict[str, object] = {}
    stacked: Variables | None = None
    for layer in layers:
        flat.update(layer)
        stacked = Variables(Node.from_dict(dict(layer)), stacked)
    assert stacked is not None

    def outcome(found: Variables) -> object:
        try:
            return found.plain()
        except LoadError as error:
            return error.reason

    expected = outcome(Variables(Node.from_dict(flat)))
    if isinstance(expected, dict):
        assert outcome(stacked) == expected
    else:
        assert not isinstance(outcome(stacked), dict)


LETTERS = ("name", "a", "b", "c", "d")
TEXTS = st.lists(st.sampled_from(("x", "/", *(f"%{{{name}}}" for name in LETTERS))), max_size=3).map("".join)
NAMED = st.dictionaries(st.sampled_from(LETTERS), TEXTS, max_size=5)


def outcome(own: dict[str, str], base: Variables, hole: str) -> object:
    found = Variables(Node.from_dict({**own, "name": own.get("name", "n")}), base, hole=hole)
    try:
        every = found.plain()
    except LoadError as error:
        return error.reason, str(error)
    return list(every.items()), [found[name] for name in every]


@given(below=NAMED, owns=st.lists(NAMED, min_size=1, max_size=4))
def test_what_is_worked_out_once_for_all_names_is_what_each_would_get(
    below: dict[str, str], owns: list[dict[str, str]]
) -> None:
    base, other = Variables(Node.from_dict(below)), Variables(Node.from_dict(below))
    for own in owns:
        assert outcome(own, base, "name") == outcome(own, other, "")
