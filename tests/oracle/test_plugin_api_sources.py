"""When the methods of a source are called and with what, and which of its words are shown: as under BuildStream."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .tools import Oracle, Tool, grilse

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

PLUGIN = """
import json, os
from buildstream import Source, SourceError

class Calls(Source):
    BST_MIN_VERSION = "2.0"

    def note(self, method, *given):
        with open(os.environ["PLUGIN_API_CALLS"], "a") as file:
            file.write(json.dumps([self.name, method, *given]) + "\\n")

    def configure(self, node):
        self.ref = node.get_str("ref", None)
        self.say("configure")

    def say(self, when):
        for kind in ("status", "info", "warn", "log"):
            getattr(self, kind)(f"{kind} in {when}")
        with self.timed_activity(f"activity in {when}", silent_nested=True):
            for kind in ("status", "info", "warn"):
                getattr(self, kind)(f"nested {kind} in {when}")

    def preflight(self):
        pass

    def get_unique_key(self):
        return [self.name, self.ref]

    def is_cached(self):
        return False

    def load_ref(self, node):
        self.note("load_ref", node.strip_node_info())
        self.ref = node.get_str("ref", None)

    def get_ref(self):
        return self.ref

    def set_ref(self, ref, node):
        self.note("set_ref", ref, node.strip_node_info())
        node["ref"] = self.ref = ref

    def track(self):
        self.note("track")
        return "new"

    def fetch(self):
        self.note("fetch")
        self.say("fetch")

    def validate_cache(self):
        self.note("validate_cache")

    def stage(self, directory):
        self.note("stage", os.listdir(directory))
        open(directory + "/staged", "w").close()

    def init_workspace(self, directory):
        self.note("init_workspace", os.listdir(directory))

def setup():
    return Calls
"""

FILES = {
    "project.conf": """
        name: test
        min-version: 2.0
        element-path: elements
        ref-storage: STORAGE
        plugins: [{origin: local, path: plugins, sources: [calls]}]
        """,
    "elements/new.bst": "{kind: import, sources: [{kind: calls, url: there, directory: below}]}",
    "elements/old.bst": """
        kind: import
        sources:
        - kind: calls
          url: there
          ref: old
        """,
    "plugins/calls.py": PLUGIN,
}

TRACK = ["source", "track"]

# Without `configure` and `load_ref`: how often a plugin is made is each tool's own affair.
CASES: dict[str, tuple[str, list[list[str]]]] = {
    "track": ("inline", [[*TRACK, "new.bst"]]),
    "track-again": ("inline", [[*TRACK, "old.bst"], [*TRACK, "old.bst"]]),
    "track-apart": ("project.refs", [[*TRACK, "new.bst"], [*TRACK, "new.bst"]]),
    "fetch": ("inline", [["source", "fetch", "old.bst"]]),
    "build": ("inline", [["build", "old.bst"]]),
}


def lay_out(project: Path, storage: str) -> None:
    for name, text in FILES.items():
        place = project / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text).replace("STORAGE", storage))


def run(tool: Tool, commands: Sequence[Sequence[str]], storage: str, folder: Path) -> tuple[list[Any], list[str]]:
    """The calls of methods that do something, and the lines that show what the plugin said."""
    folder.mkdir()
    lay_out(folder / "project", storage)
    calls = folder / "calls"
    noting = Tool(tool.command, {**tool.environment, "PLUGIN_API_CALLS": str(calls)})
    shown = []
    for words in commands:
        done, refusal = noting.run(["-C", str(folder / "project"), *words], folder)
        assert refusal is None, done.stderr.decode()[-4000:]
        lines = re.findall(r"\] (\w+ +(?:nested )?\w+ in (?:configure|fetch))$", done.stderr.decode(), re.MULTILINE)
        shown += [" ".join(line.split()) for line in lines if not line.startswith(("START", "SUCCESS"))]
    found = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
    return [call for call in found if call[1] != "load_ref"], shown


@pytest.mark.parametrize("case", CASES)
def test_methods_of_sources_are_called_as_bst_calls_them(case: str, oracle: Oracle, tmp_path: Path) -> None:
    storage, commands = CASES[case]
    theirs, said = run(oracle, commands, storage, tmp_path / "bst")
    ours, shown = run(grilse(), commands, storage, tmp_path / "grilse")
    assert theirs
    assert ours == theirs
    assert shown == said
