"""The `Sandbox` of plugins on real sandboxes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grilse.plugin.exceptions import ImplError
from grilse.plugin.sandbox import Sandbox, SandboxCommandError
from grilse.sandbox.runner import Runner
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import Digest
from grilse.storage.store import Store

from .conftest import Tree, get

pytestmark = [pytest.mark.sandbox, pytest.mark.skipif(os.name != "posix", reason="no sandbox: not a POSIX system")]

_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


class Host:
    """As much of a plugin's host as a sandbox needs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.activities: list[tuple[str, str | None]] = []

    @contextmanager
    def timed(self, text: str, *, detail: str | None = None, **about: str | None) -> Iterator[None]:
        self.activities.append((text, detail))
        yield


class Made:
    """A sandbox with its host and log."""

    def __init__(self, workshop: Workshop, root: Digest, path: Path) -> None:
        self._log = path.open("w+b")
        self.host = Host(workshop.store)
        runner = Runner(workshop, self._log.fileno())
        self.sandbox = Sandbox(self.host, runner, "element.bst", {})  # type: ignore[arg-type]
        self.sandbox.get_virtual_directory().reset(root)
        self.sandbox.grilse_note_layer(root)
        self.sandbox.set_environment(_ENVIRONMENT)
        self.sandbox.set_work_directory("/build/sub")
        self.sandbox.mark_directory("/build")
        self.sandbox.mark_directory("/install")

    def tree(self, path: str) -> Tree:
        directory = self.sandbox.get_virtual_directory().open_directory(path.lstrip("/"))
        return get(self.host.store, directory.digest())

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def close(self) -> None:
        self.sandbox.close()
        self._log.close()


@pytest.fixture
def made(workshop: Workshop, root: Digest, tmp_path: Path) -> Iterator[Made]:
    made = Made(workshop, root, tmp_path / "log")
    yield made
    made.close()
    assert not os.path.exists(workshop.trees.scratch_parent) or os.listdir(workshop.trees.scratch_parent) == []


def sh(script: str) -> list[str]:
    return ["sh", "-c", "-e", script]


def test_a_command_outside_of_a_batch_runs_at_once_and_its_status_is_returned(made: Made) -> None:
    assert made.sandbox.run(sh("echo 1 > f; exit 3"), root_read_only=True) == 3
    assert made.tree("/build") == {"sub": {"f": "1\n"}}
    # The next one sees what was captured, and what was changed in the tree since.
    with made.sandbox.get_virtual_directory().open_directory("build/sub").open_file("g", mode="w") as file:
        file.write("2\n")
    assert made.sandbox.run(sh("cat f g; pwd"), root_read_only=True) == 0
    assert made.log() == "1\n2\n/build/sub\n"


def test_a_batch_is_one_process_that_ends_with_the_block(made: Made) -> None:
    with made.sandbox.batch(root_read_only=True, label="outer"):
        assert made.sandbox.run(sh("echo one > /tmp/left"), root_read_only=True, label="first") is None
        with made.sandbox.batch(root_read_only=True, label="inner"):
            made.sandbox.run(sh("cat /tmp/left > /install/f"), root_read_only=True, label="second", cwd="/install")
        assert made.log() == ""
    assert made.tree("/install") == {"f": "one\n"}
    assert made.host.activities == [("Running commands", "first\nsecond")]


def test_a_batch_stops_at_the_first_failure_and_keeps_what_was_done(made: Made) -> None:
    with pytest.raises(SandboxCommandError) as caught, made.sandbox.batch(root_read_only=True, collect="/install"):
        made.sandbox.run(sh("echo 1 > /install/f"), root_read_only=True)
        made.sandbox.run(sh("exit 9"), root_read_only=True, label="the 'bad' one")
        made.sandbox.run(sh("echo 2 > /install/g"), root_read_only=True)
    assert (caught.value.reason, caught.value.collect) == ("command-failed", "/install")
    assert "Command 'the 'bad' one' failed with exitcode 9" in made.log()
    assert made.tree("/install") == {"f": "1\n"}


