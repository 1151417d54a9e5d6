"""Artifacts are pushed to a remote and pulled from it, by the name of their element or by their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..fixtures.reapi_server import FakeRemote
from .conftest import SOURCE
from .projects import write_imports

pytestmark = pytest.mark.timeout(60)

# Of a user's project: two imports, the second of which needs the first, and a stack of both.
NAMES = ["all", "e0", "e1"]


@pytest.fixture
def remote() -> Iterator[FakeRemote]:
    with FakeRemote() as running:
        yield running


class User:
    """Somebody with a project and a cache; told of a remote only where a command transfers."""

    def __init__(self, place: Path, remote: FakeRemote) -> None:
        self.project = write_imports(place / "project", 2, chain=True)
        self.settings = place / "user.conf"
        self.settings.write_text(f"cachedir: {place}/cache\nlogdir: {place}/logs\nscheduler: {{network-retries: 0}}\n")
        self._refs = place / "cache" / "artifacts" / "refs" / "small"
        self._remote = f"--artifact-remote={remote.url}"
        self._environment = {**os.environ, "PYTHONPATH": str(SOURCE), "XDG_CACHE_HOME": str(place / "home")}

    def run(self, *words: str, directory: Path | None = None, status: int = 0) -> tuple[str, str]:
        """Run a command: its result, and what it told."""
        done = subprocess.run(
            [sys.executable, "-m", "grilse", "--config", str(self.settings), *words],
            cwd=directory or self.project,
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=50,
            check=False,
        )
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout, done.stderr

    def push(self, *words: str, directory: Path | None = None, status: int = 0) -> str:
        """Push; what was told."""
        return self.run("artifact", "push", self._remote, *words, directory=directory, status=status)[1]

    def pull(self, *words: str, directory: Path | None = None, status: int = 0) -> str:
        """Pull; what was told."""
        return self.run("artifact", "pull", self._remote, *words, directory=directory, status=status)[1]

    def cached(self) -> list[str]:
        """Names of the elements that have artifacts, without the suffix."""
        return sorted(path.name for path in self._refs.glob("*") if any(path.iterdir()))

    def artifact(self, name: str) -> str:
        """The name of an element's artifact."""
        key = self.run("show", "--deps", "none", "--format", "%{full-key}", f"{name}.bst")[0].strip()
        return f"small/{name}/{key}"


@pytest.fixture
def here(tmp_path: Path, remote: FakeRemote) -> User:
    """Has built everything."""
    user = User(tmp_path / "here", remote)
    user.run("build", "all.bst")
    assert user.cached() == NAMES
    return user


@pytest.fixture
def there(tmp_path: Path, remote: FakeRemote) -> User:
    """Has nothing."""
    return User(tmp_path / "there", remote)


def known(remote: FakeRemote) -> list[str]:
    """Names of the elements whose artifacts a remote knows."""
    return sorted({uri.split("/")[-2] for _, uri in remote.assets if ":small/" in uri})


def queue(told: str, name: str) -> str:
    """What the summary says of a queue."""
    return re.findall(rf"{name} Queue: +(.*\d) ", told)[-1]


def targets(told: str) -> list[str]:
    """What the heading says was asked for."""
    return re.findall(r"^ +Targets: +(.*)$", told, re.MULTILINE)


def test_what_one_user_pushes_another_pulls_and_need_not_build(here: User, there: User, remote: FakeRemote) -> None:
    told = here.push("--deps", "all", "all.bst")
    assert queue(told, "Push") == "processed 3, skipped 0, failed 0"
    assert known(remote) == NAMES
    told = there.pull("--deps", "all", "all.bst")
    assert queue(told, "Pull") == "processed 3, skipped 0, failed 0"
    assert there.cached() == NAMES
    there.run("artifact", "checkout", "all.bst", "--directory", str(there.project / "out"))
    assert sorted(path.name for path in (there.project / "out").iterdir()) == ["file0", "file1"]
    assert queue(there.run("build", "all.bst")[1], "Build") == "processed 0, skipped 3, failed 0"


def test_the_heading_names_what_was_asked_for_and_lists_what_that_depends_on(here: User, there: User) -> None:
    told = here.push("--deps", "all", "e1.bst")
    assert targets(told) == ["e1.bst"]
    told = there.pull("--deps", "build", "e1.bst", "e0.bst")
    assert targets(told) == ["e1.bst, e0.bst"]
    assert re.findall(r"^ +\w+ [0-9a-f]{64} (.*?) *$", told, re.MULTILINE) == ["e0.bst", "e1.bst"]
    assert "Total:      2\n    Session:    1\n" in told


