"""What a source's plugin is asked for when its content is used."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from .projects import Program, run, write_project

pytestmark = pytest.mark.timeout(60)

PLUGIN = """
import os
from buildstream import Source, SourceError

class Picky(Source):
    BST_MIN_VERSION = "2.0"

    def configure(self, node):
        self.refused = node.get_bool("refused")
        self.ref = "1"

    def preflight(self): pass
    def get_unique_key(self): return [self.refused]
    def is_resolved(self): return True
    def is_cached(self): return True
    def load_ref(self, node): pass
    def get_ref(self): return self.ref
    def set_ref(self, ref, node): pass
    def fetch(self): pass

    def validate_cache(self):
        self.valid = True
        if self.refused:
            raise SourceError("what was fetched is not what was meant")

    def stage(self, directory):
        assert self.valid
        with open(os.path.join(directory, "file"), "w") as file:
            file.write("content")

def setup(): return Picky
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a source that finds fault with what it fetched, and one that does not."""
    root = tmp_path / "p"
    (root / "plugins").mkdir(parents=True)
    (root / "plugins" / "picky.py").write_text(PLUGIN)
    conf = "plugins:\n- origin: local\n  path: plugins\n  sources: [picky]\n"
    elements = {
        f"{name}.bst": f"kind: import\nsources:\n- kind: picky\n  refused: {refused}\n"
        for name, refused in (("good", "false"), ("bad", "true"))
    }
    return write_project(root, elements, conf=conf)


def test_a_source_checks_what_was_fetched_before_it_is_staged(project: Path) -> None:
    assert run(project, "build", "good.bst")[0] == 0
    status, _, errors = run(project, "source", "fetch", "bad.bst")
    assert status == 255
    assert "what was fetched is not what was meant" in errors


def test_a_source_checks_what_was_fetched_before_a_workspace_is_filled(project: Path) -> None:
    assert run(project, "workspace", "open", "good.bst", "--directory", str(project / "good"))[0] == 0
    assert (project / "good" / "file").read_text() == "content"
    status, _, errors = run(project, "workspace", "open", "bad.bst", "--directory", str(project / "bad"))
    assert status == 255
    assert "what was fetched is not what was meant" in errors


def test_a_build_without_the_directory_of_an_open_workspace_says_so(project: Path) -> None:
    place = project / "good"
    assert run(project, "workspace", "open", "good.bst", "--directory", str(place))[0] == 0
    shutil.rmtree(place)
    program = Program(project, "build", "good.bst")
    status, _, errors = program.finish()
    assert status == 255
    assert f"good.bst: {place}" in errors
    reasons = [event["reason"] for event in program.events() if event["event"] == "error"]
    assert reasons == ["inconsistent-pipeline-workspaced"]


REFS = """# Refs by option
projects:
  small:
    (?):
    - which == 'one':
        a.bst:
        - ref: ''
    - which == 'two':  # the other
        a.bst:
        - ref: ''
"""


def test_a_ref_is_stored_in_the_branch_of_the_conditional_that_holds(tmp_path: Path) -> None:
    root = tmp_path / "p"
    option = "{type: enum, description: which, values: [one, two], default: one}"
    conf = f"ref-storage: project.refs\noptions:\n  which: {option}\n"
    source = f"- kind: remote\n  url: file://{tmp_path}/one\n"
    other = f"  (?):\n  - which == 'two':\n      url: file://{tmp_path}/two\n"
    write_project(root, {"a.bst": f"kind: import\nsources:\n{source}{other}"}, conf=conf)
    (root / "project.refs").write_text(REFS)
    digests = {}
    for which in ("one", "two"):
        (tmp_path / which).write_text(which)
        digests[which] = hashlib.sha256(which.encode()).hexdigest()
        assert run(root, "--option", "which", which, "source", "track", "a.bst")[0] == 0
    expected = REFS.replace("''", digests["one"], 1).replace("''", digests["two"], 1)
    assert (root / "project.refs").read_text().replace("'", "") == expected.replace("'", "")


def test_what_has_been_fetched_already_is_not_worth_a_word(tmp_path: Path) -> None:
    (tmp_path / "thing").write_text("thing")
    ref = hashlib.sha256(b"thing").hexdigest()
    element = f"kind: import\nsources: [{{kind: remote, url: 'file://{tmp_path}/thing', ref: {ref}}}]\n"
    root = write_project(tmp_path / "p", {"a.bst": element})
    status, _, first = run(root, "source", "fetch", "a.bst")
    assert status == 0
    assert "Fetching file://" in first and "Fetch Queue: processed 1, skipped 0" in first
    status, _, again = run(root, "source", "fetch", "a.bst")
    assert status == 0
    assert "fetch:a.bst" not in again and "Fetch Queue: processed 0, skipped 1" in again


def test_what_is_fetched_already_costs_no_job(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    ref = hashlib.sha256(b"content").hexdigest()
    (tmp_path / "p" / "files").mkdir(parents=True)
    (tmp_path / "p" / "files" / "one").write_text("one")
    text = f"kind: import\nsources:\n- kind: remote\n  url: file://{file}\n  ref: {ref}\n- kind: local\n  path: files\n"
    root = write_project(tmp_path / "p", {"e.bst": text, "s.bst": "kind: stack\ndepends: [e.bst]\n"})
    for jobs, skipped in ((["e.bst"], 1), ([], 2)):
        program = Program(root, "source", "fetch", "--deps", "all", "s.bst")
        status, _, err = program.finish()
        assert status == 0, err
        assert f"skipped {skipped}," in err
        assert [one["element"] for one in program.events() if one["event"] == "job-started"] == jobs
