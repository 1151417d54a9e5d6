"""Formats print symbols with Python's format specs, leave other text alone, and ask only for what they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grilse.project.api import LoadSession
from grilse.project.load_element import LoadElement
from grilse.project.show import UNKNOWN_KEY, compile_format
from grilse.protocol.errors import StreamError

CONF = "name: test\nmin-version: 2.0\n"


class Fake:
    """A view whose values are given; asking for another is an error."""

    def __init__(self, load_element: LoadElement, **values: Any) -> None:
        self.load_element = load_element
        self._values = values

    def __getattr__(self, name: str) -> Callable[[], Any]:
        return lambda: self._values[name]


@pytest.fixture
def element(tmp_path: Path, open_project: Callable[..., LoadSession]) -> LoadElement:
    (tmp_path / "project.conf").write_text(CONF)
    text = "kind: manual\ndescription: |\n  one\n  two\nbuild-depends: [b.bst]\nruntime-depends: [c.bst]\n"
    (tmp_path / "a.bst").write_text(text)
    for name in "bc":
        (tmp_path / f"{name}.bst").write_text("kind: stack\n")
    return open_project(tmp_path).load(["a.bst"])[0]


def shown(element: LoadElement, text: str, **values: Any) -> str:
    return compile_format(text, 8).report([Fake(element, **values)])


def test_names_and_dependencies(element: LoadElement) -> None:
    assert shown(element, "%{name} {name} %{name}") == "a.bst {name} a.bst"
    assert shown(element, "%{kind}|%{description}|%{unknown}|%{named}") == "manual|one two|%{unknown}|%{named}"
    assert shown(element, "%{deps}") == "- b.bst\n- c.bst"
    assert shown(element, "%{build-deps}+%{runtime-deps}") == "- b.bst+- c.bst"


def test_keys(element: LoadElement) -> None:
    assert shown(element, "%{key} %{full-key}", key=("0123456789", True)) == "01234567 0123456789"
    assert shown(element, "%{key}%{full-key}", key=(None, True)) == f"????????{UNKNOWN_KEY}"


def test_specs(element: LoadElement) -> None:
    assert (
        shown(element, "[%{state: >12}][%{name:^9}][%{kind!r}]", state="cached")
        == "[      cached][  a.bst  ]['manual']"
    )
    with pytest.raises(StreamError):
        shown(element, "%{name:q}")


def test_documents(element: LoadElement) -> None:
    assert shown(element, "%{vars}%{env}", variables={"a": "b"}, environment={}) == "a: b\n{}\n"
    assert shown(element, "%{source-info}", source_info=[]) == "[]\n"
    assert shown(element, "%{source-info}\n\n", source_info=[]) == "[]\n"
    assert shown(element, "%{name}\nend\n") == "a.bst\nend"
    assert shown(element, "text\n") == "text"
    assert shown(element, "%{source-info}|", source_info=[]) == "[]\n|"


def test_workspaces(element: LoadElement) -> None:
    assert shown(element, "%{workspaced}%{workspace-dirs}|", workspace=None) == "|"
    assert shown(element, "%{workspaced} %{workspace-dirs}", workspace="/w") == "(workspaced) Workspace: /w"


def test_styles_see_symbol_and_strictness(element: LoadElement) -> None:
    view = Fake(element, key=("12", False))
    form = compile_format("%{name}:%{key}", 8)
    assert form.line(view, lambda text, symbol, dim: f"<{symbol}{'-' * dim} {text}>") == "<name- a.bst>:<key- 12>"
