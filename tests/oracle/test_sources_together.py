"""Several sources on one another, and archives with odd content, asked of both tools: errors, artifacts, checkouts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .scenarios import Scenario, check, names_of, project
from .tools import Oracle, grilse

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

DIGESTS = "show --format '%{name} %{state} %{full-key} %{artifact-cas-digest}'"
FILES = {"one_S_d_S_f": "1", "one_S_same": "1", "two_S_d_S_f": "2", "two_S_same": "2"}
FILES |= {"file_S_d": "file", "link_S_d": "-> x"}

# Notes what it is shown of the sources before it, in its ref and in what it stages
LISTS = """
import os
from buildstream import Source

class Lists(Source):
    BST_MIN_VERSION = "2.0"
    ATTRIBUTES

    def configure(self, node):
        node.validate_keys(["ref", *Source.COMMON_CONFIG_KEYS])
        self.load_ref(node)

    def preflight(self):
        pass

    def get_unique_key(self):
        return [self.ref]

    def load_ref(self, node):
        self.ref = node.get_str("ref", None)

    def get_ref(self):
        return self.ref

    def set_ref(self, ref, node):
        node["ref"] = self.ref = ref

    def is_cached(self):
        return os.path.exists(self.note())

    def note(self):
        return os.path.join(self.get_mirror_directory(), self.ref)

    def track(self, previous_sources_dir=None):
        return "new " + names(previous_sources_dir)

    def fetch(self, previous_sources_dir=None):
        with open(self.note(), "w") as file:
            file.write(names(previous_sources_dir))

    def text(self, directory):
        with open(self.note()) as file:
            return names(directory) + " " + file.read()

    def stage(self, directory):
        text = self.text(directory)
        with open(os.path.join(directory, "staged"), "w") as file:
            file.write(text)

    def stage_directory(self, directory):
        text = self.text(directory)
        with directory.open_file("staged", mode="w") as file:
            file.write(text)

def names(directory):
    if directory is None:
        return "nothing"
    return ",".join(sorted(os.listdir(directory) if isinstance(directory, str) else directory))

def setup():
    return Lists
"""


def clashes() -> Iterator[Scenario]:
    """Local sources with files of the same names."""
    for first, second in (("one", "two"), ("one", "file"), ("file", "one"), ("one", "link"), ("link", "one")):
        for directory in ("", "d"):
            text = f"kind: import\nsources:\n- {{kind: local, path: {first}}}\n- {{kind: local, path: {second}"
            files = project(a__bst=text + (f", directory: {directory}}}\n" if directory else "}\n"), **FILES)
            steps = ["build a.bst", f"{DIGESTS} a.bst", "source checkout --directory s a.bst"]
            if (first, directory) == ("one", ""):
                steps += ["workspace open --directory w a.bst", "$ rm -rf w"]
            yield Scenario(f"{first} {second} {directory}", files, steps)


def previous() -> Iterator[Scenario]:
    """Sources that want to see those before them."""
    conf = "plugins: [{origin: local, path: plugins, sources: [lists]}]\n"
    for wanted in ("TRACK", "FETCH", "STAGE"):
        for virtual in (False, True):
            attributes = f"BST_REQUIRES_PREVIOUS_SOURCES_{wanted} = True; BST_STAGE_VIRTUAL_DIRECTORY = {virtual}"
            plugin = LISTS.replace("ATTRIBUTES", attributes)
            for directories in (("", ""), ("", ", directory: d"), (", directory: d", ", directory: d")):
                sources = f"- {{kind: local, path: one{directories[0]}}}\n- {{kind: lists, ref: r{directories[1]}}}\n"
                files = project(conf, a__bst=f"kind: import\nsources:\n{sources}", **FILES)
                steps = ["source track a.bst", "build a.bst", f"{DIGESTS} a.bst", "source checkout --directory s a.bst"]
                name = f"{wanted} {virtual} {''.join(directories)}"
                yield Scenario(name, files | {"p/plugins/lists.py": plugin}, steps)


def archives() -> Iterator[Scenario]:
    """Archives whose names do not stay below their root."""
    make = "import io, tarfile; archive = tarfile.open('a.tar', 'w')\nfor name in {names}: "
    make += "member = tarfile.TarInfo(name); member.size = 1; archive.addfile(member, io.BytesIO(b'x'))\n"
    make += "archive.close()"
    for names in (["/top/a", "b"], ["../a"], ["top/../../a"], ["top//a", "top/./b"]):
        for base in ("''", "'*'"):
            element = f"kind: import\nsources: [{{kind: tar, url: 'file://{{place}}/p/a.tar', base-dir: {base}}}]\n"
            steps = [f'$ python3 -c "{make.format(names=names)}"', "source track a.bst", "build a.bst"]
            steps += ["artifact checkout --directory o a.bst", "$ rm a.tar a.bst"]
            yield Scenario(f"archive of {names} {base}", project(a__bst=element), steps)


SCENARIOS = [*clashes(), *previous(), *archives()]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=names_of(SCENARIOS))
def test_both_tools_do_the_same(oracle: Oracle, scenario: Scenario) -> None:
    _, found = check(oracle, grilse(), scenario)
    # Opening a workspace is no job of BuildStream
    found = [difference for difference in found if "job's error: bst None" not in difference]
    assert not found, "\n".join(found)
