"""Writes a BuildStream project of a chosen size, for measurements.

Knows the project format as far as it writes it, and nothing of the tools that will be measured with it.

    python -m bench.make_project DIRECTORY [--elements 1000] [--kind import] [--width 200] [--fan-in 4] [--seed 1]
                                           [--sources local|none]

Elements are numbered, and each depends on some that come shortly before it: the graph is as deep as an operating
system's, and the closures grow with the project. The stack `all.bst` depends on the last layer, and so on everything
that matters.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

# The first elements depend on nothing: every project has a base to stand on
ROOTS = 20
# A dependency is at least this far back, so that some elements can always be built side by side
NEAREST = 10

PROJECT_CONF = """\
name: measured
min-version: 2.0
element-path: elements
variables:
  flavour: plain
options:
  debug:
    type: bool
    description: Build with debugging aids
    default: false
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a project looks like.

    `elements` counts the elements beside `all.bst`; `kind` is the kind of each; `width` is how far back a dependency
    may reach, in elements; `fan_in` is how many direct dependencies each has at most; `sources` says whether each has
    a local source with one small file.
    """

    elements: int = 1000
    kind: str = "import"
    width: int = 200
    fan_in: int = 4
    seed: int = 1
    sources: bool = True


def dependencies(shape: Shape) -> list[tuple[int, ...]]:
    """For each element in turn, the numbers of the elements that it depends on, in ascending order."""
    chance = random.Random(shape.seed)
    graph: list[tuple[int, ...]] = []
    for number in range(shape.elements):
        if number < ROOTS:
            graph.append(())
            continue
        candidates = range(max(0, number - shape.width), number - NEAREST + 1)
        graph.append(tuple(sorted(chance.sample(candidates, min(shape.fan_in, len(candidates))))))
    return graph


def element_name(number: int) -> str:
    return f"part-{number:05d}.bst"


def element_text(number: int, needs: tuple[int, ...], shape: Shape) -> str:
    """The text of one element file, with a bit of everything that real elements have."""
    blocks = [f"kind: {shape.kind}\ndescription: Part {number} of a measured project\n"]
    if needs:
        blocks.append("depends:\n" + "".join(f"- {element_name(need)}\n" for need in needs))
    blocks.append(f"variables:\n  part: '{number:05d}'\n  place: '%{{datadir}}/parts/%{{part}}'\n")
    if shape.sources:
        blocks.append(f"sources:\n- kind: local\n  path: files/{number:05d}\n")
    if shape.kind == "import":
        blocks.append("config:\n  target: '%{place}'\n")
    elif shape.kind == "manual":
        blocks.append("config:\n  install-commands:\n  - mkdir -p '%{install-root}%{place}'\n")
    blocks.append("public:\n  bst:\n    split-rules:\n      notes:\n      - '%{place}/notes'\n")
    blocks.append("(?):\n- debug:\n    variables:\n      flavour: debug\n")
    return "\n".join(blocks)


def write_project(directory: Path, shape: Shape) -> None:
    """Write the project into `directory`, which is made if it is missing."""
    elements = directory / "elements"
    elements.mkdir(parents=True, exist_ok=True)
    (directory / "project.conf").write_text(PROJECT_CONF)
    for number, needs in enumerate(dependencies(shape)):
        (elements / element_name(number)).write_text(element_text(number, needs, shape))
        if shape.sources:
            folder = directory / "files" / f"{number:05d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"part-{number:05d}.txt").write_text(f"This is part {number}.\n")
    layer = range(max(0, shape.elements - shape.width), shape.elements)
    (elements / "all.bst").write_text("kind: stack\ndepends:\n" + "".join(f"- {element_name(n)}\n" for n in layer))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.make_project", description="Write a project for measurements.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--elements", type=int, default=1000, help="how many elements, beside all.bst")
    parser.add_argument("--kind", default="import", help="the kind of each element")
    parser.add_argument("--width", type=int, default=200, help="how far back a dependency may reach")
    parser.add_argument("--fan-in", type=int, default=4, help="how many direct dependencies each element has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", choices=("local", "none"), default="local")
    words = parser.parse_args()
    shape = Shape(words.elements, words.kind, words.width, words.fan_in, words.seed, words.sources == "local")
    write_project(words.directory, shape)


if __name__ == "__main__":
    main()
