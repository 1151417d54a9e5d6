"""Whenever a writer is killed, and when the disk is full, the cache is sound."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grilse.protocol.errors import CasError
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.capture import capture_tree
from grilse.storage.care import check
from grilse.storage.checkout import export_tree
from grilse.storage.store import Store

WRITER = """
import itertools, os, sys
from grilse.storage.artifact import Artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.capture import capture_tree
from grilse.storage.sources import SourceCache
from grilse.storage.store import Store
cachedir, source, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
# Content may be stored by several threads: each step has to have a number of its own.
steps = itertools.count(1)
def die_after(function):
    def call(*args, **kwargs):
        if next(steps) == last:
            # In the middle of a write, half of it is on disk.
            if function is write:
                function(args[0], bytes(args[1])[:len(args[1]) // 2])
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call
write = os.write
for name in ("write", "open", "rename", "replace", "close", "link", "makedirs", "chmod", "utime"):
    setattr(os, name, die_after(getattr(os, name)))
store = Store(cachedir)
files = capture_tree(store, source, remember=True).digest
SourceCache(store).write("local/key", files)
artifact = Artifact("k" * 64, "s" * 64, "w" * 64, files=files, public_data=store.add_bytes(b"{}\\n"))
ArtifactCache(store).write("p", "e", artifact)
print("done")
"""


def make_source(path: Path) -> None:
    for number in range(6):
        (path / f"d{number}").mkdir(parents=True)
        (path / f"d{number}" / "small").write_text(f"{number}" * 100)
    (path / "large").write_bytes(bytes(range(256)) * 8192)


def run_writer(cachedir: Path, source: Path, steps: int) -> bool:
    """Run the writer and kill it after so many system calls; whether it came to its end."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(cachedir), str(source), str(steps)],
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == 0


@pytest.mark.timeout(120)
def test_a_writer_killed_at_any_instant_leaves_a_sound_cache(tmp_path: Path) -> None:
    make_source(tmp_path / "in")
    expected = capture_tree(Store(str(tmp_path / "other")), str(tmp_path / "in")).digest
    dice = random.Random(2)
    finished = False
    # The same cache all along, so that what each leaves is what the next one finds.
    for steps in [1, 2, 3, 4, *(dice.randrange(5, 120) for _ in range(20)), 10_000]:
        finished = run_writer(tmp_path / "cache", tmp_path / "in", steps)
        store = Store(str(tmp_path / "cache"))
        found = check(store)
        assert found.sound and found.strays == []
        for artifact in map(ArtifactCache(store).read, ArtifactCache(store).list()):
            assert artifact is not None and artifact.files == expected and ArtifactCache(store).is_cached(artifact)
    assert finished and ArtifactCache(store).lookup("p", "e", "k" * 64) is not None


@pytest.mark.timeout(60)
def test_two_writers_at_once_and_a_third_that_is_killed_do_not_disturb_each_other(tmp_path: Path) -> None:
    # The third has the same content in files of its own: were they those that the others remember, it might be done in
    # fewer steps than it is given.
    make_source(tmp_path / "in")
    make_source(tmp_path / "own")
    words = [sys.executable, "-c", WRITER, str(tmp_path / "cache")]
    work = (("in", "100000"), ("in", "100000"), ("own", "12"))
    processes = [subprocess.Popen([*words, str(tmp_path / source), steps]) for source, steps in work]
    assert [process.wait(30) for process in processes] == [0, 0, -9]
    store = Store(str(tmp_path / "cache"))
    assert check(store).sound and len(ArtifactCache(store).list()) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(words, capture_output=True, timeout=10).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small tmpfs cannot be mounted (that takes root)")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True, timeout=10)


def test_a_full_disk_is_a_clear_error_and_the_cache_is_sound(small_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(100):
        (source / f"f{number}").write_bytes(os.urandom(60_000))
    (source / "large").write_bytes(os.urandom(3_000_000))
    cachedir = small_disk / "cache"
    for _ in range(3):
        with pytest.raises(CasError, match="no space left") as caught:
            capture_tree(Store(str(cachedir)), str(source))
        assert caught.value.reason == "cache-too-full"
    found = check(Store(str(cachedir)))
    assert found.sound and found.blobs > 0 and os.listdir(cachedir / "cas" / "tmp") == []
    store = Store(str(tmp_path / "cache"))
    digest = capture_tree(store, str(source)).digest
    with pytest.raises(CasError, match="no space left"):
        export_tree(store, digest, str(small_disk / "out"))