def test_dependencies_are_transferred_as_asked(here: User, there: User, remote: FakeRemote) -> None:
    here.push("e1.bst")
    assert known(remote) == ["e1"]
    here.push("--deps", "run", "e1.bst")
    assert known(remote) == ["e0", "e1"]
    there.pull("e1.bst")
    assert there.cached() == ["e1"]


def test_what_is_there_already_is_skipped(here: User, there: User, remote: FakeRemote) -> None:
    here.push("e0.bst")
    assert queue(here.push("e0.bst"), "Push") == "processed 0, skipped 1, failed 0"
    there.pull("e0.bst")
    before = remote.calls["FetchBlob"]
    assert queue(there.pull("e0.bst"), "Pull") == "processed 0, skipped 1, failed 0"
    # The one question is whether the remote answers at all.
    assert remote.calls["FetchBlob"] == before + 1


def test_what_is_not_cached_cannot_be_pushed(there: User, remote: FakeRemote) -> None:
    told = there.push("e0.bst", status=255)
    assert "Push failed: e0.bst is not cached" in told
    assert known(remote) == []


def test_what_no_remote_has_is_not_pulled_and_that_is_no_error(there: User) -> None:
    assert queue(there.pull("e0.bst"), "Pull") == "processed 0, skipped 1, failed 0"
    assert there.cached() == []


def test_a_remote_in_trouble_fails_a_pull_that_was_asked_for(here: User, there: User, remote: FakeRemote) -> None:
    here.push("e0.bst")
    remote.failures["BatchReadBlobs"] = deque(["INTERNAL"] * 9)
    remote.failures["Read"] = deque(["INTERNAL"] * 9)
    told = there.pull("e0.bst", status=255)
    assert "Failed to pull artifact" in told
    assert there.cached() == []


def test_artifacts_go_by_their_own_names_with_and_without_a_project(
    here: User, there: User, remote: FakeRemote, tmp_path: Path
) -> None:
    name = here.artifact("e1")
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    told = here.push(name, directory=nowhere)
    assert targets(told) == [name]
    assert "Total:      1\n    Session:    1\n" in told
    assert known(remote) == ["e1"]
    assert targets(there.pull("e0.bst", name)) == [f"e0.bst, {name}"]
    assert there.cached() == ["e1"]
    there.run("artifact", "delete", name)
    there.pull(name, directory=nowhere)
    assert there.cached() == ["e1"]
    told = there.push("e0.bst", directory=nowhere, status=255)
    assert "There is no project here" in told


def test_what_is_checked_out_by_an_artifacts_name_is_pulled_first(here: User, there: User, remote: FakeRemote) -> None:
    here.push("e0.bst", "e1.bst")
    name, out = here.artifact("e1"), there.project / "out"
    words = ("artifact", "checkout", f"--artifact-remote={remote.url}", "--deps", "none", "--directory", str(out))
    there.run(*words, name)
    assert [path.name for path in out.iterdir()] == ["file1"]
    assert there.cached() == ["e1"]
    told = there.run(*words, "--force", "small/e0/*", status=255)[1]
    assert "matches 0" in told
    there.run(*words, "--force", "small/e1/*")


def test_an_artifact_without_its_build_tree_is_not_pushed_again(here: User, there: User, remote: FakeRemote) -> None:
    always = ("--cache-buildtrees", "always")
    here.run("artifact", "delete", "--deps", "all", "all.bst")
    here.run(*always, "build", f"--artifact-remote={remote.url}", "e0.bst")
    there.pull("e0.bst")
    told = there.push("e0.bst", status=255)
    assert "Push failed: buildroot of e0.bst is not cached" in told
    told = there.run("build", f"--artifact-remote={remote.url}", "e0.bst")[1]
    assert queue(told, "Push") == "processed 0, skipped 1, failed 0"


def test_elements_without_a_ref_are_neither_pulled_nor_pushed(there: User) -> None:
    (there.project / "elements" / "e0.bst").write_text("kind: import\nsources: [{kind: remote, url: 'file:///none'}]\n")
    for transfer in (there.pull, there.push):
        assert "Inconsistent pipeline" in transfer("e0.bst", status=255)
