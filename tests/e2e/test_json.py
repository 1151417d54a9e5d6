"""``--output json`` makes standard output one document of the documented form, whatever the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from grilse.frontend.vocabulary import VOCABULARY

from .projects import run, write_project

pytestmark = pytest.mark.timeout(120)

MEMBERS = {"schema", "command", "status", "result", "error", "failures", "summary", "text"}


class Case(NamedTuple):
    """What is typed after a command, how it ends, and of what sort its result is."""

    words: tuple[str, ...] = ()
    status: int = 0
    result: type = type(None)


# In an order in which one prepares the next.
CASES: dict[str, Case] = {
    "show": Case(("a.bst",), result=list),
    "source track": Case(("a.bst",)),
    "source fetch": Case(("a.bst",)),
    "build": Case(("a.bst",)),
    "artifact show": Case(("a.bst",), result=list),
    "artifact list-contents": Case(("a.bst",), result=dict),
    "artifact log": Case(("a.bst",)),
    "artifact checkout": Case(("a.bst", "--directory", "out")),
    "artifact pull": Case(("a.bst",), 255),
    "artifact push": Case(("a.bst",), 255),
    "source push": Case(("a.bst",), 255),
    "source checkout": Case(("a.bst", "--directory", "src")),
    "workspace open": Case(("a.bst", "--directory", "ws")),
    "workspace list": Case(result=dict),
    "workspace reset": Case(("a.bst",)),
    "workspace close": Case(("a.bst", "--remove-dir")),
    "plugin list": Case(("a.bst",), result=list),
    "cache info": Case(result=dict),
    "cache check": Case(result=dict),
    "cache prune": Case(result=dict),
    "log list": Case(result=list),
    "log show": Case(result=list),
    "log replay": Case(result=list),
    "log what-ran": Case(result=list),
    "log what-failed": Case(result=list),
    "log critical-path": Case(result=dict),
    "artifact delete": Case(("a.bst",)),
    "doctor": Case(result=list),
    "job replay": Case(("not-there.job",), 255),
    "init": Case(("new", "--project-name", "new")),
    "help": Case(("build",)),
    "completion": Case(("bash",)),
}
# The shell's standard output is that of what runs in it; the others have forms of their own.
OTHERS = {"shell", "log trace", "audit"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("json") / "p"
    (root / "files").mkdir(parents=True)
    (root / "files" / "f").write_text("f")
    return write_project(root, {"a.bst": "kind: import\nsources:\n- kind: local\n  path: files\n"})


def document(project: Path, command: str, *words: str) -> tuple[int, dict[str, Any]]:
    """The status and the document of a command."""
    status, out, errors = run(project, "--output", "json", *command.split(), *words)
    try:
        return status, json.loads(out)
    except ValueError:
        pytest.fail(f"'{command}' wrote no document: {out[-500:]!r}, and said {errors[-500:]!r}")


def test_every_command_writes_one_document(project: Path) -> None:
    for command, case in CASES.items():
        shutil.rmtree(project / "new", ignore_errors=True)
        status, found = document(project, command, *case.words)
        assert (status, found["status"]) == (case.status, case.status), (command, found)
        assert found["schema"] == 1 and found["command"] == command.split(), (command, found)
        assert set(found) <= MEMBERS, command
        assert isinstance(found["result"], case.result), (command, found)
        assert (found["error"] is None) == (case.status == 0), (command, found)


def test_no_command_is_left_out() -> None:
    names = {" ".join(command.words) for command in VOCABULARY.commands if not VOCABULARY.is_group(command.words)}
    assert names == set(CASES) | OTHERS
