"""Makes broken projects out of sound ones: a seed gives a project, always the same one.

Knows what goes wrong in files that people and editors write, and nothing of the tools that will read them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Files = dict[str, bytes]

# Sound projects, together using most of the format; `main.bst` is what is loaded.
PLAIN: Files = {
    "project.conf": b"""\
name: plain
min-version: 2.0
element-path: elements
variables:
  flavour: vanilla
  greeting: "hello %{flavour}"
environment:
  LANG: C
  MODE: "%{flavour}"
environment-nocache:
- MODE
split-rules:
  extra:
  - /extra
options:
  debug:
    type: bool
    description: Debugging
    default: false
  level:
    type: enum
    description: How much
    values: [low, high]
    default: low
    variable: level
  extras:
    type: flags
    description: What else
    values: [one, two]
    default: [one]
aliases:
  here: https://example.org/
fatal-warnings:
- overlaps
elements:
  manual:
    variables:
      mine: yes
    config:
      build-commands:
        (>):
        - echo project
sources:
  tar:
    base-dir: ""
defaults:
  targets:
  - main.bst
""",
    "elements/main.bst": b"""\
kind: stack
description: |
  All of it
depends:
- first.bst
- filename: second.bst
- deep/third.bst
public:
  bst:
    integration-commands:
    - echo done
""",
    "elements/first.bst": b"""\
kind: import
sources:
- kind: local
  path: files
config:
  target: /usr
(?):
- debug:
    variables:
      flavour: chocolate
- level == "high" and "two" in extras:
    variables:
      flavour: bitter
""",
    "elements/second.bst": b"""\
kind: manual
build-depends:
- filename: first.bst
  strict: true
runtime-depends:
- filename: deep/third.bst
variables:
  one: "%{greeting}"
  two: "%{one} and %{one}"
config:
  build-commands:
  - echo %{two}
  install-commands:
    (=):
    - mkdir -p %{install-root}
environment:
  DEEP: "%{two}"
(@):
- include/common.yml
""",
    "elements/deep/third.bst": b"""\
kind: filter
build-depends:
- filename: first.bst
config:
  include: [extra]
""",
    "include/common.yml": b"""\
variables:
  shared: value
public:
  notes:
  - {a: 1}
  - [x, y]
""",
    "files/one.txt": b"one\n",
}

NESTED: Files = {
    "project.conf": b"""\
name: nested
min-version: 2.0
(@): settings.yml
junctions:
  duplicates:
    sub:
    - sub.bst
""",
    "settings.yml": b"""\
variables:
  level: outer
""",
    "main.bst": b"""\
kind: compose
build-depends:
- filename: part.bst
  junction: sub.bst
- sub.bst:again.bst
- linked.bst
config:
  integrate: false
""",
    "sub.bst": b"""\
kind: junction
sources:
- kind: local
  path: sub
config:
  options:
    colour: red
  overrides:
    part.bst: own.bst
""",
    "own.bst": b"kind: stack\n",
    "linked.bst": b"kind: link\nconfig:\n  target: sub.bst:again.bst\n",
    "sub/project.conf": b"""\
name: sub
min-version: 2.0
options:
  colour:
    type: enum
    description: Colour
    values: [red, blue]
    default: blue
    variable: colour
""",
    "sub/part.bst": b"kind: stack\n",
    "sub/again.bst": b"kind: manual\nvariables:\n  shade: light %{colour}\ndepends:\n- part.bst\n",
}

BASES = (PLAIN, NESTED)


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken project: what it holds, which links and folders stand where files did, and what was done to it."""

    files: Files
    links: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    done: tuple[str, ...] = ()

    def write(self, directory: Path) -> None:
        """Write the project into `directory`."""
        for name, content in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name in self.folders:
            (directory / name).mkdir(parents=True, exist_ok=True)
        for name, target in self.links.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # one mutation made a file of it, another a link
            path.symlink_to(target)


