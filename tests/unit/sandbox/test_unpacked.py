"""Unpacked trees: made once, shared, expired when nobody uses them, whole whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grilse.protocol.errors import CasError
from grilse.sandbox.scratch import Scratch
from grilse.sandbox.trees import Trees
from grilse.storage.digest import Digest
from grilse.storage.store import Store

from .conftest import put

_BIG = "x" * 100_000


@pytest.fixture
def directory(store: Store) -> str:
    return os.path.join(store.cachedir, "grilse")


def trees(store: Store, directory: str, limit: int | None = None) -> Trees:
    return Trees(store, os.path.join(directory, "trees"), os.path.join(directory, "sandbox"), limit)


def test_a_tree_is_unpacked_once_for_all(store: Store, directory: str) -> None:
    digest = put(store, {"d": {"f": "1"}})
    first, second = trees(store, directory), trees(store, directory)
    mine, yours = Scratch(first.scratch_parent), Scratch(first.scratch_parent)
    paths = first.use([digest], mine)
    assert second.use([digest, digest], yours) == paths * 2
    assert (first.unpacked, second.unpacked) == (1, 0)
    assert Path(paths[0], "d/f").read_text() == "1"
    mine.close()
    yours.close()


def test_the_least_recently_used_trees_expire_and_those_in_use_never(store: Store, directory: str) -> None:
    digests = [put(store, {"f": f"{number}{_BIG}"}) for number in range(5)]
    mine = trees(store, directory, limit=350_000)
    used, other = Scratch(mine.scratch_parent), Scratch(mine.scratch_parent)
    mine.use(digests[:1], used)
    for age, digest in enumerate(digests[1:4]):
        mine.use([digest], other)
        os.utime(mine.path(digest) + ".used", (age, age))
    os.utime(mine.path(digests[0]) + ".used", (0, 0))
    other.close()
    other = Scratch(mine.scratch_parent)
    mine.use(digests[4:], other)
    assert [os.path.isdir(mine.path(digest)) for digest in digests] == [True, False, False, False, True]
    assert len(os.listdir(other.path)) == 1
    used.close()
    other.close()


def test_a_tree_whose_content_is_missing_leaves_nothing_half_made(store: Store, directory: str) -> None:
    digest = put(store, {"a": "1", "f": _BIG})
    os.unlink(store.path(store.listing(digest).nodes["f"].digest))  # type: ignore[union-attr]
    mine = trees(store, directory)
    scratch = Scratch(mine.scratch_parent)
    with pytest.raises(CasError) as caught:
        mine.use([digest], scratch)
    assert caught.value.reason == "missing-blob"
    assert not os.path.exists(mine.path(digest))
    assert os.listdir(scratch.path) == ["layers"]
    # It can be had as soon as the blob is back.
    store.add_bytes(_BIG.encode())
    assert os.path.isdir(mine.use([digest], scratch)[0])
    scratch.close()


_UNPACK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from grilse.sandbox.scratch import Scratch
from grilse.sandbox.trees import Trees
from grilse.storage.digest import parse_digest
from grilse.storage.store import Store
store = Store(sys.argv[2])
trees = Trees(store, sys.argv[2] + "/grilse/trees", sys.argv[2] + "/grilse/sandbox")
scratch = Scratch(trees.scratch_parent)
print("ready", flush=True)
sys.stdin.readline()
for digest in sys.argv[3:]:
    trees.use([parse_digest(digest)], scratch)
print(trees.unpacked, flush=True)
"""


def _unpacker(store: Store, digests: list[Digest]) -> subprocess.Popen[str]:
    import grilse

    source = os.path.dirname(os.path.dirname(grilse.__file__))
    process = subprocess.Popen(
        [sys.executable, "-c", _UNPACK, source, store.cachedir, *map(str, digests)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_processes_that_need_the_same_trees_unpack_each_once(store: Store, directory: str) -> None:
    digests = [put(store, {f"f{number}": str(seed) for number in range(50 * seed)}) for seed in range(1, 9)]
    processes = [_unpacker(store, digests) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    counts = [int(process.communicate()[0]) for process in processes]
    assert sum(counts) == len(digests)
    mine = trees(store, directory)
    assert all(len(os.listdir(mine.path(digest))) == 50 * seed for seed, digest in enumerate(digests, 1))


def test_a_process_killed_while_it_unpacks_leaves_nothing_taken_for_a_tree(store: Store, directory: str) -> None:
    digest = put(store, {f"f{number}": "1" for number in range(3_000)})
    process = _unpacker(store, [digest])
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    mine = trees(store, directory)
    # It is in the middle when the first files are there.
    while not any(Path(mine.scratch_parent).glob("*/unpack-*/f*")):
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert not os.path.exists(mine.path(digest))
    scratch = Scratch(mine.scratch_parent)
    assert len(os.listdir(mine.scratch_parent)) == 2
    assert len(os.listdir(mine.use([digest], scratch)[0])) == 3_000
    scratch.close()
    assert os.listdir(mine.scratch_parent) == []
