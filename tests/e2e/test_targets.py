"""What commands work on: default targets, what is left of them, and names where there is no project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .projects import run, write_project

pytestmark = pytest.mark.timeout(60)

ERRORS = "--events=errors.jsonl"


def error(place: Path, *words: str, status: int = 255) -> tuple[str, str | None]:
    """Domain and reason of the error that a command ends with."""
    events = place / "errors.jsonl"
    events.unlink(missing_ok=True)
    found, _, told = run(place, ERRORS, *words)
    assert found == status, told
    ends = [json.loads(line) for line in events.read_text().splitlines() if '"main"' in line]
    return ends[-1]["domain"], ends[-1]["reason"]


def test_a_project_with_a_junction_is_built_without_naming_anything(tmp_path: Path) -> None:
    write_project(tmp_path / "sub", {"x.bst": "kind: stack\n"}, name="sub")
    junction = "kind: junction\nsources: [{kind: local, path: sub}]\n"
    write_project(
        tmp_path,
        {"j.bst": junction, "z.bst": "kind: stack\n", "s.bst": "kind: stack\ndepends: ['j.bst:x.bst', z.bst]\n"},
    )
    status, _, told = run(tmp_path, "build")
    assert status == 0, told
    assert run(tmp_path, "show", "--format", "%{name} %{state}", "s.bst")[1] == (
        "j.bst:x.bst cached\nz.bst cached\ns.bst cached\n"
    )
    # In order of the names that elements have in their own projects, as bst has it
    assert run(tmp_path, "show", "--order", "alpha", "--format", "%{name}", "s.bst")[1] == "s.bst\nj.bst:x.bst\nz.bst\n"


def test_what_is_built_with_needs_no_refs_of_what_is_not_built(tmp_path: Path) -> None:
    untracked = "kind: import\nbuild-depends: [a.bst]\nsources: [{kind: remote, url: 'file:///none'}]\n"
    write_project(tmp_path, {"a.bst": "kind: stack\n", "u.bst": untracked})
    assert run(tmp_path, "build", "--deps", "build", "u.bst")[0] == 0
    assert error(tmp_path, "build", "u.bst") == ("PIPELINE", "inconsistent-pipeline")


def test_without_a_project_the_error_is_about_the_name_where_that_is_wrong(tmp_path: Path) -> None:
    key = f"p/e/{'a' * 64}"
    assert error(tmp_path, "show", "*.bst") == ("STREAM", "glob-elements-without-project")
    assert error(tmp_path, "build", "a") == ("STREAM", "invalid-element-names")
    assert error(tmp_path, "build", "a.bst") == ("STREAM", "project-not-loaded")
    assert error(tmp_path, "shell", "a.bst") == ("APP", "project-not-loaded")
    assert error(tmp_path, "shell", key) == ("APP", "only-buildtrees-supported")
    assert error(tmp_path, "shell", "--use-buildtree", key) == ("APP", "missing-buildtree-artifact-not-cached")


def _with_workspaces(place: Path) -> None:
    """A project of two imports that have workspaces."""
    (place / "files").mkdir()
    (place / "files" / "x").write_text("x")
    local = "kind: import\nsources: [{kind: local, path: files}]\n"
    write_project(place, {"a.bst": local, "b.bst": local})
    assert run(place, "workspace", "open", "a.bst", "b.bst")[0] == 0


def test_patterns_name_the_workspaces_to_reset_and_wrong_names_are_refused(tmp_path: Path) -> None:
    _with_workspaces(tmp_path)
    for name in "ab":
        (tmp_path / name / "x").write_text("changed")
    assert run(tmp_path, "workspace", "reset", "?.bst")[0] == 0
    assert [(tmp_path / name / "x").read_text() for name in "ab"] == ["x", "x"]
    assert error(tmp_path, "workspace", "reset", "nope.bst") == ("LOAD", "MISSING_FILE")
    assert error(tmp_path, "workspace", "reset", "a") == ("STREAM", "invalid-element-names")


def test_a_workspace_whose_directory_is_gone_is_filled_again_or_closed(tmp_path: Path) -> None:
    _with_workspaces(tmp_path)
    for name in "ab":
        shutil.rmtree(tmp_path / name)
    status, _, told = run(tmp_path, "workspace", "reset", "a.bst")
    assert status == 0, told
    assert (tmp_path / "a" / "x").read_text() == "x"
    assert run(tmp_path, "workspace", "close", "--remove-dir", "b.bst")[0] == 0
    assert "b.bst" not in run(tmp_path, "workspace", "list")[1]
