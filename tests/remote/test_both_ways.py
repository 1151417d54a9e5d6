"""Either tool pulls what the other has pushed, through real servers: every core kind, a failure and a compile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.tools import Oracle, Tool, grilse
from tests.oracle.trees import snapshot
from tests.remote.projects import SHARED, write_kinds
from tests.remote.servers import Server

pytestmark = [pytest.mark.remote, pytest.mark.oracle, pytest.mark.sandbox, pytest.mark.timeout(900)]

FORMAT = "%{name} %{full-key} %{state} %{artifact-cas-digest}"


class Place:
    """A tool with caches of its own."""

    def __init__(self, tool: Tool, home: Path, project: Path) -> None:
        home.mkdir(parents=True)
        self._tool, self._home, self._project = tool, home, project

    def __call__(self, *words: str, fails: bool = False) -> str:
        done, refusal = self._tool.run(["-C", str(self._project), *words], self._home)
        said = done.stderr.decode(errors="replace")
        assert (refusal is not None) == fails, f"{words}: {refusal}\n{said[-3000:]}"
        return done.stdout.decode() + said

    def shown(self) -> dict[str, str]:
        """Key, state and digest of what is shared."""
        # A line of messages may stand before those of the elements.
        lines = self("show", "--deps", "none", "--format", FORMAT, *SHARED, "failing.bst").splitlines()
        return dict(line.split(" ", 1) for line in lines if ".bst " in line and line.count(" ") == 3)  # type: ignore[misc]

    def checkout(self, element: str, place: Path) -> dict[str, str]:
        shutil.rmtree(place, ignore_errors=True)
        self("artifact", "checkout", "--deps", "none", "--directory", str(place), element)
        return snapshot(place)


@pytest.fixture(params=["one casd", "casd for names, BuildGrid for content"])
def remotes(request: pytest.FixtureRequest, cache_server: Server) -> tuple[str, ...]:
    """Options that name the remotes."""
    if request.param == "one casd":
        return ("--artifact-remote", cache_server.url)
    grid: Server = request.getfixturevalue("grid")
    names, content = f"url={cache_server.url},type=index", f"url={grid.url},type=storage"
    return ("--artifact-remote", names, "--artifact-remote", content)


@pytest.mark.parametrize("pusher", ["bst", "grilse"])
def test_what_one_pushes_the_other_pulls_and_checks_out(
    oracle: Oracle, base_system: Path, tmp_path: Path, remotes: tuple[str, ...], pusher: str
) -> None:
    project = write_kinds(tmp_path / "project", base_system)
    make: Callable[[str], Place] = lambda name: Place(  # noqa: E731 - a name for what is used twice
        oracle if name == "bst" else grilse(), tmp_path / name, project
    )
    first, second = make(pusher), make("grilse" if pusher == "bst" else "bst")
    first("build", *SHARED)
    first("build", "failing.bst", fails=True)
    built = first.shown()
    assert len(built) == len(SHARED) - 1 + 1  # a link shows as what it leads to
    first("artifact", "push", "--deps", "none", *remotes, *SHARED, "failing.bst")
    second("artifact", "pull", "--deps", "none", *remotes, *SHARED, "failing.bst")
    assert second.shown() == built
    for element in SHARED:
        assert second.checkout(element, tmp_path / "out") == first.checkout(element, tmp_path / "out"), element
    # A failure comes with its words.
    assert "lost" in second("artifact", "log", "failing.bst")
    # Both mean the same by what is there: nothing is left to push.
    again = second("artifact", "push", "--deps", "none", *remotes, *SHARED)
    assert "Pushed artifact" not in again
