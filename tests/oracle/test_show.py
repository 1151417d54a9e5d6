"""What `show` says of every element equals what BuildStream says: generated projects, the examples, common faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.make_project import Shape, write_project

from .compare import Comparison
from .tools import REPOSITORY

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(120)]

Agree = Callable[..., Comparison]


@pytest.mark.parametrize(
    "shape",
    [
        Shape(elements=40),
        Shape(elements=60, width=25, fan_in=7, seed=7),
        Shape(elements=30, kind="manual", sources=False, seed=3),
    ],
    ids=["imports", "dense imports", "manual"],
)
def test_a_generated_project_is_the_same_in_every_field(tmp_path: Path, agree: Agree, shape: Shape) -> None:
    write_project(tmp_path, shape)
    assert agree(tmp_path, ["all.bst"]).elements == shape.elements + 1
    agree(tmp_path, ["all.bst"], options=["--option", "debug", "True"])
    agree(tmp_path, ["all.bst"], options=["--no-strict"])


@pytest.mark.parametrize("deps", ["none", "run", "build", "all"])
def test_each_choice_of_dependencies_shows_the_same_elements(tmp_path: Path, agree: Agree, deps: str) -> None:
    write_project(tmp_path, Shape(elements=30))
    agree(tmp_path, ["all.bst"], deps=deps, fields=["key"])


@pytest.mark.parametrize("example", sorted(p.parent.name for p in REPOSITORY.glob("examples/*/project.conf")))
def test_an_example_is_the_same_in_every_field(agree: Agree, example: str) -> None:
    project = REPOSITORY / "examples" / example
    if example == "compile" and not (project / "base").exists():
        pytest.skip("its base system has not been made (tools/make-base-system)")
    agree(project)


PROJECT = "name: faulty\nmin-version: 2.0\n"
FAULTS = {
    "no project": {},
    "missing element": {"project.conf": PROJECT},
    "broken yaml": {"project.conf": PROJECT, "main.bst": "kind: stack\ndepends: [\n"},
    "tabs": {"project.conf": PROJECT, "main.bst": "kind: stack\nvariables:\n\tname: value\n"},
    "unknown key": {"project.conf": PROJECT, "main.bst": "kind: stack\nnonsense: 1\n"},
    "unknown kind": {"project.conf": PROJECT, "main.bst": "kind: nonsense\n"},
    "wrong type": {"project.conf": PROJECT, "main.bst": "kind: stack\nvariables: [a]\n"},
    "circle": {
        "project.conf": PROJECT,
        "main.bst": "kind: stack\ndepends:\n- other.bst\n",
        "other.bst": "kind: stack\ndepends:\n- main.bst\n",
    },
    "undefined variable": {"project.conf": PROJECT, "main.bst": "kind: manual\nvariables:\n  a: '%{nowhere}'\n"},
    "circular variable": {
        "project.conf": PROJECT,
        "main.bst": "kind: manual\nvariables:\n  a: '%{b}'\n  b: '%{a}'\n",
    },
    "missing include": {"project.conf": PROJECT, "main.bst": "kind: stack\n(@): nowhere.yml\n"},
    "bad condition": {"project.conf": PROJECT, "main.bst": "kind: stack\n(?):\n- nothing == 1:\n    variables: {}\n"},
    "assertion": {"project.conf": PROJECT, "main.bst": "kind: stack\n(!): This will not do\n"},
    "too new": {"project.conf": "name: faulty\nmin-version: 2.99\n", "main.bst": "kind: stack\n"},
    "missing dependency": {"project.conf": PROJECT, "main.bst": "kind: stack\ndepends:\n- nowhere.bst\n"},
    "bad name": {"project.conf": "name: fau lty\nmin-version: 2.0\n", "main.bst": "kind: stack\n"},
    "missing local source": {
        "project.conf": PROJECT,
        "main.bst": "kind: import\nsources:\n- kind: local\n  path: nowhere\n",
    },
    "outside local source": {
        "project.conf": PROJECT,
        "main.bst": "kind: import\nsources:\n- kind: local\n  path: ../outside\n",
    },
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_is_refused_for_the_same_reason_at_the_same_place(tmp_path: Path, agree: Agree, fault: str) -> None:
    for name, text in FAULTS[fault].items():
        (tmp_path / name).write_text(text)
    agree(tmp_path, ["main.bst"], refused=True)
