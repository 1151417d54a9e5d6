"""Batches as shell scripts, run by the host's own shell."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from grilse.sandbox.batch import CreateFile, EmptyDirectory, Item, Step, first_step, script

SHELL = shutil.which("sh")
pytestmark = pytest.mark.skipif(SHELL is None, reason="no shell")


def run(items: Sequence[Item]) -> subprocess.CompletedProcess[str]:
    first = first_step(items)
    assert first is not None and SHELL is not None
    return subprocess.run(
        [SHELL, "-e", "-c", script(items)],
        cwd=first.cwd,
        env=dict(first.environment),
        capture_output=True,
        text=True,
        check=False,
    )


def step(command: str, cwd: Path, label: str | None = None, **environment: str) -> Step:
    return Step(["sh", "-c", "-e", command], str(cwd), {"PATH": "/usr/bin:/bin", **environment}, label)


def test_commands_run_in_turn_until_one_fails_and_it_is_named(tmp_path: Path) -> None:
    done = run([step("echo 1", tmp_path), step("echo '2\n'; exit 7", tmp_path, "it's two"), step("echo 3", tmp_path)])
    assert done.returncode == 1
    assert done.stdout.split() == ["1", "2"]
    assert "Command 'it's two' failed with exitcode 7\n" in done.stderr
    assert "+ sh -c -e echo 1\n" in done.stderr


def test_a_command_without_a_label_is_named_by_itself(tmp_path: Path) -> None:
    assert "Command 'sh -c -e false' failed with exitcode 1" in run([step("false", tmp_path)]).stderr


def test_each_command_has_its_own_directory_and_environment(tmp_path: Path) -> None:
    items = [
        step('echo "$A,$B,$PWD"', tmp_path, A="1 1", B="2"),
        step('echo "$A,${B-unset},$PWD"', tmp_path / "made ' it", A="$HOME 'x'"),
        step('echo "$A,$B,$PWD"', tmp_path, A="1", B=""),
    ]
    assert run(items).stdout.splitlines() == [
        f"1 1,2,{tmp_path}",
        f"$HOME 'x',unset,{tmp_path}/made ' it",
        f"1,,{tmp_path}",
    ]


def test_files_are_made_and_directories_emptied_between_commands(tmp_path: Path) -> None:
    build = tmp_path / "build"
    (build / "sub").mkdir(parents=True)
    items = [
        step("echo x > ../f", build / "sub"),
        CreateFile("-made"),
        step("test -f ./-made", build / "sub"),
        EmptyDirectory(str(build)),
    ]
    assert run(items).returncode == 0
    assert list(build.iterdir()) == [build / "sub"]
    assert list((build / "sub").iterdir()) == []


def test_a_batch_of_nothing_has_no_first_step() -> None:
    assert first_step([CreateFile("f"), EmptyDirectory("/d")]) is None
    assert script([]) == ""
