"""Whatever is killed, and whenever: the cache is sound, what was built stays, and the next command goes on.

GRILSE_FAULT_RUNS chooses how many faults each test makes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from grilse.storage.artifacts import ArtifactCache
from grilse.storage.care import check
from grilse.storage.store import Store

SOURCE = Path(__file__).parents[2] / "src"
RUNS = int(os.environ.get("GRILSE_FAULT_RUNS", "3"))
ELEMENTS = 12
FILES = 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 20 * RUNS)]


class Faults:
    """A project and a cache on which commands are killed."""

    def __init__(self, path: Path, settings: str = "") -> None:
        self.path = path
        (path / "elements").mkdir()
        (path / "project.conf").write_text("name: demo\nmin-version: 2.0\nelement-path: elements\n")
        names = []
        for number in range(ELEMENTS):
            (path / f"d{number}").mkdir()
            for file in range(FILES):
                (path / f"d{number}" / f"f{number}-{file}").write_bytes(os.urandom(20_000))
            names.append(f"e{number}.bst")
            (path / "elements" / names[-1]).write_text(f"kind: import\nsources:\n- kind: local\n  path: d{number}\n")
        (path / "elements" / "all.bst").write_text(f"kind: stack\ndepends: [{', '.join(names)}]\n")
        (path / "user.conf").write_text(f"cachedir: {path}/cache\nlogdir: {path}/logs\n{settings}")
        self.store = Store(str(path / "cache"))

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "grilse", "--config", str(self.path / "user.conf"), "-C", str(self.path)]
        return subprocess.Popen(
            [*command, *words],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, *words: str) -> str:
        with self.start(*words) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    def kill_at_line(self, line: int, *words: str) -> bool:
        """Run a command and kill all of its processes once it has printed so many lines; False if it was faster."""
        with self.start(*words) as process:
            assert process.stdout is not None
            for _ in range(line):
                if not process.stdout.readline():
                    return False
            try:
                main = psutil.Process(process.pid)
                everybody = [main, *main.children(recursive=True)]
            except psutil.NoSuchProcess:
                return False
            for one in everybody:
                try:
                    one.kill()
                except psutil.NoSuchProcess:
                    pass
            psutil.wait_procs(everybody[1:], timeout=10)
            return process.wait(10) == -9

    def artifacts(self) -> set[str]:
        return set(ArtifactCache(self.store).list())

    def assert_sound(self) -> None:
        found = check(Store(self.store.cachedir))
        assert found.sound and found.strays == [], (found.bad_blobs, found.broken_records, found.strays)


def test_builds_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    dice = random.Random(1)
    killed, kept = 0, set[str]()
    for _ in range(RUNS):
        killed += faults.kill_at_line(dice.randrange(1, 60), "build", "all.bst")
        faults.assert_sound()
        assert kept <= faults.artifacts(), "something that was built is gone"
        kept = faults.artifacts()
    assert killed
    faults.finish("build", "all.bst")
    faults.assert_sound()
    assert len({name.split("/")[1] for name in faults.artifacts()}) == ELEMENTS + 1


def test_checkouts_that_are_killed_leave_the_cache_alone(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.finish("build", "all.bst")
    kept = faults.artifacts()
    dice = random.Random(2)
    for number in range(RUNS):
        out = str(tmp_path / f"out{number}")
        faults.kill_at_line(dice.randrange(1, 12), "artifact", "checkout", "--directory", out, "all.bst")
        faults.assert_sound()
    assert faults.artifacts() == kept
    faults.finish("artifact", "checkout", "--directory", str(tmp_path / "out"), "all.bst")
    for number in range(ELEMENTS):
        for file in (tmp_path / f"d{number}").iterdir():
            assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_expiries_that_are_killed_leave_whole_artifacts(tmp_path: Path) -> None:
    faults = Faults(tmp_path, settings="cache:\n  quota: 8M\n  low-watermark: 50%\n")
    dice = random.Random(3)
    for _ in range(RUNS):
        faults.finish("build", "all.bst")
        for path in [*Path(faults.store.cachedir).glob("*/**/*")]:
            if path.is_file():
                os.utime(path, (1000.0, 1000.0 + dice.randrange(10)))
        faults.kill_at_line(dice.randrange(1, 4), "cache", "prune")
        faults.assert_sound()
    faults.finish("cache", "prune")
    faults.assert_sound()
