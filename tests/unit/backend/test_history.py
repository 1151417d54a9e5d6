"""The directories of past sessions stay within bounds, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from grilse.backend.history import claim_session, prune_sessions

DAY = 86_400


def session(root: Path, number: int, *, days: float = 0, lock: bool = True) -> Path:
    """A session that has ended, and wrote its last event `days` ago."""
    directory = root / f"20260101-{number:06d}-abcdef"
    directory.mkdir()
    log = directory / "events.jsonl"
    log.write_text("{}\n")
    if lock:
        descriptor = claim_session(str(directory))
        assert descriptor is not None
        os.close(descriptor)
    written = time.time() - days * DAY
    os.utime(log, (written, written))
    return directory


def names(root: Path) -> list[str]:
    return sorted(os.listdir(root))


def test_the_newest_sessions_are_kept(tmp_path: Path) -> None:
    made = [session(tmp_path, number).name for number in range(6)]
    assert prune_sessions(str(tmp_path), kept=2) == 4
    assert names(tmp_path) == made[4:]
    assert prune_sessions(str(tmp_path), kept=2) == 0


def test_old_sessions_are_dropped_though_there_are_few(tmp_path: Path) -> None:
    session(tmp_path, 1, days=31)
    young = session(tmp_path, 2, days=29)
    assert prune_sessions(str(tmp_path)) == 1
    assert names(tmp_path) == [young.name]


def test_a_running_session_is_kept_whatever_its_age(tmp_path: Path) -> None:
    running = session(tmp_path, 1, days=400, lock=False)
    session(tmp_path, 2, days=400)
    descriptor = claim_session(str(running))
    assert descriptor is not None
    assert prune_sessions(str(tmp_path), kept=0) == 1
    assert names(tmp_path) == [running.name]
    os.close(descriptor)
    assert prune_sessions(str(tmp_path), kept=0) == 1


def test_a_session_that_was_killed_has_ended(tmp_path: Path) -> None:
    directory = session(tmp_path, 1, lock=False)
    program = (
        "import sys; from grilse.backend.history import claim_session; "
        f"claim_session({str(directory)!r}); print('claimed', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"claimed\n"
        assert prune_sessions(str(tmp_path), kept=0) == 0
        process.kill()
    assert prune_sessions(str(tmp_path), kept=0) == 1
    assert names(tmp_path) == []


def test_a_session_that_could_not_take_a_lock_counts_as_running_for_a_day(tmp_path: Path) -> None:
    fresh = session(tmp_path, 1, days=0.9, lock=False)
    session(tmp_path, 2, days=1.1, lock=False)
    assert prune_sessions(str(tmp_path), kept=0) == 1
    assert names(tmp_path) == [fresh.name]


def test_what_is_no_session_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "sessions"
    root.mkdir()
    elsewhere = session(tmp_path, 9, days=400)
    (root / "20260101-000001-abcdef").mkdir()
    (root / "20260101-000002-abcdef").write_text("a file")
    (root / "20260101-000003-abcdef").symlink_to(elsewhere)
    foreign = root / "notes"
    foreign.mkdir()
    (foreign / "events.jsonl").write_text("mine")
    os.utime(foreign / "events.jsonl", (0, 0))
    before = names(root)
    assert prune_sessions(str(root), kept=0, days=0) == 0
    assert names(root) == before
    assert (elsewhere / "events.jsonl").exists()


def test_what_was_left_half_removed_is_removed(tmp_path: Path) -> None:
    session(tmp_path, 1).rename(tmp_path / "dropped-20260101-000001-abcdef")
    (tmp_path / "dropped-by-me").mkdir()
    assert prune_sessions(str(tmp_path)) == 0
    assert names(tmp_path) == ["dropped-by-me"]


def test_a_directory_that_cannot_be_read_does_no_harm(tmp_path: Path) -> None:
    assert prune_sessions(str(tmp_path / "missing")) == 0
    broken = session(tmp_path, 1, days=400)
    (broken / "events.jsonl").unlink()
    (broken / "events.jsonl").symlink_to("events.jsonl")
    session(tmp_path, 2, days=400)
    assert prune_sessions(str(tmp_path)) == 1
    assert names(tmp_path) == [broken.name]


def test_a_directory_that_cannot_be_written_gets_no_lock(tmp_path: Path) -> None:
    assert claim_session(str(tmp_path / "missing")) is None
    first = claim_session(str(tmp_path))
    assert first is not None
    assert claim_session(str(tmp_path)) is None
    os.close(first)


def test_looking_at_a_project_does_not_drive_out_builds(tmp_path: Path) -> None:
    builds = [session(tmp_path, number) for number in range(3)]
    for build in builds:
        (build / "plan").touch()
    looks = [session(tmp_path, number) for number in range(10, 20)]
    assert prune_sessions(str(tmp_path), kept=2) == 1 + 8
    assert sorted(tmp_path.iterdir()) == [*builds[-2:], *looks[-2:]]
