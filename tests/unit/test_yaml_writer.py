"""Documents are written exactly as ruamel.yaml writes them, by rules of our own wherever these suffice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grilse.project import yaml_writer
from grilse.project.yaml_writer import write_yaml

# Text near what the rules are about: indicators, quotes, white space at either end, line breaks.
TEXT = st.text(
    st.sampled_from("ab -:#'\"\\\n\t?!,[]{}%@`&*|>.~=/\x85\xa0\u2028é\x7f\x00\ufeff😀"), max_size=8
) | st.text(max_size=12)
KEYS = st.text(st.sampled_from("abz019_-./+ @%~"), min_size=1, max_size=10)
DATA = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers(-5, 5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, DATA, max_size=3) | st.lists(DATA, max_size=3))
@example({"a": ["", [], {}, [["x"]], [{"b": "c", "d": ["e"]}]]})
@example({"a": "x: y", "b": "x #y", "c": "- x", "d": "-x", "e": "a:b", "f": "? x", "g": ":", "h": "a  b", "i": "..."})
@example({"a": "it's", "b": "one\ntwo", "c": " x", "d": "x ", "e": "tab\t", "f": "nel\x85", "g": "'", "h": '"x"'})
@example({"a": "word " * 3000})
@example({"- x": "y"})
@example({"...x": "y", "a:": "b", "a ": "c"})
def test_a_document_is_written_as_ruamel_writes_it(data: Any) -> None:
    assert write_yaml(data) == yaml_writer._write_with_ruamel(data)


def test_ordinary_documents_need_no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_writer, "_write_with_ruamel", None)
    data = {"vars": {"cflags": "-O2 -g ", "script": "set -e\necho 'hi'", "empty": ""}, "list": ["%{x}", "a: b"]}
    assert write_yaml(data) == (
        "vars:\n  cflags: '-O2 -g '\n  script: \"set -e\\necho 'hi'\"\n  empty:\nlist:\n- '%{x}'\n- 'a: b'\n"
    )
