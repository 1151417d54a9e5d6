"""Artifacts and sources go to remotes and come back, split or not, whole or not at all."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures.reapi_server import FakeRemote

from grilse.protocol.errors import ArtifactError, ErrorDomain, GrilseError
from grilse.remote.artifacts import pull_artifact, push_artifact, query_artifact
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connections
from grilse.remote.session import Exchange
from grilse.remote.sources import pull_source, push_source
from grilse.storage.artifact import Artifact, LogFile
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.digest import Digest, digest_bytes
from grilse.storage.messages import FileNode, Listing
from grilse.storage.sources import SourceCache
from grilse.storage.store import Store

STRONG, WEAK, STRICT = "a" * 64, "b" * 64, "c" * 64
URN = "urn:fdc:buildstream.build:2020:"


class Told:
    """Collects messages."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.details: list[str] = []

    def __call__(self, kind: str, text: str, *, detail: str | None = None) -> None:
        self.messages.append((kind, text))
        if detail:
            self.details.append(detail)

    def of(self, kind: str) -> list[str]:
        return [text for its, text in self.messages if its == kind]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def connections() -> Iterator[Connections]:
    with Connections() as made:
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "here"))


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "there"))


@pytest.fixture
def exchange(remote: FakeRemote, connections: Connections, told: Told) -> Exchange:
    return Exchange(connections, (config(remote),), told)


def config(remote: FakeRemote, **settings: object) -> RemoteConfig:
    return RemoteConfig(url=remote.url, **{"push": True, "retry_delay": 1, **settings})  # type: ignore[arg-type]


def tree(store: Store, text: str) -> Digest:
    return store.add_listing(Listing({"file": FileNode(store.add_bytes(text.encode()), False)}))


def build(store: Store) -> Artifact:
    return Artifact(
        strong_key=STRONG,
        weak_key=WEAK,
        strict_key=STRICT,
        files=tree(store, "output"),
        public_data=store.add_bytes(b"public: {}\n"),
        low_diversity=store.add_bytes(b"low"),
        high_diversity=store.add_bytes(b"high"),
        logs=(LogFile("build.log", store.add_bytes(b"log")),),
        buildtree=tree(store, "buildtree"),
        sources=tree(store, "sources"),
    )


def test_an_artifact_comes_back_under_all_its_keys(exchange: Exchange, here: Store, there: Store, told: Told) -> None:
    artifact = build(here)
    assert push_artifact(exchange, ArtifactCache(here), "project", "dir/element.bst", artifact)
    cache = ArtifactCache(there)
    for key in (STRONG, WEAK):
        assert query_artifact(exchange, "project", "dir/element.bst", key)
    assert not query_artifact(exchange, "project", "dir/element.bst", STRICT)
    assert pull_artifact(exchange, cache, "project", "dir/element.bst", WEAK) == artifact
    for key in (STRONG, WEAK, STRICT):
        assert cache.lookup("project", "dir/element.bst", key) == artifact
    assert cache.is_cached(artifact)
    url = exchange.remotes[0].url
    assert told.of("info") == [
        f"Pushed data from artifact aaaaaaaa -> {url}",
        f"Pushed artifact aaaaaaaa -> {url}",
        f"Pulled artifact bbbbbbbb <- {url}",
    ]
    assert told.of("warn") == []


def test_an_index_that_names_another_artifact_is_not_believed(
    remote: FakeRemote, exchange: Exchange, here: Store, there: Store, told: Told
) -> None:
    push_artifact(exchange, ArtifactCache(here), "p", "e.bst", build(here))
    other = "d" * 64
    for (kind, uri), digest in list(remote.assets.items()):
        remote.assets[kind, uri.replace(STRONG, other)] = digest
    cache = ArtifactCache(there)
    assert pull_artifact(exchange, cache, "p", "e.bst", other) is None
    assert cache.lookup("p", "e.bst", other) is None
    assert f"is of another artifact, {STRONG}" in told.of("warn")[-1]


def test_names_and_references_are_those_of_buildstream(exchange: Exchange, here: Store, remote: FakeRemote) -> None:
    push_artifact(exchange, ArtifactCache(here), "project", "dir/element.bst", build(here))
    assert {name for _, name in remote.assets} == {
        f"{URN}artifact:project/dir-element/{STRONG}",
        f"{URN}artifact:project/dir-element/{WEAK}",
    }


def test_an_artifact_is_pushed_without_its_sources_where_these_are_not_here(
    exchange: Exchange, here: Store, there: Store, remote: FakeRemote
) -> None:
    artifact = build(here)
    assert artifact.sources is not None and artifact.buildtree is not None
    Path(here.path(artifact.sources)).unlink()
    assert push_artifact(exchange, ArtifactCache(here), "p", "e.bst", artifact)
    assert pull_artifact(exchange, ArtifactCache(there), "p", "e.bst", STRONG) == artifact
    assert artifact.buildtree in remote.blobs and artifact.sources not in remote.blobs


