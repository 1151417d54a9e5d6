"""Keys are those of the whole text, however they are computed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from grilse.plugin import keytext
from grilse.plugin.closure import build_closure, runtime_closure
from grilse.plugin.node import MappingNode
from grilse.plugin.types import OverlapAction
from grilse.project.own_key import compute_missing_keys
from grilse.project.resolved import ResolvedElement


def text_of(element: ResolvedElement, dependencies: list[list[str]], weak: str | None) -> str:
    """The key of an element, from the text written out."""
    plugin = element.element()
    parts: dict[str, Any] = {
        "core-artifact-version": 11,
        "dependencies": dependencies,
        "element-base-key": {"build-root": element.variable("build-root")},
        "element-plugin-key": plugin.get_unique_key(),
        "element-plugin-name": element.kind,
        "element-plugin-version": plugin.BST_ARTIFACT_VERSION,
        "fatal-warnings": sorted(element.project.fatal_warnings),
        "public": element.plain_public(),
        "sources": element.source_keys,
    }
    if plugin.BST_RUN_COMMANDS:
        parts["environment"] = element.environment()
        parts["sandbox"] = element.sandbox
    if weak is not None:
        parts["weak-cache-key"] = weak
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def expected_keys(element: ResolvedElement) -> tuple[str, str]:
    """Weak and strict key, from the closure walked anew."""
    closure = list(build_closure(element))
    strong = element.element().BST_STRICT_REBUILD
    strict = {id(below) for below in element.strict_dependencies}
    names: list[list[Any]] = [
        [below.project.name, below.name, below.weak_key]
        if strong or id(below) in strict
        else [below.project.name, below.name]
        for below in closure
    ]
    weak = text_of(element, names, None)
    keyed = [[below.project.name, below.name, below.strict_key] for below in closure]
    return weak, text_of(element, keyed, weak)  # type: ignore[arg-type]


def graph(count: int, seed: int) -> dict[str, str]:
    """Elements of several kinds that depend on earlier ones in all ways."""
    rng = random.Random(seed)
    files = {}
    for index in range(count):
        kind = rng.choice(["stack", "manual", "manual", "compose", "script"])
        lines = [f"kind: {kind}"]
        listed = rng.sample(range(index), min(index, rng.randrange(5)))
        for number in listed:
            if kind == "stack":
                lines += ["depends:"] * (number == listed[0]) + [f"- e{number}.bst"]
                continue
            lines += ["depends:"] * (number == listed[0]) + [f"- filename: e{number}.bst"]
            types = ["build"] if kind in ("compose", "script") else ["build", "runtime", "all"]
            chosen = rng.choice(types)
            lines.append(f"  type: {chosen}")
            if chosen != "runtime" and rng.random() < 0.3:
                lines.append("  strict: true")
        files[f"e{index}.bst"] = "\n".join(lines) + "\n"
    return files


@pytest.mark.parametrize("seed", range(8))
def test_keys_are_those_of_the_whole_text(project: Callable[..., Any], seed: int) -> None:
    files = graph(40, seed)
    for element in project(files).load(*files):
        assert list(element.build_closure) == list(build_closure(element))
        assert list(element.run_closure) == list(runtime_closure([element]))
        assert len(element.run_closure) == len(list(element.run_closure))
        assert (element.weak_key, element.strict_key) == expected_keys(element)
        assert element.cache_key == element.strict_key


def test_a_build_that_is_not_strict_has_full_keys_of_what_is_there(project: Callable[..., Any]) -> None:
    files = {
        "a.bst": "kind: manual\n",
        "b.bst": "kind: manual\ndepends: [a.bst]\n",
        "c.bst": "kind: manual\nbuild-depends: [b.bst]\n",
    }
    c = project(files, strict=False).one("c.bst")
    assert c.cache_key is None
    assert c.full_key(lambda below: None) is None
    assert c.full_key(lambda below: below.strict_key) == c.strict_key
    changed = c.full_key(lambda below: "0" * 64)
    assert changed == text_of(c, [["test", "a.bst", "0" * 64], ["test", "b.bst", "0" * 64]], c.weak_key)


def test_without_a_ref_there_is_no_key_here_nor_above(project: Callable[..., Any]) -> None:
    files = {
        "a.bst": "kind: import\nsources:\n- kind: tar\n  url: https://example.org/a.tar\n",
        "b.bst": "kind: manual\ndepends: [a.bst]\n",
        "c.bst": "kind: compose\nbuild-depends: [b.bst]\n",
    }
    c, b, a = project(files).load("c.bst", "b.bst", "a.bst")
    assert (a.weak_key, a.strict_key, a.is_resolved) == (None, None, False)
    # Its name is all that the weak key of what depends on it needs
    assert b.weak_key is not None
    assert b.strict_key is None
    # An element that is built again with every change needs the weak key of all that it is built with
    assert c.weak_key is None


def test_a_ref_that_is_found_gives_keys_here_and_above(project: Callable[..., Any]) -> None:
    files = {
        "a.bst": "kind: import\nsources:\n- kind: tar\n  url: https://example.org/a.tar\n",
        "b.bst": "kind: manual\ndepends: [a.bst]\n",
        "c.bst": "kind: compose\nbuild-depends: [b.bst]\n",
        "d.bst": "kind: import\nsources:\n- kind: tar\n  url: https://example.org/d.tar\n",
    }
    a, b, c, d = project(files).load("a.bst", "b.bst", "c.bst", "d.bst")
    elements = [a, b, c, d]
    assert compute_missing_keys(elements, strict=True) == []
    source = a.element()._grilse.sources[0]
    source.set_ref("0" * 64, MappingNode.from_plain({}))
    assert compute_missing_keys(elements, strict=True) == [a, b, c]
    for element in (a, b, c):
        assert (element.weak_key, element.strict_key) == expected_keys(element)
        assert element.cache_key == element.strict_key
    assert d.strict_key is None
    assert compute_missing_keys(elements, strict=True) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": [1, True, None], "a": "x/y"}, r'{"a":"x/y","b":[1,true,null]}'),
        ("é\x7f\U0001d4b3\u2028", '"\\u00e9\x7f\\ud835\\udcb3\\u2028"'),
        ('\b\f\n\r\t"\\\x00\x1f<>&', r'"\b\f\n\r\t\"\\\u0000\u001f<>&"'),
        ([1.0, 0.1, 1e16, 1e-7, -3.0e-5], "[1.0,0.1,1e+16,1e-7,-3e-5]"),
        ((1, ("a",)), '[1,["a"]]'),
        ({True: 1}, '{"true":1}'),
        ({"ü": 1, "z": 2, "é": 3}, r'{"z":2,"\u00e9":3,"\u00fc":1}'),
        (1, "1"),
        (None, "null"),
    ],
)
def test_the_text_is_that_of_ujson(value: Any, text: str) -> None:
    assert keytext.encode(value).decode("latin-1") == text


@pytest.mark.parametrize("value", [object(), {"a": object()}, {(1,): 2}, {1}, b"x", [{"a"}], OverlapAction.ERROR])
def test_what_cannot_be_part_of_a_key_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        keytext.encode(value)
