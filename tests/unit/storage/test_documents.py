"""Documents in the cache are YAML that reads back, in the form BuildStream writes."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grilse.storage.documents import dump_document

TEXTS = st.text(max_size=12) | st.text(" ab:#-?'\"\n\t,[]{}&*!|>%@`\\.=~<", max_size=12)
DOCUMENTS: Any = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=10
)


class TextLoader(yaml.BaseLoader):
    """Reads every scalar as text."""


@given(st.dictionaries(TEXTS, DOCUMENTS, max_size=4) | st.lists(DOCUMENTS, max_size=4))
def test_what_is_written_is_read_back(data: Any) -> None:
    text = dump_document(data)
    assert yaml.load(text, TextLoader) == data


# What BuildStream 2.8.1 wrote (through ruamel.yaml) for the same text.
SCALARS = [
    ("a", "a"), ("", ""), ("true", "true"), ("1.0", "1.0"), ("null", "null"), ("~", "~"), ("=", "="),
    ("a: b", "'a: b'"), ("a #b", "'a #b'"), ("#x", "'#x'"), ("- x", "'- x'"), ("-x", "-x"), ("-", "'-'"),
    ("[a]", "'[a]'"), ("{a}", "'{a}'"), ("a, b", "a, b"), ("*a", "'*a'"), ("&a", "'&a'"), ("!t", "'!t'"),
    ("%{x}", "'%{x}'"), ("@x", "'@x'"), ("`x", "'`x'"), ("|", "'|'"), ("> x", "'> x'"), ("'q'", "\"'q'\""),
    ('"q"', "'\"q\"'"), ("it's", "it's"), ("?", "'?'"), ("?k", "?k"), ("x:", "'x:'"), (":x", ":x"), ("a:b", "a:b"),
    ("--- x", "'--- x'"), ("...", "'...'"), ("tab\tx", '"tab\\tx"'), ("multi\nline", '"multi\\nline"'),
    ("é", "é"), ("😀", "😀"), ("\x01", '"\\x01"'), ("\ufeff", '"\\uFEFF"'), ("a\r\nb", '"a\\r\\nb"'), ("a\\b", "a\\b"),
    ("http://x:80/y#z", "http://x:80/y#z"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "written"), SCALARS)
def test_scalars_have_bst_s_form(text: str, written: str) -> None:
    assert dump_document({"key": text}) == f"key:{' ' if written else ''}{written}\n"


def test_collections_have_bst_s_form() -> None:
    data = {
        "empty": {}, "el": [], "l": ["a", {"k": "v", "w": ["x", "y"]}, ["n", "m"], "m\nn", ""],
        "nest": {"a": {"b": {"c": "d"}}, "l": ["x"]}, "weird key: x": "v", "": "emptykey", "mk\nx": "y",
        "k" * 122: "v", "l" * 123: ["v"],
    }  # fmt: skip
    assert dump_document(data) == (
        'empty: {}\nel: []\nl:\n- a\n- k: v\n  w:\n  - x\n  - y\n- - n\n  - m\n- "m\\nn"\n- \n'
        "nest:\n  a:\n    b:\n      c: d\n  l:\n  - x\n'weird key: x': v\n'': emptykey\n? \"mk\\nx\"\n: y\n"
        f"{'k' * 122}: v\n? {'l' * 123}\n: - v\n"
    )


def test_other_scalars_are_written_as_yaml_has_them() -> None:
    assert dump_document({"a": True, "b": None, "c": 1}) == "a: true\nb: null\nc: 1\n"
    assert dump_document({}) == "{}\n" and dump_document([]) == "[]\n"
