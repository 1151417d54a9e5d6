"""Blobs and trees move between a store and a remote, and nothing wrong gets into the store."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fixtures.reapi_server import FakeRemote

from grilse.protocol.errors import CasError
from grilse.remote import cas, streams, transfer
from grilse.remote.connection import Connection
from grilse.remote.errors import BlobCorrupt, CallFailed
from grilse.storage.digest import EMPTY, Digest
from grilse.storage.messages import DirectoryNode, FileNode, Listing, Node, SymlinkNode
from grilse.storage.proto.bytestream_pb2 import WriteRequest
from grilse.storage.store import Store

Connect = Callable[..., Connection]

SMALL = [b"blob %d" % number for number in range(300)]
LARGE = os.urandom(5 << 20)  # more than a message may have
HUGE = os.urandom(9 << 20)


def make_tree(add: Callable[[bytes], Digest], add_listing: Callable[[Listing], Digest]) -> Digest:
    """A tree with small and large files, an empty one, the same directory twice, and a symbolic link."""
    files: dict[str, Node] = {f"file{n}": FileNode(add(data), n % 2 == 0) for n, data in enumerate(SMALL)}
    inner = add_listing(Listing({**files, "large": FileNode(add(LARGE), False)}))
    middle = add_listing(Listing({"inner": DirectoryNode(inner), "empty": FileNode(EMPTY, False)}))
    return add_listing(
        Listing({"a": DirectoryNode(middle), "b": DirectoryNode(middle), "link": SymlinkNode("a/inner")})
    )


def tree_on(remote: FakeRemote) -> Digest:
    from grilse.storage.messages import encode_listing

    return make_tree(remote.put, lambda listing: remote.put(encode_listing(listing)))


def contents(store: Store) -> set[str]:
    return {top + rest for top in os.listdir(store.objects) for rest in os.listdir(os.path.join(store.objects, top))}


@pytest.mark.parametrize("batch_limit", [0, 1000, 1 << 30])
@pytest.mark.parametrize("instance", [None, "main"])
def test_a_tree_arrives_whole(
    remote: FakeRemote, connect: Connect, store: Store, batch_limit: int, instance: str | None
) -> None:
    remote.batch_limit = batch_limit
    root = tree_on(remote)
    assert transfer.fetch_trees(connect(instance_name=instance), store, [root]) == []
    assert store.missing(transfer.tree_digests(store, root)) == []
    for digest in transfer.tree_digests(store, root):
        store.read(digest, verify=True)
    assert remote.calls["GetTree"] == 1


def test_a_tree_arrives_from_a_remote_that_cannot_list_trees(
    remote: FakeRemote, connect: Connect, store: Store
) -> None:
    remote.without.add("GetTree")
    root = tree_on(remote)
    connection = connect()
    assert transfer.fetch_trees(connection, store, [root]) == []
    assert store.missing(transfer.tree_digests(store, root)) == []
    os.unlink(store.path(root))
    assert transfer.fetch_trees(connection, store, [root]) == []
    assert remote.calls["GetTree"] == 1


def test_only_what_is_missing_is_fetched(remote: FakeRemote, connect: Connect, store: Store) -> None:
    root = tree_on(remote)
    connection = connect()
    transfer.fetch_trees(connection, store, [root])
    remote.calls.clear()
    assert transfer.fetch_trees(connection, store, [root]) == []
    assert not remote.calls
    os.unlink(store.path(cas.digest_bytes(SMALL[7])))
    assert transfer.fetch_trees(connection, store, [root]) == []
    assert remote.calls == {"BatchReadBlobs": 1}


def test_only_what_is_missing_is_pushed(remote: FakeRemote, connect: Connect, store: Store) -> None:
    root = make_tree(store.add_bytes, store.add_listing)
    digests = transfer.tree_digests(store, root)
    connection = connect()
    assert transfer.push_blobs(connection, store, digests) == len(digests) - 1  # the empty blob is everywhere
    assert set(remote.blobs) == set(digests) - {EMPTY}
    assert remote.calls["Write"] == 1
    assert transfer.push_blobs(connection, store, digests) == 0
    del remote.blobs[root]
    assert transfer.push_blobs(connection, store, digests) == 1


@pytest.mark.parametrize("blob", [SMALL[3], LARGE])
def test_missing_blobs_are_named(remote: FakeRemote, connect: Connect, store: Store, blob: bytes) -> None:
    root = tree_on(remote)
    missing = cas.digest_bytes(blob)
    del remote.blobs[missing]
    assert transfer.fetch_trees(connect(), store, [root]) == [missing]
    assert not store.contains(missing)


def test_a_missing_directory_is_named(remote: FakeRemote, connect: Connect, store: Store) -> None:
    root = tree_on(remote)
    connection = connect()
    transfer.fetch_directories(connection, store, [root])
    node = store.listing(root).nodes["a"]
    os.unlink(store.path(node.digest))
    del remote.blobs[node.digest]
    assert transfer.fetch_trees(connection, store, [root]) == [node.digest]


@pytest.mark.parametrize("blob", [SMALL[3], LARGE])
def test_nothing_corrupt_enters_the_store(remote: FakeRemote, connect: Connect, store: Store, blob: bytes) -> None:
    root = tree_on(remote)
    digest = cas.digest_bytes(blob)
    remote.corrupt.add(digest)
    with pytest.raises(BlobCorrupt, match=digest.hash):
        transfer.fetch_trees(connect(), store, [root])
    assert not store.contains(digest)
    assert os.listdir(store.tmpdir) == []
    for name in contents(store):
        path = os.path.join(store.objects, name[:2], name[2:])
        with open(path, "rb") as file:
            assert cas.digest_bytes(file.read()).hash == name


def test_a_corrupt_directory_stays_outside_as_well(remote: FakeRemote, connect: Connect, store: Store) -> None:
    root = tree_on(remote)
    remote.without.add("GetTree")
    remote.corrupt.add(root)
    with pytest.raises(BlobCorrupt):
        transfer.fetch_trees(connect(), store, [root])
    assert not store.contains(root)


def test_a_stream_that_breaks_goes_on_where_it_was(remote: FakeRemote, connect: Connect, store: Store) -> None:
    digest = remote.put(HUGE)
    remote.break_after.extend([3 << 20, 2 << 20, 1 << 20])
    assert transfer.fetch_blobs(connect(), store, [digest]) == []
    assert store.read(digest, verify=True) == HUGE
    assert remote.offsets == [0, 3 << 20, 5 << 20, 6 << 20]


def test_a_stream_that_breaks_again_and_again_is_given_up(remote: FakeRemote, connect: Connect, store: Store) -> None:
    digest = remote.put(HUGE)
    remote.break_after.extend([1] * 100)
    with pytest.raises(CallFailed, match="Read failed with status UNAVAILABLE: broken"):
        transfer.fetch_blobs(connect(retry_limit=2), store, [digest])
    assert not store.contains(digest)
    assert os.listdir(store.tmpdir) == []


def test_an_upload_that_fails_begins_anew(remote: FakeRemote, connect: Connect, store: Store) -> None:
    digest = store.add_bytes(HUGE)
    remote.failures["Write"] = deque(["UNAVAILABLE"])
    seen: list[transfer.Progress] = []
    assert transfer.push_blobs(connect(), store, [digest], seen.append) == 1
    assert remote.blobs[digest] == HUGE
    assert seen[-1].bytes <= seen[-1].bytes_total == len(HUGE)


@pytest.mark.parametrize("blob", [b"small", LARGE])
def test_a_remote_without_space_says_so(remote: FakeRemote, connect: Connect, store: Store, blob: bytes) -> None:
    digest = store.add_bytes(blob)
    remote.refuse = 8
    with pytest.raises(CallFailed) as caught:
        transfer.push_blobs(connect(), store, [digest])
    assert caught.value.reason == "cache-too-full"


def test_a_blob_that_is_nowhere_cannot_be_pushed(connect: Connect, store: Store) -> None:
    with pytest.raises(CasError) as caught:
        transfer.push_blobs(connect(), store, [cas.digest_bytes(b"nowhere")])
    assert caught.value.reason == "missing-blob"


def test_a_local_blob_that_has_gone_bad_is_not_spread(remote: FakeRemote, connect: Connect, store: Store) -> None:
    digest = store.add_bytes(b"as it was")
    os.chmod(store.path(digest), 0o644)
    with open(store.path(digest), "wb") as file:
        file.write(b"as it is.")
    with pytest.raises(CasError) as caught:
        transfer.push_blobs(connect(), store, [digest])
    assert caught.value.reason == "corrupt-blob"
    assert not remote.blobs


def test_an_interrupted_transfer_leaves_nothing_behind(remote: FakeRemote, connect: Connect, store: Store) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(progress: transfer.Progress) -> None:
        raise Interrupt

    remote.slow = 1000
    digests = [remote.put(HUGE), *(remote.put(data) for data in SMALL)]
    connection = connect()
    with pytest.raises(Interrupt):
        transfer.fetch_blobs(connection, store, digests, interrupt)
    assert os.listdir(store.tmpdir) == []
    remote.slow = None
    assert transfer.fetch_blobs(connection, store, digests) == []


def test_progress_counts_to_the_end(remote: FakeRemote, connect: Connect, store: Store) -> None:
    root = tree_on(remote)
    seen: list[transfer.Progress] = []
    transfer.fetch_trees(connect(), store, [root], seen.append)
    assert seen[-1] == (len(SMALL) + 1, len(SMALL) + 1, seen[-1].bytes_total, seen[-1].bytes_total)
    assert [p.bytes for p in seen] == sorted(p.bytes for p in seen)


def test_batches_stay_within_what_the_remote_takes(remote: FakeRemote, connect: Connect, store: Store) -> None:
    digests = [store.add_bytes(os.urandom(400)) for _ in range(40)]
    remote.batch_limit = 2000
    assert transfer.push_blobs(connect(), store, digests) == 40
    assert remote.calls["BatchUpdateBlobs"] >= 40 * 400 / 2000
    assert remote.calls["Write"] == 0


def test_an_attempt_reads_on_where_it_is_though_another_one_reads(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(HUGE)
    lock = threading.Lock()
    with path.open("rb") as file:
        attempts = [streams._Upload("name", len(HUGE), file, lock, lambda count: None) for _ in range(2)]
        requests = [list(one) for one in zip(*(attempt.requests() for attempt in attempts), strict=True)]
    for texts in zip(*requests, strict=True):
        sent = [WriteRequest.FromString(text) for text in texts]
        assert b"".join(one.data for one in sent) == HUGE
        assert [one.finish_write for one in sent] == [False] * (len(sent) - 1) + [True]
        assert [one.resource_name for one in sent] == ["name"] + [""] * (len(sent) - 1)
