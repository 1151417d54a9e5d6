"""Making room takes what was used least recently, and nothing that anybody needs."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from grilse.platform.files import socket_answers
from grilse.storage import expiry
from grilse.storage.artifact import Artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.care import check, info, prune
from grilse.storage.census import blobs
from grilse.storage.closure import Presence
from grilse.storage.digest import Digest, digest_bytes
from grilse.storage.expiry import STALE, Limits, expire, reduce, room, used_bytes
from grilse.storage.messages import FileNode, Listing
from grilse.storage.sessions import MARGIN, Session, guard, oldest_start
from grilse.storage.sources import SourceCache
from grilse.storage.store import Store

NOW = 1_500_000_000.0


class Cache:
    """A cache with artifacts of one file each, used at chosen times."""

    def __init__(self, path: Path) -> None:
        self.store = Store(str(path))
        self.artifacts = ArtifactCache(self.store)

    def add(self, name: str, content: bytes, used: float, *, shared: bytes = b"") -> Artifact:
        nodes = {"file": FileNode(self.store.add_bytes(content), False)}
        if shared:
            nodes["shared"] = FileNode(self.store.add_bytes(shared), False)
        files = self.store.add_listing(Listing(dict(nodes)))
        artifact = Artifact(name, name, name, files=files)
        self.artifacts.write("p", "e", artifact)
        self.use(name, used, files, *(node.digest for node in nodes.values()))
        return artifact

    def use(self, name: str, used: float, *digests: Digest) -> None:
        os.utime(f"{self.artifacts.base}/p/e/{name}", (used, used))
        for digest in digests:
            os.utime(self.store.path(digest), (used, used))

    def names(self) -> list[str]:
        return sorted(name.rpartition("/")[2] for name in self.artifacts.list())

    def whole(self) -> bool:
        """Whether every record that is left has all of its blobs."""
        presence = Presence(Store(self.store.cachedir))
        found = [self.artifacts.read(name, touch=False) for name in self.artifacts.list()]
        return all(artifact is not None and self.artifacts.is_cached(artifact, presence) for artifact in found)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def fill(cache: Cache, count: int = 10) -> None:
    for number in range(count):
        cache.add(f"a{number}", b"%d" % number * 10_000, NOW + number)


def test_nothing_goes_while_there_is_room(cache: Cache) -> None:
    fill(cache)
    removed = expire(cache.store, Limits(quota=1_000_000))
    assert removed.blobs == 0 and removed.enough and removed.left == used_bytes(cache.store)
    assert len(cache.names()) == 10


def test_the_least_recently_used_go_until_the_low_watermark(cache: Cache) -> None:
    fill(cache)
    removed = expire(cache.store, Limits(quota=90_000, low_watermark=0.5))
    assert cache.names() == ["a6", "a7", "a8", "a9"]
    assert removed.records is not None and len(removed.records) == 6 and "artifacts/refs/p/e/a0" in removed.records
    assert removed.left == used_bytes(cache.store) <= 45_000 and removed.enough
    assert cache.whole()


def test_the_use_of_a_tree_counts_as_the_use_of_its_artifact(cache: Cache) -> None:
    fill(cache)
    # This is how BuildStream uses an artifact's blobs.
    first = cache.artifacts.read("p/e/a0", touch=False)
    assert first is not None and first.files is not None
    os.utime(cache.store.path(first.files), (NOW + 100, NOW + 100))
    expire(cache.store, Limits(quota=90_000, low_watermark=0.25))
    assert cache.names() == ["a0", "a9"]


def test_what_a_kept_artifact_shares_with_an_expired_one_stays(cache: Cache) -> None:
    for number in range(4):
        cache.add(f"a{number}", b"%d" % number * 10_000, NOW + number, shared=b"s" * 5_000)
    expire(cache.store, Limits(quota=30_000, low_watermark=0.9))
    assert cache.names() == ["a2", "a3"] and cache.whole()


def test_blobs_that_no_record_names_go_by_their_own_last_use(cache: Cache) -> None:
    fill(cache, 3)
    old, new = cache.store.add_bytes(b"x" * 10_000), cache.store.add_bytes(b"y" * 10_000)
    os.utime(cache.store.path(old), (NOW - 1, NOW - 1))
    os.utime(cache.store.path(new), (NOW + 100, NOW + 100))
    expire(cache.store, Limits(quota=45_000, low_watermark=0.75))
    assert not cache.store.contains(old) and cache.store.contains(new)
    assert cache.names() == ["a1", "a2"]


def test_sources_expire_like_artifacts(cache: Cache) -> None:
    fill(cache, 2)
    sources = SourceCache(cache.store)
    tree = cache.store.add_listing(Listing({"f": FileNode(cache.store.add_bytes(b"s" * 10_000), False)}))
    sources.write("local/key", tree)
    for path in (f"{sources.base}/local/key", cache.store.path(tree)):
        os.utime(path, (NOW - 1, NOW - 1))
    removed = expire(cache.store, Limits(quota=25_000, low_watermark=0.9))
    assert sources.list() == [] and removed.records == ["source_protos/local/key"] and cache.names() == ["a0", "a1"]


def test_a_running_session_keeps_what_it_used(cache: Cache) -> None:
    fill(cache)
    with Session(cache.store.cachedir):
        assert cache.artifacts.lookup("p", "e", "a0") is not None
        fresh = cache.store.add_bytes(b"made by the session" * 100)
        assert Store(cache.store.cachedir).add_bytes(b"3" * 10_000)  # content that an old artifact holds
        removed = expire(cache.store, Limits(quota=1))
        assert cache.names() == ["a0"] and cache.whole() and cache.store.contains(fresh)
        assert cache.store.contains(digest_bytes(b"3" * 10_000))
        assert not removed.enough
    cache.use("a0", 1000.0)
    os.utime(cache.store.path(fresh), (1000.0, 1000.0))
    expire(cache.store, Limits(quota=1))
    assert cache.names() == []


def test_only_its_own_session_does_not_keep_the_caller_from_pruning(cache: Cache) -> None:
    cache.add("new", b"n", NOW)
    cache.use("new", 1e9)
    with Session(cache.store.cachedir) as own:
        cache.artifacts.lookup("p", "e", "new")
        assert reduce(cache.store, blobs(cache.store), 0).enough is False
        assert reduce(cache.store, blobs(cache.store), 0, session=own).enough is True


def test_the_mark_of_a_killed_session_does_not_count(cache: Cache) -> None:
    script = "import sys\nfrom grilse.storage.sessions import Session\nSession(sys.argv[1])\nprint(flush=True)\ninput()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, cache.store.cachedir], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()
    assert oldest_start(cache.store.cachedir) is not None
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert oldest_start(cache.store.cachedir) is None
    [mark] = Path(cache.store.cachedir, "grilse", "sessions").iterdir()
    os.utime(mark, (1, 1))
    assert oldest_start(cache.store.cachedir) is None and not mark.exists()


def test_a_session_of_bst_counts_while_its_casd_listens(cache: Cache) -> None:
    fill(cache, 1)
    path = os.path.join(cache.store.cachedir, "casserver-abcdefgh.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        start = oldest_start(cache.store.cachedir)
        assert start is not None and start == os.stat(path).st_mtime - MARGIN
    assert oldest_start(cache.store.cachedir) is None


def test_a_socket_is_asked_however_long_its_path_is(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 120)
    directory.mkdir()
    os.symlink(directory, tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s" / "c.sock"))
        assert not socket_answers(str(directory / "c.sock"))
        server.listen()
        assert socket_answers(str(directory / "c.sock"))
    assert not socket_answers(str(directory / "nothing"))


def test_what_is_used_while_room_is_made_stays(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache, 20)
    monkeypatch.setattr(expiry, "_BATCH", 4)
    used: list[str] = []

    def meanwhile(done: int, total: int) -> None:
        """Another session begins after the first batch and uses what is left of the oldest blobs."""
        if not used:
            used.append("x")
            store = Store(cache.store.cachedir)
            for number in range(20):
                store.add_bytes(b"%d" % number * 10_000)

    before = len(blobs(cache.store))
    removed = reduce(cache.store, blobs(cache.store), 0, progress=meanwhile)
    assert used and removed.blobs < before
    assert all(cache.store.contains(digest_bytes(b"%d" % number * 10_000)) for number in range(20))


def test_what_another_session_has_removed_meanwhile_is_not_left(cache: Cache) -> None:
    fill(cache)
    present = blobs(cache.store)
    first = reduce(cache.store, present, 30_000)
    second = reduce(cache.store, present, 30_000)
    assert second.left == first.left == used_bytes(cache.store) and second.enough
    assert first.blobs > 0 and second.blobs == 0


def test_a_record_that_is_used_while_room_is_made_stays_whole(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache, 20)
    monkeypatch.setattr(expiry, "_BATCH", 4)
    real = expiry.records
    calls: list[int] = []

    def use_first(store: Store, **arguments: object) -> object:
        if "but" in arguments and not calls:
            calls.append(1)
            os.utime(f"{cache.artifacts.base}/p/e/a0")
        return real(store, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(expiry, "records", use_first)
    reduce(cache.store, blobs(cache.store), 0)
    assert cache.names() == ["a0"] and cache.whole()


def test_the_guard_keeps_expiry_waiting(cache: Cache) -> None:
    fill(cache, 3)
    finished = threading.Event()

    def make_room() -> None:
        expire(cache.store, Limits(quota=1))
        finished.set()

    with guard(cache.store.cachedir):
        thread = threading.Thread(target=make_room)
        thread.start()
        artifact = cache.artifacts.lookup("p", "e", "a1", touch=False)
        assert artifact is not None and cache.artifacts.is_cached(artifact)
        assert not finished.is_set()
    thread.join()
    assert finished.is_set() and cache.names() == []


def test_the_reserve_lowers_the_quota(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    used = used_bytes(cache.store)
    monkeypatch.setattr(expiry, "free_space", lambda path: (50_000, 10_000_000))
    state = room(cache.store, Limits(reserved=70_000), used)
    assert state.quota == used - 20_000 and state.exceeded
    assert not room(cache.store, Limits(reserved=40_000), used).exceeded
    assert room(cache.store, Limits(quota=10, reserved=0), used).quota == 10
    assert room(cache.store, Limits(reserved=10**9), used).quota == 0
    expire(cache.store, Limits(reserved=70_000, low_watermark=1.0))
    assert len(cache.names()) == 8


def test_an_absent_cache_needs_no_room(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "a" / "b"))
    assert expire(store, Limits(quota=1)).blobs == 0
    assert prune(store).blobs == 0 and check(store).sound
    assert info(store, Limits()).blobs == 0


def test_a_check_finds_and_repairs_what_is_broken(cache: Cache) -> None:
    fill(cache, 4)
    assert check(cache.store).sound
    bad, absent = digest_bytes(b"1" * 10_000), digest_bytes(b"2" * 10_000)
    os.chmod(cache.store.path(bad), 0o644)
    Path(cache.store.path(bad)).write_bytes(b"x" * 10_000)
    os.unlink(cache.store.path(absent))
    Path(cache.artifacts.base, "p", "e", "a3").write_bytes(b"garbage")
    Path(cache.store.objects, bad.hash[:2], "stray").write_text("x")
    for repair in (False, True):
        found = check(cache.store, repair=repair)
        assert not found.sound and found.blobs == 7 and found.records == 4
        assert [fault.path.replace("/", "")[-64:] for fault in found.bad_blobs] == [bad.hash]
        broken = {fault.path.rpartition("/")[2]: fault.why for fault in found.broken_records}
        assert broken.keys() == {"a1", "a2", "a3"} and broken["a3"] == "cannot be read"
        assert len(found.strays) == 1 and found.repaired == (5 if repair else 0)
    after = check(cache.store)
    assert after.sound and after.strays == [] and cache.names() == ["a0"] and cache.whole()


def test_a_repair_leaves_the_record_that_somebody_is_fetching(cache: Cache) -> None:
    artifact = Artifact("k", "k", "k", files=digest_bytes(b"not here yet"))
    with Session(cache.store.cachedir):
        cache.artifacts.write("p", "e", artifact)
        found = check(cache.store, repair=True)
        assert len(found.broken_records) == 1 and found.repaired == 0 and cache.names() == ["k"]


def test_pruning_removes_what_nobody_names_and_what_was_left(cache: Cache) -> None:
    fill(cache, 3)
    lost = cache.store.add_bytes(b"nobody names this")
    left, fresh, theirs = (Path(cache.store.tmpdir, name) for name in ("grilse-1-x", "grilse-2-x", "other"))
    for path in (left, fresh, theirs):
        path.write_text("xyz")
    for path in (left, theirs):
        os.utime(path, (NOW - 100 * STALE, 1.0))
    removed = prune(cache.store)
    assert not cache.store.contains(lost) and removed.size == 3 + lost.size and removed.blobs == 1
    assert not left.exists() and fresh.exists() and theirs.exists()
    assert len(cache.names()) == 3 and cache.whole()


def test_pruning_removes_what_was_not_used_for_long(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache, 3)
    monkeypatch.setattr("time.time", lambda: NOW + 100)
    prune(cache.store, unused_for=98.5)
    assert cache.names() == ["a2"]
    prune(cache.store, goal=0)
    assert cache.names() == [] and used_bytes(cache.store) == 0


def test_the_numbers_say_what_fills_the_cache(cache: Cache) -> None:
    cache.add("a", b"1" * 1000, NOW, shared=b"s" * 500)
    shared = SourceCache(cache.store)
    shared.write("local/k", cache.store.add_listing(Listing({"f": FileNode(digest_bytes(b"s" * 500), False)})))
    cache.store.add_bytes(b"u" * 7)
    numbers = info(cache.store, Limits(quota=1000, reserved=0))
    artifacts, sources = numbers.parts["artifacts"], numbers.parts["sources"]
    assert artifacts.count == sources.count == 1
    assert artifacts.size - artifacts.alone == 500 == sources.size - sources.alone
    assert numbers.parts["unnamed"].alone == 7 and numbers.parts["build trees"].size == 0
    assert numbers.room.exceeded and numbers.room.used == used_bytes(cache.store)
    assert numbers.oldest is not None and numbers.in_use_since is None and numbers.blobs == 5


CRASH = """
import os, sys
from grilse.storage.artifact import Artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.census import blobs
from grilse.storage.expiry import reduce
from grilse.storage.store import Store
store = Store(sys.argv[1])
calls = 0
def counted(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call
for name in ("unlink", "rename", "rmdir", "open"):
    setattr(os, name, counted(getattr(os, name)))
reduce(store, blobs(store), 30_000)
print("done")
"""


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 13, 21, 34, 40, 45, 50, 55, 60, 65, 70, 75])
def test_an_expiry_killed_at_any_step_leaves_whole_artifacts(cache: Cache, step: int) -> None:
    fill(cache)
    done = subprocess.run(
        [sys.executable, "-c", CRASH, cache.store.cachedir, str(step)], capture_output=True, text=True, timeout=15
    )
    assert done.returncode in (0, -9), done.stderr
    assert cache.whole() and check(cache.store).sound
    prune(cache.store)
    assert cache.whole()
    reduce(cache.store, blobs(cache.store), 30_000)
    assert cache.whole() and used_bytes(cache.store) <= 30_000
