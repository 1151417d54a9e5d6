"""The reader of simple YAML gives what the parser's events give, or leaves the file alone."""

from __future__ import annotations

import random
from typing import Any

import pytest

from grilse.plugin.node import FileInfo, MappingNode
from grilse.project.parsed_cache import _plain
from grilse.project.simple_yaml import MAX_BYTES, read_simple
from grilse.project.yaml_reader import read_any, read_yaml
from grilse.protocol.errors import LoadError

ELEMENT = """\
# A comment
kind: meson
description: |

  Some words: with a colon, and a # that is none

    further in
  and out

sources:
- kind: git_repo   # the first
  url: github:some/thing.git
  ref: v1.2-0-gabc\x20\x20
- kind: patch
  path:
    patches/thing/some-patch.patch
  'quoted': "double # quoted: text "
build-depends:
  - base.bst
  -   junction.bst:other.bst
  - filename: third.bst
    config:
      location: '/'
variables:
  meson-local: >-
    -Dfirst=true
    -Dsecond=false

    -Dthird="a b"
  empty: []
  none: {}
(?):
- target_arch == "x86_64" and foo in ("a", "b"):
    variables:
      x: --flag
public:
  bst:
    split-rules:
      devel:
        (>):
        - "%{libdir}/lib*.so"
        - '%{bindir}/tool'
        - /plain/path#with:marks
    integration-commands:
    - | # said of it
      if true; then
        echo é
      fi
"""

READ = {
    "element": ELEMENT,
    "no line break at the end": "a: b",
    "several blank lines": "\n\na: b\n\n\n",
    "numbers and words": "a: 1\nb: true\nc: ~\nd: -1\ne: =\nf: <<\n",
    "nested lists of mappings": "a:\n- b:\n  - c: d\n    e: f\n  g: h\n- i\n",
    "list further in": "a:\n    - b\n    - c\nd: e\n",
    "comment between": "a:\n  # one\n  b: c\n# two\n  # three\nd:\n# four\n- e\n",
    "comment ends a block": "a: |\n  text\n # not text\nb: c\n",
    "block at the end": "a:\n- |\n  text\n   more\n\n\n",
    "keep and strip": "a: |+\n  text\n\nb: >-\n  c\n  d\n\n\n  e\n",
    "quotes inside": 'a: it\'s "so"\nb: \'x\'\n"c": d\n',
    "tight marks": "a:b: c:d\ne: f#g\nh: http://i/j\n",
}
LEFT = {
    "nothing": "",
    "comments only": "# nothing\n",
    "list": "- a\n",
    "value missing": "a:\nb: c\n",
    "value missing at the end": "a:\n",
    "duplicate": "a: b\na: c\n",
    "text over lines": "a: b\n  c\n",
    "text over lines, begun late": "a:\n  b\n  c\n",
    "item over lines": "a:\n- b\n  c\n",
    "flow": "a: [b, c]\n",
    "anchor": "a: &b c\n",
    "tag": "a: !b c\n",
    "escapes": 'a: "\\n"\n',
    "quote in quotes": "a: 'it''s'\n",
    "two documents": "a: b\n---\nc: d\n",
    "end of document": "a: b\n...\n",
    "tab": "a:\tb\n",
    "carriage return": "a: b\r\n",
    "line separator": "a: x\u2028y\n",
    "next line": "a: b\u0085c: d\n",
    "byte order mark": "\ufeffa: b\n",
    "indented root": "  a: b\n",
    "bad indentation": "a:\n    b: c\n  d: e\n",
    "nested dashes": "a:\n- - b\n",
    "dash alone": "a:\n-\n  b: c\n",
    "explicit indentation": "a: |2\n  b\n",
    "folded, further in": "a: >\n  b\n    c\n  d\n",
    "block without text": "a: |\nb: c\n",
    "colon in text": "a: b: c\n",
    "key with a blank": "a : b\n",
    "long key": f"{'a' * 1100}: b\n",
    "large": f"a: {'b' * MAX_BYTES}\n",
}


def read(text: str) -> tuple[MappingNode, FileInfo] | None:
    file = FileInfo("", "", "")
    if read_simple(text.encode(), file) is None:
        return None
    return read_yaml(text.encode(), file), file


def expected(text: str) -> tuple[MappingNode, FileInfo]:
    file = FileInfo("", "", "")
    return read_any(text.encode(), file), file


def shape(node: Any) -> Any:
    """A node with the places of all in it, the order of keys included."""
    tag, value, line, column = _plain(node) if not isinstance(node, list) else node
    if tag == 2:
        value = [(key, shape(child)) for key, child in value.items()]
    elif tag == 1:
        value = [shape(child) for child in value]
    return tag, value, line, column


def assert_same(text: str) -> bool:
    found = read(text)
    if found is None:
        return False
    try:
        root, file = expected(text)
    except LoadError as error:
        raise AssertionError(f"reads what is refused ({error}):\n{text}") from error
    assert shape(found[0]) == shape(root), text
    for name in ("directives", "conditionals", "includes"):
        assert getattr(found[1], name) == getattr(file, name), text
    assert found[1].toplevel is found[0]
    return True


@pytest.mark.parametrize("what", READ)
def test_what_is_simple_is_read_as_the_parser_reads_it(what: str) -> None:
    assert assert_same(READ[what])


@pytest.mark.parametrize("what", LEFT)
def test_what_is_not_simple_is_left_to_the_parser(what: str) -> None:
    assert read_simple(LEFT[what].encode(), FileInfo("", "", "")) is None


PIECES = [
    *" \n:-#'\"|>[]{}&*!%@`,?()<=+~.\\\tab0é_/\xa0\u2028",
    ": ",
    " #",
    "- ",
    "\n  ",
    "\n- ",
    "\n\n",
    "|\n",
    ">-\n",
]
PIECES += ['""', "''", "[]", "{}", "---\n", "...\n", "? ", "\n #", "\n    x", " \n"]


def changed(text: str, dice: random.Random) -> str:
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        place = dice.randrange(len(text) + 1)
        what = dice.random()
        if what < 0.45:
            text = text[:place] + dice.choice(PIECES) + text[place:]
        elif what < 0.7:
            text = text[:place] + text[place + dice.choice((1, 1, 1, 2, 3)) :]
        elif what < 0.85:
            text = text[:place] + dice.choice(PIECES) + text[place + 1 :]
        else:
            lines = text.split("\n")
            line = dice.randrange(len(lines))
            if what < 0.9:
                lines[line] = dice.choice((" ", "  ", "    ")) + lines[line]
            elif what < 0.95:
                lines[line] = lines[line][dice.choice((1, 2)) :]
            else:
                lines.insert(line, lines[dice.randrange(len(lines))])
            text = "\n".join(lines)
    return text


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_read_as_the_parser_reads_them_or_left(seed: int) -> None:
    dice = random.Random(seed)
    same = sum(assert_same(changed(ELEMENT, dice)) for _ in range(700))
    assert same > 100
