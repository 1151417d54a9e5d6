"""A record is written only if the cache is within its limits, or can be brought there."""

import os
import threading
from pathlib import Path

import pytest

from grilse.protocol.errors import CasError, ErrorDomain
from grilse.storage import admission as module
from grilse.storage import expiry
from grilse.storage.admission import Admission, add_to_total, set_total
from grilse.storage.artifact import Artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.digest import Digest
from grilse.storage.expiry import Limits, used_bytes
from grilse.storage.sessions import Session
from grilse.storage.sources import SourceCache
from grilse.storage.store import Store


def open_store(path: Path, limits: Limits) -> Store:
    store = Store(str(path))
    store.admission = Admission(limits)
    return store


def age(store: Store, *digests: Digest) -> None:
    for digest in digests:
        os.utime(store.path(digest), (1000.0, 1000.0))


def test_what_fits_is_admitted(tmp_path: Path) -> None:
    store = open_store(tmp_path, Limits(quota=1000))
    store.add_bytes(b"x" * 900)
    ArtifactCache(store).write("p", "e", Artifact("k", "k", "k"))
    SourceCache(store).write("local/k", store.add_bytes(b"y" * 50))


def test_what_exceeds_the_quota_is_refused_and_no_record_is_left(tmp_path: Path) -> None:
    store = open_store(tmp_path, Limits(quota=1000))
    with Session(store.cachedir):
        digest = store.add_bytes(b"x" * 1001)
        for write in (
            lambda: SourceCache(store).write("local/k", digest),
            lambda: ArtifactCache(store).write("p", "e", Artifact("k", "k", "k", files=digest)),
        ):
            with pytest.raises(CasError) as caught:
                write()
            assert caught.value.reason == "cache-too-full" and caught.value.domain is ErrorDomain.CAS
            assert "1,001" in (caught.value.detail or "")
    assert SourceCache(store).list() == [] and ArtifactCache(store).list() == []


def test_room_is_made_for_what_is_new(tmp_path: Path) -> None:
    store = open_store(tmp_path, Limits(quota=1000))
    old = store.add_bytes(b"x" * 800)
    age(store, old)
    with Session(store.cachedir):
        new = store.add_bytes(b"y" * 400)
        SourceCache(store).write("local/k", new)
    assert store.contains(new) and not store.contains(old)


def test_processes_share_one_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (open_store(tmp_path, Limits(quota=1000)) for _ in range(2))
    assert add_to_total(first) == 0

    def refuse(store: Store) -> int:
        raise AssertionError("blobs were counted")

    monkeypatch.setattr(module, "used_bytes", refuse)
    first.add_bytes(b"x" * 400)
    assert add_to_total(first) == 400
    second.add_bytes(b"y" * 500)
    assert add_to_total(second) == 900 == add_to_total(first)
    set_total(first, 7)
    assert add_to_total(second) == 7


def test_a_total_that_is_too_high_is_set_right(tmp_path: Path) -> None:
    store = open_store(tmp_path, Limits(quota=1000))
    digest = store.add_bytes(b"x" * 600)
    set_total(store, 5000)
    SourceCache(store).write("local/k", digest)
    assert add_to_total(store) == 600 == used_bytes(store)


@pytest.mark.parametrize("content", ["", "garbage", "-5", "1\n2"])
def test_a_damaged_total_is_counted_anew(tmp_path: Path, content: str) -> None:
    store = open_store(tmp_path, Limits(quota=1000))
    store.add_bytes(b"x" * 600)
    (tmp_path / "grilse").mkdir()
    (tmp_path / "grilse" / "usage").write_text(content)
    assert add_to_total(store) == 600


def test_many_at_once_lose_nothing_of_the_total(tmp_path: Path) -> None:
    add_to_total(Store(str(tmp_path)))

    def work(number: int) -> None:
        store = Store(str(tmp_path))
        for step in range(20):
            store.add_bytes(b"%d-%d" % (number, step) * 10)
            add_to_total(store)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = Store(str(tmp_path))
    assert add_to_total(store) == used_bytes(store)


def test_the_reserve_is_kept_and_trees_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10]
    monkeypatch.setattr(expiry, "free_space", lambda path: (free[0], 10_000))
    store = Store(str(tmp_path))
    relieved: list[int] = []

    def relieve() -> None:
        relieved.append(1)
        free[0] = 500

    store.admission = Admission(Limits(reserved=100), relieve)
    digest = store.add_bytes(b"x" * 50)
    SourceCache(store).write("local/k", digest)
    assert relieved == [1]
    free[0] = 10
    store.admission = Admission(Limits(reserved=100))
    with Session(store.cachedir):
        store.add_bytes(b"y" * 50)
        with pytest.raises(CasError) as caught:
            SourceCache(store).write("local/k2", digest)
    assert caught.value.reason == "cache-too-full"
