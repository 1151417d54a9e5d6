"""Artifacts and cached sources are kept as bst keeps them, and read whatever lies there."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.protocol.errors import ArtifactError, CasError
from grilse.storage.artifact import (
    Artifact,
    BuildDependency,
    LogFile,
    SandboxState,
    artifact_name,
    decode_artifact,
    encode_artifact,
    encode_dependencies,
)
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.closure import Presence, tree_blobs
from grilse.storage.digest import Digest, digest_bytes
from grilse.storage.messages import DirectoryNode, FileNode, Listing
from grilse.storage.proto import artifact_pb2, source_pb2
from grilse.storage.sources import SourceCache, decode_source, encode_source
from grilse.storage.store import Store
from grilse.storage.wire import MessageError

TEXTS = st.text(max_size=20)
KEYS = st.text("0123456789abcdef", min_size=64, max_size=64)
DIGESTS = st.builds(Digest, KEYS, st.integers(0, 2**50))
MAYBE = st.none() | DIGESTS
STATES = st.builds(
    SandboxState,
    st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    TEXTS,
    st.lists(DIGESTS, max_size=2).map(tuple),
    st.lists(TEXTS, max_size=3).map(tuple),
)
CLOSURES = st.lists(st.builds(BuildDependency, TEXTS, st.text(max_size=200), KEYS, st.booleans()), max_size=5)
ARTIFACTS = st.builds(
    Artifact,
    strong_key=KEYS,
    strict_key=KEYS,
    weak_key=KEYS,
    success=st.booleans(),
    error=TEXTS,
    error_detail=TEXTS,
    workspaced=st.booleans(),
    files=MAYBE,
    encoded_dependencies=CLOSURES.map(encode_dependencies),
    public_data=MAYBE,
    low_diversity=MAYBE,
    high_diversity=MAYBE,
    logs=st.lists(st.builds(LogFile, TEXTS, DIGESTS), max_size=2).map(tuple),
    buildtree=MAYBE,
    sources=MAYBE,
    buildroot=MAYBE,
    sandbox=st.none() | STATES,
)


def by_protobuf(artifact: Artifact) -> bytes:
    """The same message, made by protobuf."""
    message = artifact_pb2.Artifact(
        version=2,
        build_success=artifact.success,
        build_error=artifact.error,
        build_error_details=artifact.error_detail,
        strong_key=artifact.strong_key,
        weak_key=artifact.weak_key,
        strict_key=artifact.strict_key,
        was_workspaced=artifact.workspaced,
    )

    def put(name: str, digest: Digest | None) -> None:
        if digest is not None:
            getattr(message, name).hash, getattr(message, name).size_bytes = digest

    for name in ("files", "public_data", "buildtree", "sources", "buildroot"):
        put(name, getattr(artifact, name))
    put("low_diversity_meta", artifact.low_diversity)
    put("high_diversity_meta", artifact.high_diversity)
    for needed in artifact.build_dependencies:
        message.build_deps.add(
            project_name=needed.project,
            element_name=needed.element,
            cache_key=needed.key,
            was_workspaced=needed.workspaced,
        )
    for log in artifact.logs:
        entry = message.logs.add(name=log.name)
        entry.digest.hash, entry.digest.size_bytes = log.digest
    if artifact.sandbox is not None:
        message.buildsandbox.SetInParent()
        for name, value in artifact.sandbox.environment:
            message.buildsandbox.environment.add(name=name, value=value)
        message.buildsandbox.working_directory = artifact.sandbox.working_directory
        message.buildsandbox.marked_directories.extend(artifact.sandbox.marked_directories)
        for tree in artifact.sandbox.subsandboxes:
            added = message.buildsandbox.subsandbox_digests.add()
            added.hash, added.size_bytes = tree
    return message.SerializeToString()


@given(ARTIFACTS)
def test_an_artifact_record_is_what_protobuf_writes(artifact: Artifact) -> None:
    data = encode_artifact(artifact)
    assert data == by_protobuf(artifact)
    assert decode_artifact(data) == artifact
    assert len(artifact.trees()) >= sum(tree is not None for tree in (artifact.files, artifact.buildtree))


@given(ARTIFACTS, st.data())
def test_a_damaged_artifact_record_is_an_error_or_another_artifact(artifact: Artifact, data: st.DataObject) -> None:
    encoded = bytearray(encode_artifact(artifact))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        _ = decode_artifact(bytes(encoded[: data.draw(st.integers(0, len(encoded)))])).build_dependencies
    except MessageError:
        pass


@given(st.binary(max_size=100))
def test_a_garbled_closure_is_an_error(data: bytes) -> None:
    try:
        _ = Artifact("", "", "", encoded_dependencies=data).build_dependencies
    except MessageError:
        pass


@given(DIGESTS)
def test_a_source_record_is_what_protobuf_writes(digest: Digest) -> None:
    message = source_pb2.Source()
    message.files.hash, message.files.size_bytes = digest
    assert encode_source(digest) == message.SerializeToString()
    assert decode_source(encode_source(digest)) == digest


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ("hello.bst", "hello"),
        ("dir/sub/hello.bst", "dir-sub-hello"),
        ("a.b.bst", "a.b"),
        ("we ird+ü.bst", "we_ird__"),
        ("none", "none"),
    ],
)
def test_names_of_elements_become_names_of_files(element: str, name: str) -> None:
    assert artifact_name("project", element, "key") == f"project/{name}/key"


STRONG, STRICT, WEAK = "a" * 64, "b" * 64, "c" * 64


def make_artifact(store: Store, **changes: Any) -> Artifact:
    """An artifact with a file in a directory, metadata and a log."""
    inner = store.add_listing(Listing({"file": FileNode(store.add_bytes(b"content"), False)}))
    fields: dict[str, Any] = {
        "files": store.add_listing(Listing({"dir": DirectoryNode(inner)})),
        "public_data": store.add_bytes(b"{}\n"),
        "low_diversity": store.add_bytes(b"low: x\n"),
        "high_diversity": store.add_bytes(b"high: x\n"),
        "logs": (LogFile("build.log", store.add_bytes(b"log")),),
    }
    return Artifact(STRONG, STRICT, WEAK, **{**fields, **changes})


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(Store(str(tmp_path)))


def test_an_artifact_is_found_by_strong_and_weak_key(cache: ArtifactCache) -> None:
    artifact = make_artifact(cache.store)
    assert cache.lookup("p", "e.bst", STRONG) is None
    cache.write("p", "e.bst", artifact)
    assert cache.lookup("p", "e.bst", STRONG) == artifact == cache.lookup("p", "e", WEAK)
    assert cache.lookup("p", "e.bst", STRICT) is None
    assert cache.is_cached(artifact)
    assert sorted(cache.list()) == [f"p/e/{STRONG}", f"p/e/{WEAK}"]
    assert os.path.isfile(os.path.join(cache.store.cachedir, "artifacts", "refs", "p", "e", STRONG))


@pytest.mark.parametrize("blob", [b"content", b"log", b"{}\n", b"low: x\n", b"high: x\n"])
def test_an_artifact_without_one_of_its_blobs_is_not_cached(cache: ArtifactCache, blob: bytes) -> None:
    artifact = make_artifact(cache.store)
    presence = Presence(cache.store)
    os.unlink(cache.store.path(digest_bytes(blob)))
    assert not cache.is_cached(artifact, presence) and not cache.is_cached(artifact)
    assert list(cache.missing(artifact)) == [digest_bytes(blob)]


def test_an_artifact_without_a_directory_is_not_cached(cache: ArtifactCache) -> None:
    artifact = make_artifact(cache.store)
    assert artifact.files is not None
    inner = next(digest for digest in tree_blobs(cache.store, artifact.files) if digest != artifact.files)
    os.unlink(cache.store.path(inner))
    fresh = ArtifactCache(Store(cache.store.cachedir))
    assert not fresh.is_cached(artifact) and list(fresh.missing(artifact)) == [inner]
    # The store that wrote it still knows what was in it, and must not be fooled by that.
    assert not cache.is_cached(artifact)


def test_build_trees_do_not_decide_whether_an_artifact_is_cached(cache: ArtifactCache) -> None:
    absent = Digest("0" * 64, 7)
    artifact = make_artifact(cache.store, buildtree=absent)
    assert cache.is_cached(artifact)
    assert list(cache.missing(artifact)) == [] and list(cache.missing(artifact, buildtree=True)) == [absent]


def test_a_failed_artifact_without_output_is_kept(cache: ArtifactCache) -> None:
    artifact = make_artifact(cache.store, files=None, success=False, error="Command failed", error_detail="more")
    cache.write("p", "e.bst", artifact)
    found = cache.lookup("p", "e.bst", STRONG)
    assert found == artifact and cache.is_cached(artifact)


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"\x08", b"text\n"])
def test_a_record_that_was_cut_off_or_garbled_counts_as_absent(cache: ArtifactCache, content: bytes) -> None:
    cache.write("p", "e.bst", make_artifact(cache.store))
    Path(cache.base, "p", "e", STRONG).write_bytes(content)
    assert cache.lookup("p", "e.bst", STRONG) is None


def test_looking_makes_an_artifact_recent_unless_asked_not_to(cache: ArtifactCache) -> None:
    cache.write("p", "e.bst", make_artifact(cache.store))
    path = Path(cache.base, "p", "e", STRONG)
    os.utime(path, (1, 1))
    cache.lookup("p", "e.bst", STRONG, touch=False)
    assert path.stat().st_mtime == 1
    assert cache.list()[0] == f"p/e/{STRONG}"
    cache.lookup("p", "e.bst", STRONG)
    assert path.stat().st_mtime > 1
    os.utime(path, (1, 1))
    cache.touch([f"p/e/{STRONG}"])
    assert path.stat().st_mtime > 1


def test_another_key_is_linked(cache: ArtifactCache) -> None:
    artifact = make_artifact(cache.store)
    cache.write("p", "e.bst", artifact)
    cache.link("p", "e.bst", STRONG, "d" * 64)
    cache.link("p", "e.bst", STRONG, STRONG)
    assert cache.lookup("p", "e.bst", "d" * 64) == artifact
    with pytest.raises(ArtifactError):
        cache.link("p", "e.bst", "e" * 64, STRONG)


def test_deletion_takes_empty_directories_along(cache: ArtifactCache) -> None:
    cache.write("p", "e.bst", make_artifact(cache.store))
    cache.delete(f"p/e/{STRONG}")
    assert cache.list() == [f"p/e/{WEAK}"]
    cache.delete(f"p/e/{WEAK}")
    assert os.path.isdir(cache.base) and os.listdir(cache.base) == []
    with pytest.raises(ArtifactError):
        cache.delete(f"p/e/{WEAK}")


@pytest.mark.parametrize("name", ["", "a", "a/b", "a/b/c/d", "../b/c", "a/../c", "/b/c", "a//c"])
def test_a_name_that_leads_elsewhere_is_refused(cache: ArtifactCache, name: str) -> None:
    for call in (cache.read, cache.delete):
        with pytest.raises(ArtifactError):
            call(name)
    with pytest.raises(CasError):
        SourceCache(cache.store).lookup("../x")


def test_what_is_being_written_is_no_artifact(cache: ArtifactCache) -> None:
    cache.write("p", "e", Artifact("1", "", "1"))
    Path(cache.base, "p", "e", "tmpabcdefgh").write_bytes(b"bst is writing this")
    assert cache.list() == ["p/e/1"]


def test_an_empty_cache_has_nothing(cache: ArtifactCache) -> None:
    assert cache.list() == []


def test_an_unwritable_cache_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file where a directory should be")
    cache = ArtifactCache(Store(str(tmp_path)))
    with pytest.raises(CasError, match="artifacts"):
        cache.write("p", "e", Artifact(STRONG, STRICT, WEAK))
    assert cache.lookup("p", "e", STRONG) is None


def test_sources_are_kept_one_by_one_and_together(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    tree = store.add_listing(Listing({"f": FileNode(store.add_bytes(b"x"), True)}))
    single, together = SourceCache(store), SourceCache(store, together=True)
    single.write(f"local/{STRONG}", tree)
    together.write(STRICT, tree)
    assert (tmp_path / "source_protos" / "local" / STRONG).exists() and (tmp_path / "elementsources" / STRICT).exists()
    assert single.lookup(f"local/{STRONG}") == tree == together.lookup(STRICT)
    assert single.is_cached(f"local/{STRONG}") and not single.is_cached(f"tar/{STRONG}")
    assert single.list() == [f"local/{STRONG}"] and together.list() == [STRICT]
    os.unlink(store.path(digest_bytes(b"x")))
    assert not together.is_cached(STRICT)
    assert single.delete(f"local/{STRONG}") and not single.delete(f"local/{STRONG}")
    (tmp_path / "elementsources" / STRICT).write_bytes(b"")
    assert together.lookup(STRICT) is None


def test_a_tree_is_walked_once_however_often_a_part_occurs(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    digest = store.add_listing(Listing({"f": FileNode(store.add_bytes(b"x"), True)}))
    for _ in range(200):  # two to the 200 files, if each occurrence were walked
        digest = store.add_listing(Listing({"a": DirectoryNode(digest), "b": DirectoryNode(digest)}))
    assert len(list(tree_blobs(store, digest))) == 202
    assert Presence(store).tree(digest)