@pytest.mark.parametrize("buildtrees", [False, True])
def test_build_trees_are_pulled_on_request(exchange: Exchange, here: Store, there: Store, buildtrees: bool) -> None:
    artifact = build(here)
    push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
    pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG, buildtrees=buildtrees)
    assert artifact.buildtree is not None and artifact.sources is not None
    assert there.contains(artifact.buildtree) is buildtrees
    assert there.contains(artifact.sources) is buildtrees


def test_pushing_again_tells_the_index_nothing(exchange: Exchange, here: Store, told: Told, remote: FakeRemote) -> None:
    artifact = build(here)
    push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
    told.messages.clear()
    assert not push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
    url = exchange.remotes[0].url
    assert told.of("info") == [
        f"Remote ({url}) already has all data of artifact aaaaaaaa cached",
        f"Remote ({url}) already has artifact aaaaaaaa cached",
    ]
    assert remote.calls["PushBlob"] == 1


def test_a_rebuilt_artifact_replaces_the_old_one(exchange: Exchange, here: Store, there: Store) -> None:
    push_artifact(exchange, ArtifactCache(here), "project", "element.bst", build(here))
    rebuilt = build(here)
    rebuilt = Artifact(**{f: getattr(rebuilt, f) for f in rebuilt.__struct_fields__} | {"files": tree(here, "other")})
    assert push_artifact(exchange, ArtifactCache(here), "project", "element.bst", rebuilt)
    assert pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG) == rebuilt


def test_index_and_storage_may_be_two_remotes(connections: Connections, told: Told, here: Store, there: Store) -> None:
    with FakeRemote() as index, FakeRemote() as storage:
        remotes = (config(index, type="index"), config(storage, type="storage"))
        exchange = Exchange(connections, remotes, told)
        artifact = build(here)
        assert push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
        assert not index.blobs
        assert not storage.assets
        assert pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG) == artifact


def test_what_may_not_be_pushed_to_is_only_pulled_from(
    connections: Connections, told: Told, here: Store, there: Store
) -> None:
    with FakeRemote() as first, FakeRemote() as second:
        exchange = Exchange(connections, (config(first, push=False), config(second)), told)
        artifact = build(here)
        assert push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
        assert not first.blobs
        assert pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG) == artifact
        assert told.of("info")[2] == f"Remote ({first.url}) does not have artifact aaaaaaaa cached"


def test_two_partial_storages_make_a_whole_artifact(
    connections: Connections, told: Told, here: Store, there: Store
) -> None:
    with FakeRemote() as first, FakeRemote() as second:
        exchange = Exchange(connections, (config(first), config(second)), told)
        artifact = build(here)
        push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
        assert artifact.public_data is not None and artifact.low_diversity is not None
        del first.blobs[artifact.public_data]
        del second.blobs[artifact.low_diversity]
        assert pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG) == artifact
        assert second.calls["BatchReadBlobs"] == 1


def test_an_incomplete_artifact_is_no_artifact(
    exchange: Exchange, here: Store, there: Store, remote: FakeRemote, told: Told
) -> None:
    artifact = build(here)
    push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
    del remote.blobs[digest_bytes(b"output")]
    cache = ArtifactCache(there)
    assert pull_artifact(exchange, cache, "project", "element.bst", STRONG, required=True) is None
    assert cache.list() == []
    assert told.of("info")[-1] == f"Remote ({remote.url}) does not have artifact aaaaaaaa cached"
    assert str(digest_bytes(b"output")) in told.details[-1]


@pytest.mark.parametrize("what", ["record", "blob"])
def test_a_corrupt_artifact_is_no_artifact(
    exchange: Exchange, here: Store, there: Store, remote: FakeRemote, told: Told, what: str
) -> None:
    push_artifact(exchange, ArtifactCache(here), "project", "element.bst", build(here))
    [record] = set(remote.assets.values())
    remote.corrupt.add(record if what == "record" else digest_bytes(b"output"))
    cache = ArtifactCache(there)
    assert pull_artifact(exchange, cache, "project", "element.bst", STRONG) is None
    assert cache.list() == []
    assert len(told.of("warn")) == 1
    with pytest.raises(ArtifactError, match="Failed to pull artifact aaaaaaaa"):
        pull_artifact(exchange, cache, "project", "element.bst", STRONG, required=True)


def test_a_record_that_is_none_is_refused(exchange: Exchange, there: Store, remote: FakeRemote, told: Told) -> None:
    remote.assets["blob", f"{URN}artifact:project/element/{STRONG}"] = remote.put(b"\x08\x01")
    assert pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG) is None
    assert "is of version 1, not 2" in told.of("warn")[0]


