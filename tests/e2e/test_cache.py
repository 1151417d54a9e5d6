"""The cache commands and the quota, through real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grilse.storage.expiry import used_bytes
from grilse.storage.store import Store

SOURCE = Path(__file__).parents[2] / "src"

pytestmark = pytest.mark.timeout(60)


class Project:
    """A project of imports, one kilobyte each, with a cache of its own."""

    def __init__(self, path: Path, count: int = 3, settings: str = "") -> None:
        self.path = path
        (path / "elements").mkdir(parents=True)
        (path / "project.conf").write_text("name: demo\nmin-version: 2.0\nelement-path: elements\n")
        for number in range(count):
            (path / f"f{number}").write_text(f"{number}" * 1000)
            (path / "elements" / f"e{number}.bst").write_text(
                f"kind: import\nsources:\n- kind: local\n  path: f{number}\n"
            )
        self.settings = path / "user.conf"
        self.settings.write_text(f"cachedir: {path}/cache\nlogdir: {path}/logs\n{settings}")
        self.store = Store(str(path / "cache"))

    def __call__(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "grilse", "--config", str(self.settings), "-C", str(self.path), *words],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=50,
            check=False,
        )
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "grilse", "--config", str(self.settings), "-C", str(self.path), *words],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self("--output", "json", *words, status=status))["result"]

    def cached(self) -> list[str]:
        return sorted(path.name for path in Path(self.store.cachedir, "artifacts", "refs", "demo").glob("*"))


def test_the_cache_tells_its_numbers(tmp_path: Path) -> None:
    project = Project(tmp_path)
    empty = project.json("cache", "info")
    assert empty["blobs"] == 0 and not empty["exceeded"]
    project("build", *(f"e{number}.bst" for number in range(3)))
    found = project.json("cache", "info")
    assert found["room"]["used"] == used_bytes(project.store) and found["parts"]["artifacts"]["count"] == 6
    assert found["in_use_since"] is None
    assert "artifacts" in project("cache", "info")


def test_a_check_finds_and_repairs_and_the_next_build_makes_it_again(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project("build", "e0.bst", "e1.bst")
    assert "All is well" in project("cache", "check")
    victim = next(path for path in Path(project.store.objects).glob("*/*") if path.stat().st_size == 1000)
    victim.chmod(0o644)
    victim.write_bytes(b"x" * 1000)
    assert not project.json("cache", "check", status=1)["sound"]
    assert project.json("cache", "check", "--repair")["repaired"] == 5  # the blob, two keys, the source twice
    assert project.json("cache", "check")["sound"] and len(project.cached()) == 1
    project("build", "e0.bst", "e1.bst")
    assert project.json("cache", "check")["sound"] and len(project.cached()) == 2


def test_pruning_goes_down_to_the_low_watermark(tmp_path: Path) -> None:
    project = Project(tmp_path, settings="cache:\n  quota: 8K\n  low-watermark: 50%\n")
    for number in range(3):
        project("build", f"e{number}.bst")
        for path in Path(project.store.cachedir).glob("*/**/*"):
            if path.is_file() and path.stat().st_mtime > 1e9:
                os.utime(path, (1000.0 + number, 1000.0 + number))
    removed = project.json("cache", "prune")
    assert removed["enough"] and used_bytes(project.store) <= 4096
    assert project.json("cache", "check")["sound"]
    assert "e2" in project.cached() and "e0" not in project.cached()


def test_what_does_not_fit_fails_and_what_fits_replaces_what_is_old(tmp_path: Path) -> None:
    project = Project(tmp_path, settings="cache:\n  quota: 1K\n")
    project("build", "e0.bst", status=255)
    assert project.cached() == []
    project.settings.write_text(project.settings.read_text().replace("1K", "6K"))
    for name in ("e0", "e1", "e2"):
        project("build", f"{name}.bst")
        assert name in project.cached()
    assert not project.json("cache", "info")["exceeded"] and len(project.cached()) < 3
    assert project.json("cache", "check")["sound"]


@pytest.mark.timeout(240)
def test_sessions_at_once_neither_disturb_each_other_nor_what_makes_room_and_deletes(tmp_path: Path) -> None:
    project = Project(tmp_path, count=9, settings="cache:\n  quota: 60K\n  low-watermark: 50%\n")
    sessions = (range(6), range(3, 9), range(9))
    for again in range(2):
        for number in range(9):
            (tmp_path / f"f{number}").write_bytes(os.urandom(2000))
        running = [project.start("build", *(f"e{number}.bst" for number in numbers)) for numbers in sessions]
        running += [project.start("artifact", "delete", "e4.bst", "e5.bst"), project.start("cache", "prune")]
        said = [session.communicate(timeout=100)[0] for session in running]
        for session, text in zip(running, said, strict=True):
            assert session.returncode == 0, f"{session.args} {again}: {text}"
        assert project.json("cache", "check")["sound"]
    project("build", *(f"e{number}.bst" for number in range(9)))
    for number in (0, 4, 8):
        project("artifact", "checkout", "--directory", str(tmp_path / f"out{number}"), f"e{number}.bst")
        assert (tmp_path / f"out{number}" / f"f{number}").read_bytes() == (tmp_path / f"f{number}").read_bytes()


def test_the_log_of_an_element_and_of_a_link_to_it_is_shown_once(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "elements" / "link.bst").write_text("kind: link\nconfig:\n  target: e0.bst\n")
    project("build", "e0.bst", "e1.bst")
    alone = project("artifact", "log", "e0.bst")
    assert project("artifact", "log", "e0.bst", "link.bst") == alone
    assert project("artifact", "log", "link.bst", "e1.bst") == alone + project("artifact", "log", "e1.bst")


def test_an_unwritable_cache_directory_is_an_orderly_error(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "cache").write_text("a file")
    for words in (("build", "e0.bst"), ("cache", "prune")):
        done = project(*words, status=255)
        assert "Traceback" not in done