def test_directories_are_emptied_and_files_made_in_turn(made: Made) -> None:
    with made.sandbox.batch(root_read_only=True):
        made.sandbox.run(sh("echo 1 > f"), root_read_only=True)
        made.sandbox.grilse_create_file("marker")
        made.sandbox.run(sh("ls > /install/list"), root_read_only=True)
        made.sandbox.grilse_clean_directory("/build")
    assert made.tree("/install") == {"list": "f\nmarker\n"}
    assert made.tree("/build") == {"sub": {}}


def test_what_integration_changes_is_there_for_the_build_and_so_are_sources_staged_later(made: Made) -> None:
    with made.sandbox.batch():
        made.sandbox.run(sh("echo cache > /etc/cache; rm /etc/motd; chmod 600 /etc/cache"), cwd="/")
    sources = made.sandbox.get_virtual_directory().open_directory("build/sub", create=True)
    with sources.open_file("source", mode="w") as file:
        file.write("source\n")
    with made.sandbox.batch(root_read_only=True):
        made.sandbox.run(sh("cat /etc/* source; stat -c '%a %Y' /etc/cache; ! touch /etc/new"), root_read_only=True)
    assert "cache\nsource\n644 1321009871\n" in made.log()
    assert made.tree("/etc") == {"cache": "cache\n"}


def test_a_second_batch_sees_all_of_the_first_although_its_files_were_moved(made: Made) -> None:
    for number in range(2):
        with made.sandbox.batch(root_read_only=True):
            made.sandbox.run(sh(f"echo {number} >> f; cat f"), root_read_only=True)
    assert made.tree("/build") == {"sub": {"f": "0\n1\n"}}


def test_a_program_that_is_not_there_is_the_error_that_plugins_know(made: Made) -> None:
    with pytest.raises(SandboxCommandError, match="nothing") as caught:
        made.sandbox.run(["nothing"])
    assert caught.value.reason == "missing-command"


def test_all_commands_of_a_batch_have_the_same_access(made: Made) -> None:
    with made.sandbox.batch(root_read_only=True), pytest.raises(AssertionError):
        made.sandbox.run(sh("true"))
    with made.sandbox.batch(), pytest.raises(AssertionError), made.sandbox.batch(root_read_only=True):
        pass


def test_an_element_that_says_it_runs_nothing_cannot(store: Store) -> None:
    sandbox = Sandbox(Host(store), None, "element.bst", {})  # type: ignore[arg-type]
    with pytest.raises(ImplError, match="BST_RUN_COMMANDS"):
        sandbox.run(["true"])


def test_the_marks_of_bst_are_in_the_tree_after_a_read_only_run(made: Made, tools: Tree, store: Store) -> None:
    with made.sandbox.batch(root_read_only=True):
        made.sandbox.run(sh("true"), root_read_only=True)
    root = made.sandbox.get_virtual_directory()
    listing = store.listing(root.digest())
    assert listing.read_only is True
    marks = {name: store.listing(listing.nodes[name].digest).read_only for name in ("dev", "tmp", "proc", "build")}  # type: ignore[union-attr]
    assert marks == {"dev": False, "tmp": False, "proc": False, "build": None}


def test_a_shell_is_described_for_another_process(made: Made, tmp_path: Path) -> None:
    from grilse.sandbox.spec import HostMount

    (tmp_path / "of-host").write_text("of the host")
    mounts = [HostMount("/mnt/f", str(tmp_path / "of-host"))]
    environment = {**_ENVIRONMENT, "A": "b"}
    argv = sh("cat /mnt/f; id -u; echo $A; pwd; ! touch /etc/new")
    with made.sandbox.grilse_launch(argv, environment, mounts=mounts, isolate=False) as launch:
        done = subprocess.run(launch.argv, env=launch.environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"of the host{os.geteuid()}\nb\n/build/sub\n"