def broken_project(seed: int) -> Broken:
    """The broken project of this seed."""
    chance = random.Random(seed)
    base = chance.choice(BASES)
    broken = Broken(dict(base))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        mutation = chance.choice(MUTATIONS)
        names = sorted(name for name in broken.files if not name.endswith(".txt"))
        if names:
            name = chance.choice(names)
            broken = mutation(chance, broken, name)
            broken = Broken(
                broken.files, broken.links, broken.folders, (*broken.done, f"{mutation.__name__} of {name}")
            )
    return broken


def _changed(broken: Broken, name: str, content: bytes) -> Broken:
    return Broken({**broken.files, name: content}, broken.links, broken.folders, broken.done)


def _without(broken: Broken, name: str) -> Files:
    return {path: content for path, content in broken.files.items() if path != name}


# Bytes


def flipped_bytes(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = bytearray(broken.files[name])
    for _ in range(chance.choice((1, 1, 2, 5))):
        if content:
            content[chance.randrange(len(content))] = chance.randrange(256)
    return _changed(broken, name, bytes(content))


def invalid_utf8(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = broken.files[name]
    place = chance.randrange(len(content) + 1)
    return _changed(
        broken, name, content[:place] + chance.choice((b"\xff", b"\xc3", b"\xed\xa0\x80")) + content[place:]
    )


def control_character(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = broken.files[name]
    place = chance.randrange(len(content) + 1)
    odd = chance.choice((b"\0", b"\t", b"\x1b", b"\r", "\u2028".encode(), "\ufeff".encode(), b"\x7f"))
    return _changed(broken, name, content[:place] + odd + content[place:])


def cut_short(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = broken.files[name]
    return _changed(broken, name, content[: chance.randrange(len(content) + 1)])


def emptied(chance: random.Random, broken: Broken, name: str) -> Broken:
    return _changed(broken, name, chance.choice((b"", b"\n", b"# nothing\n", b"---\n", b"...\n", b"---\n---\n")))


# Lines


def _lines(broken: Broken, name: str) -> list[bytes]:
    return broken.files[name].splitlines(keepends=True) or [b"\n"]


def lost_line(chance: random.Random, broken: Broken, name: str) -> Broken:
    lines = _lines(broken, name)
    del lines[chance.randrange(len(lines))]
    return _changed(broken, name, b"".join(lines))


def doubled_line(chance: random.Random, broken: Broken, name: str) -> Broken:
    lines = _lines(broken, name)
    place = chance.randrange(len(lines))
    return _changed(broken, name, b"".join(lines[: place + 1] + lines[place:]))


def swapped_lines(chance: random.Random, broken: Broken, name: str) -> Broken:
    lines = _lines(broken, name)
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return _changed(broken, name, b"".join(lines))


def moved_indent(chance: random.Random, broken: Broken, name: str) -> Broken:
    lines = _lines(broken, name)
    place = chance.randrange(len(lines))
    lines[place] = chance.choice((b" ", b"  ", b"    ", b"\t")) + lines[place]
    if chance.random() < 0.5:
        lines[place] = lines[place].lstrip()
    return _changed(broken, name, b"".join(lines))


# Values and keys

VALUES = (
    b"", b"~", b"null", b"[]", b"{}", b"[a, b]", b"{a: b}", b"true", b"no", b"-1", b"1e9999", b"0x1F", b"1_000", b"''",
    b"'%{'", b"'%{}'", b"'%{nowhere}'", b"'%{greeting}'", b"2.99", b"'2.0 '", b"../outside", b"/absolute", b"main.bst",
    b"first.bst", b"sub.bst:sub.bst:part.bst", b":", b"a:b:c", b"!!python/object:os.system x", b"!!binary aGVsbG8=",
    b"&anchor [*anchor]", b"*undefined", b"|\n  text", b">-\n  folded", b"2001-12-14", b"'\\0'", b'"\\x00"',
    b'"\\ud800"', b"? complex", b"- item", b"@reserved", b"`reserved", b"%directive", b"!tag value", b"local",
    b"manual", b"junction", b"link", b"nonsense", b"[[[[]]]]", b"{? [a] : b}", b"<<", b"{<<: {a: b}}", b"'a b'",
    b"2", b"1.0",
)  # fmt: skip
KEYS = (
    b"kind", b"depends", b"build-depends", b"runtime-depends", b"variables", b"environment", b"config", b"public",
    b"sandbox", b"sources", b"(@)", b"(?)", b"(!)", b"(>)", b"(<)", b"(=)", b"name", b"min-version", b"element-path",
    b"options", b"aliases", b"plugins", b"elements", b"nonsense", b"'(other)'", b"ref-storage", b"junctions",
    b"mirrors", b"artifacts", b"type", b"strict", b"filename", b"junction", b"split-rules", b"fatal-warnings",
    b"defaults", b"[a]",
)  # fmt: skip
ENTRY = re.compile(rb"^(\s*(?:- )?)([^\s:#][^:\n]*):(.*)$", re.M)


def other_value(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = broken.files[name]
    entries = list(ENTRY.finditer(content))
    if not entries:
        return _changed(broken, name, content + chance.choice(VALUES) + b"\n")
    entry = chance.choice(entries)
    return _changed(broken, name, content[: entry.start(3)] + b" " + chance.choice(VALUES) + content[entry.end(3) :])


def other_key(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = broken.files[name]
    entries = list(ENTRY.finditer(content))
    if not entries:
        return _changed(broken, name, content + chance.choice(KEYS) + b": x\n")
    entry = chance.choice(entries)
    return _changed(broken, name, content[: entry.start(2)] + chance.choice(KEYS) + content[entry.end(2) :])


def added_entry(chance: random.Random, broken: Broken, name: str) -> Broken:
    lines = _lines(broken, name)
    place = chance.randrange(len(lines) + 1)
    indent = re.match(rb"\s*", lines[place - 1] if place else b"")
    entry = (indent.group(0).rstrip(b"\n") if indent else b"") + chance.choice(KEYS) + b": " + chance.choice(VALUES)
    return _changed(broken, name, b"".join([*lines[:place], entry, b"\n", *lines[place:]]))


def misspelt_word(chance: random.Random, broken: Broken, name: str) -> Broken:
    content = broken.files[name]
    words = list(re.finditer(rb"[a-z]{3,}", content))
    if not words:
        return broken
    word = chance.choice(words)
    place = chance.randrange(word.start(), word.end())
    changed = chance.choice((content[:place] + content[place + 1 :], content[:place] + b"x" + content[place:]))
    return _changed(broken, name, changed)


# Size and depth


def deep_nesting(chance: random.Random, broken: Broken, name: str) -> Broken:
    depth = chance.choice((50, 500, 5_000, 50_000))
    flow = chance.choice((b"[", b"{a: "))
    text = b"\ndeep: " + flow * depth + (b"]" if flow == b"[" else b"}") * chance.choice((depth, 0))
    return _changed(broken, name, broken.files[name] + text + b"\n")


def deep_blocks(chance: random.Random, broken: Broken, name: str) -> Broken:
    depth = chance.choice((20, 200, 1_000))
    lines = [b" " * level + b"k:\n" for level in range(depth)]
    return _changed(broken, name, broken.files[name] + b"variables:\n" + b"".join(b" " + line for line in lines))


def huge_scalar(chance: random.Random, broken: Broken, name: str) -> Broken:
    size = chance.choice((10_000, 1_000_000, 5_000_000))
    entry = chance.choice((b"huge: ", b"description: ", b"name: ", b"kind: "))
    return _changed(broken, name, broken.files[name] + entry + b"x" * size + b"\n")


def many_entries(chance: random.Random, broken: Broken, name: str) -> Broken:
    count = chance.choice((1_000, 20_000))
    return _changed(broken, name, broken.files[name] + b"".join(b"k%d: v\n" % number for number in range(count)))


def alias_bomb(chance: random.Random, broken: Broken, name: str) -> Broken:
    levels = chance.choice((5, 30))
    text = b"a0: &a0 [x, x]\n" + b"".join(
        b"a%d: &a%d [*a%d, *a%d]\n" % (level, level, level - 1, level - 1) for level in range(1, levels)
    )
    return _changed(broken, name, broken.files[name] + text)


def growing_variables(chance: random.Random, broken: Broken, name: str) -> Broken:
    levels = chance.choice((4, 24))
    lines = [b"  v0: xx\n"] + [b"  v%d: '%%{v%d}%%{v%d}'\n" % (n, n - 1, n - 1) for n in range(1, levels)]
    content = broken.files[name]
    if b"variables:\n" in content:
        return _changed(broken, name, content.replace(b"variables:\n", b"variables:\n" + b"".join(lines), 1))
    return _changed(broken, name, content + b"variables:\n" + b"".join(lines))


# Relations


def circle(chance: random.Random, broken: Broken, name: str) -> Broken:
    elements = [path for path in broken.files if path.endswith(".bst")]
    target = chance.choice(elements).removeprefix("elements/").encode()
    return _changed(broken, name, broken.files[name] + b"build-depends:\n- " + target + b"\n")


def include_of_itself(chance: random.Random, broken: Broken, name: str) -> Broken:
    target = chance.choice(sorted(broken.files)).encode()
    return _changed(broken, name, broken.files[name] + b"(@): [" + target + b"]\n")


def long_chain(chance: random.Random, broken: Broken, name: str) -> Broken:
    length = chance.choice((100, 1_500))
    folder = "elements/" if "elements/main.bst" in broken.files else ""
    chain = {
        f"{folder}chain{number}.bst": b"kind: stack\ndepends:\n- chain%d.bst\n" % (number + 1)
        for number in range(length)
    }
    chain[f"{folder}chain{length}.bst"] = b"kind: stack\n"
    main = f"{folder}main.bst"
    chain[main] = b"kind: stack\ndepends:\n- chain0.bst\n"
    folders = tuple(name for name in broken.folders if name != main)
    links = {name: target for name, target in broken.links.items() if name != main}
    return Broken({**broken.files, **chain}, links, folders, broken.done)


# The file system


def lost_file(chance: random.Random, broken: Broken, name: str) -> Broken:
    return Broken(_without(broken, name), broken.links, broken.folders, broken.done)


def folder_instead(chance: random.Random, broken: Broken, name: str) -> Broken:
    return Broken(_without(broken, name), broken.links, (*broken.folders, name), broken.done)


def link_loop(chance: random.Random, broken: Broken, name: str) -> Broken:
    target = chance.choice((name.rsplit("/", 1)[-1], "nowhere", "/etc/passwd", "."))
    return Broken(_without(broken, name), {**broken.links, name: target}, broken.folders, broken.done)


def other_name(chance: random.Random, broken: Broken, name: str) -> Broken:
    new = chance.choice(("x" * 300 + ".bst", "a\nb.bst", "ü.bst", "-.bst", "a b.bst", "UPPER.BST"))
    new = new if len(new.encode()) < 250 else "x" * 240 + ".bst"
    return Broken({**_without(broken, name), new: broken.files[name]}, broken.links, broken.folders, broken.done)


Mutation = Callable[[random.Random, Broken, str], Broken]
MUTATIONS: tuple[Mutation, ...] = (
    flipped_bytes, invalid_utf8, control_character, cut_short, emptied, lost_line, doubled_line, swapped_lines,
    moved_indent, other_value, other_value, other_value, other_key, other_key, added_entry, added_entry, misspelt_word,
    misspelt_word, deep_nesting, deep_blocks, huge_scalar, many_entries, alias_bomb, growing_variables, circle,
    include_of_itself, long_chain, lost_file, folder_instead, link_loop, other_name,
)  # fmt: skip
