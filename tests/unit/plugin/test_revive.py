"""A record is all that a worker needs to make an element again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.silent_host import SilentHost

from grilse.plugin.revive import revive_element
from grilse.project.record import element_record
from grilse.project.resolved import ResolvedElement
from grilse.protocol.records import PlanReader, PlanWriter, Ref


def write_plan(path: Path, elements: list[ResolvedElement]) -> dict[str, Ref]:
    """Write a plan with `elements`, which come with their dependencies first."""
    writer = PlanWriter(str(path))
    refs: dict[int, Ref] = {}
    for element in elements:
        refs[id(element)] = writer.add(element_record(element, writer, refs))
    writer.close()
    return {element.full_name: refs[id(element)] for element in elements}


PLUGINS = """
plugins:
- origin: local
  path: plugins
  elements: [collect]
  sources: [letters]
aliases:
  home: https://example.org/
mirrors:
- name: near
  aliases:
    home: ['https://near.example.org/']
sources:
  letters:
    config:
      suffix: '%{flavour}'
variables:
  flavour: sweet
"""

COLLECT = """
from buildstream import Element, ElementError
from ._shared import COMMON

class Collect(Element):
    BST_MIN_VERSION = "2.0"
    BST_RUN_COMMANDS = False
    def configure(self, node):
        node.validate_keys(["what"])
        self.what = node.get_str("what")
    def configure_dependencies(self, dependencies):
        self.layout = [(d.path, d.config.get_str("where") if d.config else None, d.element.name) for d in dependencies]
    def preflight(self):
        self.ready = True
    def get_unique_key(self):
        return {"what": self.what, "layout": self.layout, "common": COMMON}

def setup():
    return Collect
"""

LETTERS = """
from buildstream import Source, utils

class Letters(Source):
    BST_MIN_VERSION = "2.0"
    def configure(self, node):
        node.validate_keys(["url", "ref", "suffix", *Source.COMMON_CONFIG_KEYS])
        self.original = node.get_str("url")
        self.url = self.translate_url(self.original)
        self.ref = node.get_str("ref", None)
        self.suffix = node.get_str("suffix", "")
    def preflight(self):
        self.sh = utils.get_host_tool("sh")
    def get_unique_key(self):
        return [self.original, self.ref, self.suffix]
    def is_cached(self):
        return False
    def load_ref(self, node):
        self.ref = node.get_str("ref", None)
    def get_ref(self):
        return self.ref
    def set_ref(self, ref, node):
        node["ref"] = self.ref = ref

def setup():
    return Letters
"""

FILES = {
    "plugins/collect.py": COLLECT,
    "plugins/_shared.py": "COMMON = 'both'\n",
    "plugins/letters.py": LETTERS,
    "files/a": "a\n",
    "base.bst": "kind: import\nsources:\n- kind: local\n  path: files\n",
    "run.bst": "kind: stack\ndepends:\n- base.bst\n",
    "app.bst": """
kind: collect
variables:
  word: hello
build-depends:
- filename: run.bst
  config:
    where: '/%{word}'
- base.bst
config:
  what: '%{word} %{project-name}'
sources:
- kind: letters
  url: home:letters.txt
  ref: '12'
  directory: sub
public:
  extra:
    said: '%{word}'
""",
}


@pytest.fixture
def plan(project: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    """A plan of the project above: gives ``app.bst`` as it was resolved, and a function that revives an element."""
    app = project(FILES, PLUGINS).one("app.bst")
    path = tmp_path / "plan"
    refs = write_plan(path, [app.build_dependencies[0], app.build_dependencies[1], app])
    reader = PlanReader(str(path))

    def revive(name: str) -> Any:
        return revive_element(reader, refs[name], SilentHost(tmp_path))  # type: ignore[arg-type]

    yield app, revive, path, refs
    reader.close()


def test_a_revived_element_has_the_same_unique_keys(plan: Any) -> None:
    app, revive, _, _ = plan
    element = revive("app.bst")
    original = app.element()
    assert element is not original
    assert element.get_unique_key() == original.get_unique_key()
    assert sorted(element.layout) == [("base.bst", None, "base.bst"), ("run.bst", "/hello", "run.bst")]
    assert element.what == "hello test"
    assert element.ready
    (source,) = element.sources()
    (first,) = original.sources()
    assert source.get_unique_key() == first.get_unique_key() == ["home:letters.txt", "12", "sweet"]
    assert source.url == first.url == "https://example.org/letters.txt"
    assert str(source) == str(first)
    assert str(element) == str(original)


def test_a_revived_element_knows_what_was_resolved(plan: Any) -> None:
    app, revive, _, _ = plan
    element = revive("app.bst")
    assert element.get_variable("word") == "hello"
    assert element.get_environment() == app.element().get_environment()
    assert [each.name for each in element.dependencies()] == [each.name for each in app.element().dependencies()]
    facts = element._grilse.facts
    assert (facts.weak_key, facts.strict_key, facts.cache_key) == (app.weak_key, app.strict_key, app.cache_key)
    assert facts.variables() == app.variables()
    assert facts.public().strip_node_info() == app.plain_public()


def test_mirrors_of_a_revived_source_are_tried_in_order(plan: Any) -> None:
    (source,) = plan[1]("app.bst").sources()
    uris = source._grilse.project.aliases.uris("home")
    assert [source._for_mirror("home", uri).url for uri in uris] == [
        "https://near.example.org/letters.txt",
        "https://example.org/letters.txt",
    ]


def test_a_plan_is_enough_in_another_process(plan: Any) -> None:
    app, _, path, refs = plan
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.fixtures.silent_host import SilentHost\n"
        "from grilse.plugin.revive import revive_element\n"
        "from grilse.protocol.records import PlanReader\n"
        "plan, ref = Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3]))\n"
        "element = revive_element(PlanReader(str(plan)), ref, SilentHost(plan.parent))\n"
        "print(type(element).__module__, element.get_unique_key()['what'])\n"
        "assert 'grilse.project' not in sys.modules, 'a worker loads no projects'\n"
    )
    place = [str(number) for number in refs["app.bst"]]
    path_variable = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), *place],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path_variable},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [type(app.element()).__module__, "hello", "test"]


@pytest.mark.parametrize("name", ["base.bst", "run.bst"])
def test_core_kinds_are_revived(plan: Any, name: str) -> None:
    assert plan[1](name).name == name
