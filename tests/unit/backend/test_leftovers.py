"""What killed processes leave in a cache is removed, and what living ones use stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grilse.backend.leftovers import Leftovers
from grilse.sandbox.scratch import DOWNLOADS, SOURCES, Scratch
from grilse.storage.sessions import Session, marks
from grilse.storage.store import temporary_prefix

SOURCE = Path(__file__).parents[3] / "src"

# Makes what a session makes while it works, and is killed.
KILLED = """
import os, signal, sys
from grilse.sandbox.scratch import DOWNLOADS, SOURCES, Scratch
from grilse.storage.sessions import Session
from grilse.storage.store import temporary_prefix
cachedir, sourcedir = sys.argv[1:]
session = Session(cachedir)
made = [Scratch(f"{cachedir}/grilse/sandbox"), Scratch(f"{cachedir}/build", SOURCES)]
made.append(Scratch(f"{sourcedir}/tar", DOWNLOADS))
for scratch in made:
    os.makedirs(f"{scratch.path}/inner/closed")
    os.chmod(f"{scratch.path}/inner", 0o500)
os.makedirs(f"{cachedir}/cas/tmp", exist_ok=True)
open(f"{cachedir}/cas/tmp/{temporary_prefix(os.getpid(), session.mark)}0", "w").close()
print(os.getpid(), session.mark, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def cachedir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def working(cachedir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(cachedir), str(cachedir.parent / "sources")],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def files(cachedir: Path) -> set[str]:
    places = [
        cachedir / "grilse" / "sandbox",
        cachedir / "build",
        cachedir / "cas" / "tmp",
        cachedir / "grilse/sessions",
    ]
    return {path.name for place in [*places, cachedir.parent / "sources" / "tar"] for path in place.glob("*")}


def sweep(cachedir: Path, mark: str = "", *dead: int) -> None:
    leftovers = Leftovers(str(cachedir), str(cachedir.parent / "sources"), mark)
    for pid in dead:
        leftovers.died(pid)
    leftovers.close()


def test_what_a_killed_session_left_is_removed_by_the_next_one_and_not_before(cachedir: Path) -> None:
    with working(cachedir) as process:
        assert process.stdout is not None
        process.stdout.readline()
        made = files(cachedir)
        assert len(made) == 8
        sweep(cachedir)
        assert files(cachedir) == made
        process.kill()
    sweep(cachedir)
    assert files(cachedir) == set()


def test_files_of_a_dead_worker_are_removed_while_its_session_goes_on(cachedir: Path) -> None:
    temporary = cachedir / "cas" / "tmp"
    temporary.mkdir(parents=True)
    with Session(str(cachedir)) as session:
        mine, dead = temporary_prefix(os.getpid(), session.mark), temporary_prefix(4_000_000, session.mark)
        for prefix in (mine, dead, "cas-tmpfile", temporary_prefix(4_000_000, "")):
            (temporary / f"{prefix}x").touch()
        sweep(cachedir, session.mark, 4_000_000)
        assert not (temporary / f"{dead}x").exists()
        assert len(list(temporary.iterdir())) == 3
        assert marks(str(cachedir)) == {session.mark}


def test_what_others_have_beside_scratch_directories_stays(cachedir: Path) -> None:
    for name in ("repository", "repository.lock", f"{DOWNLOADS}1-0123456g.lock", f"{SOURCES}1-01234567.lock"):
        place = cachedir.parent / "sources" / "git" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    sweep(cachedir)
    assert len(list((cachedir.parent / "sources" / "git").iterdir())) == 4


def test_a_scratch_directory_is_gone_after_its_block(tmp_path: Path) -> None:
    with Scratch(str(tmp_path / "tar"), DOWNLOADS) as path:
        Path(path, "file").touch()
        assert len(os.listdir(tmp_path / "tar")) == 2
    assert os.listdir(tmp_path / "tar") == []
