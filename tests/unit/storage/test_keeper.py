"""A session keeps its cache within limits, and counts no more often than it has to."""

import os
import socket
import time
from pathlib import Path

import pytest

from grilse.storage import keeper as module
from grilse.storage.artifact import Artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.digest import Digest
from grilse.storage.expiry import Limits, used_bytes
from grilse.storage.keeper import Keeper
from grilse.storage.messages import FileNode, Listing
from grilse.storage.sessions import oldest_start
from grilse.storage.store import Store


def fill(store: Store, count: int) -> None:
    for number in range(count):
        digest = store.add_bytes(b"%d" % number * 1000)
        os.utime(store.path(digest), (1000.0 + number, 1000.0 + number))


def test_room_is_made_when_the_quota_is_exceeded(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    fill(store, 10)
    keeper = Keeper(store, Limits(quota=8000, low_watermark=0.5))
    removed = keeper.tend()
    assert removed is not None and removed.blobs == 6 and used_bytes(store) == 4000
    assert keeper.tend() is None
    keeper.close()
    assert oldest_start(store.cachedir) is None


def test_its_own_work_stays(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    keeper = Keeper(store, Limits(quota=1))
    digest = store.add_bytes(b"made in this session")
    removed = keeper.tend()
    assert removed is not None and not removed.enough and store.contains(digest)
    # There is no use in trying again at once.
    assert keeper.tend() is None
    keeper.close()


def test_nothing_is_counted_without_a_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(store: Store) -> int:
        raise AssertionError("blobs were counted")

    monkeypatch.setattr(module, "used_bytes", refuse)
    store = Store(str(tmp_path))
    fill(store, 3)
    keeper = Keeper(store, Limits())
    assert keeper.tend() is None
    keeper.close()


def test_counting_is_not_repeated_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    real = module.used_bytes
    monkeypatch.setattr(module, "used_bytes", lambda store: counted.append(1) or real(store))
    store = Store(str(tmp_path))
    keeper = Keeper(store, Limits(quota=1 << 30))
    for _ in range(5):
        assert keeper.tend() is None
    assert counted == [1]
    keeper.close()


def test_a_full_disk_makes_room_whatever_the_numbers_say(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    fill(store, 10)
    keeper = Keeper(store, Limits(low_watermark=0.5))
    removed = keeper.tend(full=True)
    assert removed is not None and used_bytes(store) == 5000
    keeper.close()


def test_what_it_uses_is_marked_blob_by_blob(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    cache = ArtifactCache(store)
    names: dict[str, list[Digest]] = {}
    for name in ("used", "later", "unused"):
        file = store.add_bytes(name.encode())
        tree = store.add_listing(Listing({"f": FileNode(file, False)}))
        cache.write("p", "e", Artifact(name, name, name, files=tree))
        names[name] = [file, tree]
        for path in (f"{cache.base}/p/e/{name}", store.path(file), store.path(tree)):
            os.utime(path, (1000.0, 1000.0))
    keeper = Keeper(store, Limits())
    limit = 1000.0

    def recent(name: str) -> bool:
        ages = {os.stat(store.path(digest)).st_mtime > limit for digest in names[name]}
        assert len(ages) == 1
        return ages == {True}

    cache.lookup("p", "e", "used")
    keeper.tend()
    assert recent("used") and not recent("later") and not recent("unused")
    # That is recent enough, until a casd might take it.
    limit = time.time() - 1000.0
    for digest in names["used"]:
        os.utime(store.path(digest), (limit, limit))
    cache.lookup("p", "e", "used")
    keeper.tend()
    assert not recent("used")
    with socket.socket(socket.AF_UNIX) as casd:
        casd.bind(str(tmp_path / "casserver-abcdefgh.sock"))
        casd.listen()
        keeper.tend()
        assert recent("used") and not recent("later") and not recent("unused")
        cache.lookup("p", "e", "later")
        os.unlink(store.path(names["unused"][0]))
        keeper.tend()
        assert recent("later")
    keeper.tend()
    keeper.close()