def test_the_second_remote_is_asked_when_the_first_fails(
    connections: Connections, told: Told, here: Store, there: Store
) -> None:
    with FakeRemote() as first, FakeRemote() as second:
        exchange = Exchange(connections, (config(first, retry_limit=0), config(second)), told)
        artifact = build(here)
        push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
        first.failures["FetchBlob"] = deque(["INTERNAL"])
        first.failures["BatchReadBlobs"] = deque(["UNAVAILABLE"])
        assert pull_artifact(exchange, ArtifactCache(there), "project", "element.bst", STRONG, required=True)
        assert [text.partition(":")[0] for text in told.of("warn")] == ["Could not pull from remote http"] * 2


def test_a_remote_without_space_gets_no_name(exchange: Exchange, here: Store, remote: FakeRemote, told: Told) -> None:
    remote.refuse = 8
    assert not push_artifact(exchange, ArtifactCache(here), "project", "element.bst", build(here))
    assert told.of("warn") == [f"Remote ({remote.url}) has no space for artifact aaaaaaaa"]
    assert not remote.assets


def test_a_remote_that_fails_fails_the_push(exchange: Exchange, here: Store, remote: FakeRemote) -> None:
    remote.failures["PushBlob"] = deque(["PERMISSION_DENIED"])
    with pytest.raises(ArtifactError, match="Failed to push artifact aaaaaaaa: PushBlob failed") as caught:
        push_artifact(exchange, ArtifactCache(here), "project", "element.bst", build(here))
    assert not caught.value.temporary
    remote.failures["FindMissingBlobs"] = deque(["INTERNAL"])
    with pytest.raises(ArtifactError, match="Failed to push artifact blobs: FindMissingBlobs failed") as caught:
        push_artifact(exchange, ArtifactCache(here), "project", "element.bst", build(here))
    assert caught.value.temporary


def test_what_is_not_here_cannot_be_pushed(exchange: Exchange, here: Store, remote: FakeRemote) -> None:
    artifact = build(here)
    os.unlink(here.path(digest_bytes(b"output")))
    with pytest.raises(ArtifactError, match="Failed to push artifact aaaaaaaa: "):
        push_artifact(exchange, ArtifactCache(here), "project", "element.bst", artifact)
    assert not remote.assets


def test_asking_a_remote_that_fails_is_an_error(exchange: Exchange, remote: FakeRemote) -> None:
    remote.failures["FetchBlob"] = deque(["INTERNAL"])
    with pytest.raises(ArtifactError, match="FetchBlob failed"):
        query_artifact(exchange, "project", "element.bst", STRONG)


@pytest.mark.parametrize("together, name", [(False, "tar/" + STRONG), (True, STRONG)])
def test_sources_come_back(
    exchange: Exchange, here: Store, there: Store, remote: FakeRemote, told: Told, together: bool, name: str
) -> None:
    files = tree(here, "source")
    SourceCache(here, together=together).write(name, files)
    cache = SourceCache(there, together=together)
    assert pull_source(exchange, cache, name) is None
    assert push_source(exchange, SourceCache(here, together=together), name)
    assert set(remote.assets) == {("blob" if together else "directory", f"{URN}source:{name}")}
    assert pull_source(exchange, cache, name) == files
    assert cache.is_cached(name)
    assert not push_source(exchange, cache, name)
    assert told.of("info") == [
        f"Remote ({remote.url}) does not have source aaaaaaaa cached",
        f"Pushed data from source aaaaaaaa -> {remote.url}",
        f"Pushed source aaaaaaaa -> {remote.url}",
        f"Pulled source aaaaaaaa <- {remote.url}",
        f"Remote ({remote.url}) already has all data of source aaaaaaaa cached",
        f"Remote ({remote.url}) already has source aaaaaaaa cached",
    ]


@pytest.mark.parametrize("together, name", [(False, "tar/" + STRONG), (True, STRONG)])
def test_an_incomplete_source_is_no_source(
    exchange: Exchange, here: Store, there: Store, remote: FakeRemote, together: bool, name: str
) -> None:
    SourceCache(here, together=together).write(name, tree(here, "source"))
    push_source(exchange, SourceCache(here, together=together), name)
    del remote.blobs[digest_bytes(b"source")]
    cache = SourceCache(there, together=together)
    assert pull_source(exchange, cache, name, required=True) is None
    assert cache.list() == []


def test_trouble_with_sources_is_of_their_domain(exchange: Exchange, there: Store, remote: FakeRemote) -> None:
    remote.failures["FetchDirectory"] = deque(["INTERNAL"] * 2)
    cache = SourceCache(there)
    assert pull_source(exchange, cache, "tar/" + STRONG) is None
    with pytest.raises(GrilseError) as caught:
        pull_source(exchange, cache, "tar/" + STRONG, required=True)
    assert caught.value.domain is ErrorDomain.SOURCE
    with pytest.raises(GrilseError, match="it is not cached"):
        push_source(exchange, cache, "tar/" + STRONG)
