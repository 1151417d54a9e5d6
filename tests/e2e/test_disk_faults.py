"""A disk that is full: words with the place, nothing half-written, and all goes on once there is room.

The disk is a small one in memory, which a mount namespace of its own has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grilse.storage.care import check
from grilse.storage.store import Store

from .bad_project import Bench
from .projects import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NO_SPACE = "o space left on device"
MEGABYTE = 1 << 20


class Disk:
    """A file system of a few megabytes at `path`, seen only by what `inside` starts."""

    def __init__(self, path: Path, megabytes: int) -> None:
        path.mkdir()
        self.path = path
        ready = path.parent / "mounted"
        script = f"mount -t tmpfs -o size={megabytes}m none '{path}' && touch '{ready}' && exec sleep 3600"
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: ready.exists() or self._holder.poll() is not None)
        if self._holder.poll() is not None:
            _, why = self._holder.communicate()
            pytest.skip(f"no mount namespace here: {why.strip()}")

    def inside(self, directory: Path) -> tuple[str, ...]:
        """Words before a command that is to see the disk."""
        pid = str(self._holder.pid)
        return ("nsenter", "--user", "--mount", "--preserve-credentials", f"--wd={directory}", "--target", pid)

    def seen(self, path: Path) -> Path:
        """Where a path on the disk is seen from outside."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def resize(self, megabytes: int) -> None:
        # Other options would be those of the mount table, with a user that there is not in the namespace
        command = ("mount", "--options-mode", "ignore", "-o", f"remount,size={megabytes}m", str(self.path))
        subprocess.run([*self.inside(self.path), *command], check=True, capture_output=True)

    def fill(self) -> None:
        """Leave nothing."""
        with open(self.seen(self.path) / "ballast", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(MEGABYTE))
            except OSError:
                pass

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    missing = [name for name in ("unshare", "nsenter", "mount") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here")
    made = Disk(tmp_path / "disk", 24)
    yield made
    made.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "p")
    yield made
    made.close()


def finish(bench: Bench, disk: Disk, *words: str) -> tuple[int, str]:
    program = bench.start(*words, before=disk.inside(bench.root))
    status, _, err = program.finish(timeout=100)
    assert "Traceback" not in err and "bug of grilse" not in err, err
    return status, err


def configure(bench: Bench, **places: Path) -> tuple[str, str]:
    """Words that put these directories where they are wanted."""
    settings = bench.root / "user.conf"
    settings.write_text("".join(f"{name}: {path}\n" for name, path in places.items()) + "scheduler: {builders: 2}\n")
    return ("--config", str(settings))


def assert_sound(cachedir: Path) -> None:
    found = check(Store(str(cachedir)))
    assert found.sound and found.strays == [], (found.bad_blobs, found.broken_records, found.strays)


def test_a_cache_on_a_full_disk_fails_with_the_place_and_goes_on_when_there_is_room(bench: Bench, disk: Disk) -> None:
    cachedir = disk.path / "cache"
    names = []
    for index in range(6):
        (bench.root / f"files{index}").mkdir()
        (bench.root / f"files{index}" / f"f{index}").write_bytes(os.urandom(8 * MEGABYTE))
        names.append(f"i{index}.bst")
        text = f"kind: import\nsources:\n- kind: local\n  path: files{index}\n"
        (bench.root / "elements" / names[-1]).write_text(text)
    words = (*configure(bench, cachedir=cachedir), "build", *names)
    status, err = finish(bench, disk, *words)
    assert status == 255
    assert NO_SPACE in err and str(cachedir) in err, err
    assert_sound(disk.seen(cachedir))
    disk.resize(200)
    status, err = finish(bench, disk, *words)
    assert status == 0, err
    assert_sound(disk.seen(cachedir))


def test_sources_that_fill_the_disk_fail_with_the_place_and_leave_the_room_again(bench: Bench, disk: Disk) -> None:
    cachedir = disk.path / "cache"
    options = configure(bench, cachedir=cachedir)
    name = bench.source("big", at="stage", do="fill-disk")
    good = bench.source("good")
    status, err = finish(bench, disk, *options, "build", name)
    assert status == 255
    assert NO_SPACE in err and "big.bst" in err, err
    assert list(disk.seen(cachedir / "build").iterdir()) == []
    assert_sound(disk.seen(cachedir))
    assert finish(bench, disk, *options, "build", good)[0] == 0


def test_a_disk_that_is_full_at_the_start_is_named(bench: Bench, disk: Disk) -> None:
    cachedir = disk.path / "cache"
    options = configure(bench, cachedir=cachedir)
    name = bench.source("good")
    disk.fill()
    status, err = finish(bench, disk, *options, "build", name)
    assert status == 255
    assert NO_SPACE in err and str(disk.path) in err, err
    (disk.seen(disk.path) / "ballast").unlink()
    assert finish(bench, disk, *options, "build", name)[0] == 0
    assert_sound(disk.seen(cachedir))


@pytest.mark.parametrize("place", ["logdir", "sourcedir", "events"])
def test_places_beside_the_cache_may_be_full_too(bench: Bench, disk: Disk, place: str) -> None:
    name = bench.source("good")
    elsewhere = disk.path / place
    options: tuple[str, ...] = configure(bench, cachedir=bench.root / "cache", logdir=bench.root / "logs")
    if place == "events":
        options = ("--events", str(elsewhere), *options)
    else:
        options = configure(bench, **{"cachedir": bench.root / "cache", place: elsewhere})
    disk.seen(disk.path / "events").touch()
    disk.fill()
    status, err = finish(bench, disk, *options, "build", name)
    if place == "logdir":
        # A build without its log is none.
        assert status == 255 and NO_SPACE in err and str(elsewhere) in err, err
    else:
        assert status == 0, err
    if place == "events":
        assert f"Events are missing in '{elsewhere}'" in err
    assert_sound(bench.root / "cache")
    (disk.seen(disk.path) / "ballast").unlink()
    assert finish(bench, disk, *options, "build", name)[0] == 0


def test_a_full_disk_below_the_users_cache_directory_costs_the_history_or_has_words(tmp_path: Path, disk: Disk) -> None:
    bench = Bench(tmp_path / "q")
    try:
        name = bench.source("good")
        options = configure(bench, cachedir=bench.root / "cache", logdir=bench.root / "logs")
        disk.fill()
        elsewhere = _with_home(disk, bench.root)
        status, out, err = bench.start(*options, "show", "--format", "%{name}", name, before=elsewhere).finish()
        assert (status, out.strip()) == (0, name), err
        status, out, err = bench.start(*options, "build", name, before=elsewhere).finish()
        assert status == 255
        assert "Could not write the session's plan" in err and NO_SPACE in err and str(disk.path) in err, err
        (disk.seen(disk.path) / "ballast").unlink()
        assert bench.start(*options, "build", name, before=elsewhere).finish()[0] == 0
    finally:
        bench.close()


def _with_home(disk: Disk, root: Path) -> tuple[str, ...]:
    return (*disk.inside(root), "env", f"XDG_CACHE_HOME={disk.path}")
