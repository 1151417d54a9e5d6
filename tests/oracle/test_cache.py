"""One cache directory for both tools: what BuildStream keeps is read, and what grilse keeps BuildStream uses."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from grilse.storage.artifact import Artifact, LogFile, encode_artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.capture import capture_tree
from grilse.storage.checkout import export_tree, write_tar
from grilse.storage.closure import Presence
from grilse.storage.digest import parse_digest
from grilse.storage.directory import CasDirectory
from grilse.storage.documents import dump_document
from grilse.storage.expiry import Limits, expire
from grilse.storage.keeper import Keeper
from grilse.storage.sessions import bst_sessions
from grilse.storage.sources import SourceCache, encode_source
from grilse.storage.store import Store

from . import tools
from .tools import USER_CONFIGURATION, Oracle

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(120)]


def make_project(path: Path) -> None:
    """A project of one import of a tree with everything that a tree may hold, and a stack on it."""
    files = path / "files"
    (files / "sub" / "empty").mkdir(parents=True)
    (files / "bin").mkdir()
    for name, mode in {"a.txt": 0o644, "bin/run": 0o755, "g": 0o654, "o": 0o641, "é ü.txt": 0o600, "-": 0o444}.items():
        (files / name).write_text(name)
        (files / name).chmod(mode)
    (files / "zero").touch()
    (files / "large").write_bytes(os.urandom(3_000_000))
    os.mkfifo(files / "sub" / "pipe")
    for link, target in {"link": "a.txt", "sub/dangling": "/abs/x", "dirlink": "sub", "loop": "loop"}.items():
        os.symlink(target, files / link)
    for number in range(300):
        (files / "sub" / f"n{number}").write_text(str(number // 2))
    (path / "elements" / "deep er").mkdir(parents=True)
    (path / "project.conf").write_text("name: demo\nmin-version: 2.0\nelement-path: elements\n")
    (path / "elements" / "deep er" / "tree.bst").write_text(
        "kind: import\nsources:\n- kind: local\n  path: files\npublic:\n  odd: {'key: x': [a, 'b: c', {}]}\n"
    )
    (path / "elements" / "all.bst").write_text("kind: stack\ndepends: [deep er/tree.bst]\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_project(tmp_path / "project")
    (tmp_path / "home").mkdir()
    return tmp_path / "project"


class Bst:
    """BuildStream on one project and one cache directory."""

    def __init__(self, oracle: Oracle, project: Path, home: Path) -> None:
        self.oracle, self.project, self.home = oracle, project, home
        self.store = Store(str(home / "cache"))

    def __call__(self, *words: str) -> str:
        done, refusal = self.oracle.run(["-C", str(self.project), *words], self.home)
        assert refusal is None, done.stderr.decode()
        return done.stdout.decode()

    def show(self, field: str, element: str = "deep er/tree.bst") -> str:
        return self("show", "--deps", "none", "--format", f"%{{{field}}}", element).strip()


@pytest.fixture
def bst(oracle: Oracle, project: Path, tmp_path: Path) -> Bst:
    return Bst(oracle, project, tmp_path / "home")


def look(path: Path) -> dict[str, Any]:
    """Everything below a directory: kind, mode, content or target."""
    found: dict[str, Any] = {}
    for directory, names, files in os.walk(path):
        for name in names + files:
            full = Path(directory, name)
            status = full.lstat()
            content: Any = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(full)
            elif stat.S_ISREG(status.st_mode):
                content = full.read_bytes()
            found[str(full.relative_to(path))] = (stat.filemode(status.st_mode), content)
    return found


def test_trees_have_bst_s_digests_and_records_are_read(bst: Bst, project: Path, tmp_path: Path) -> None:
    bst("build", "all.bst")
    digest = parse_digest(bst.show("artifact-cas-digest"))
    assert capture_tree(Store(str(tmp_path / "mine")), str(project / "files")).digest == digest
    cache = ArtifactCache(bst.store)
    names = cache.list()
    assert len(names) == 4
    for name in names:
        artifact = cache.read(name, touch=False)
        assert artifact is not None and cache.is_cached(artifact)
        assert encode_artifact(artifact) == Path(cache.base, name).read_bytes()
    found = cache.lookup("demo", "deep er/tree.bst", bst.show("full-key"))
    assert found is not None and found.files == digest and found.success and found.logs[0].name.endswith(".log")
    above = cache.lookup("demo", "all.bst", bst.show("full-key", "all.bst"))
    assert above is not None and above.build_dependencies[0].artifact == f"demo/deep_er-tree/{found.strong_key}"
    for together in (False, True):
        sources = SourceCache(bst.store, together=together)
        assert len(sources.list()) == 1 + together
        for name in sources.list():
            tree = sources.lookup(name)
            assert tree is not None and sources.is_cached(name)
            assert encode_source(tree) == Path(sources.base, name).read_bytes()


def test_checkouts_are_equal(bst: Bst, tmp_path: Path) -> None:
    bst("build", "all.bst")
    digest = parse_digest(bst.show("artifact-cas-digest"))
    bst("artifact", "checkout", "--directory", str(tmp_path / "theirs"), "deep er/tree.bst")
    export_tree(bst.store, digest, str(tmp_path / "ours"))
    assert look(tmp_path / "ours") == look(tmp_path / "theirs")
    bst("artifact", "checkout", "--tar", str(tmp_path / "theirs.tar"), "deep er/tree.bst")
    with tarfile.open(tmp_path / "ours.tar", "w") as archive:
        write_tar(bst.store, digest, archive, ".", 1321009871)
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()


def test_bst_uses_an_artifact_that_grilse_wrote(bst: Bst, project: Path, tmp_path: Path) -> None:
    key, public = bst.show("full-key"), bst.show("public")
    store = Store(bst.store.cachedir)
    assert bst.show("state") == "buildable"
    files = CasDirectory(store)
    files.import_files(str(project / "files"))
    artifact = Artifact(
        strong_key=key,
        strict_key=key,
        weak_key="0" * 64,
        files=files.digest(),
        public_data=store.add_bytes(f"{public}\n".encode()),
        low_diversity=store.add_bytes(
            dump_document(
                {"environment": {"A": "b"}, "sandbox-config": {"build-os": "linux", "build-arch": "x86-64"}}
            ).encode()
        ),
        high_diversity=store.add_bytes(dump_document({"variables": {"a": "b"}}).encode()),
        logs=(LogFile("made-build.log", store.add_bytes(b"the log that grilse wrote\n")),),
    )
    ArtifactCache(store).write("demo", "deep er/tree.bst", artifact)
    assert bst.show("state") == "cached"
    assert bst.show("artifact-cas-digest") == str(files.digest())
    listing = bst("artifact", "list-contents", "--long", f"demo/deep_er-tree/{key}")
    assert "bin/run" in listing and "é ü.txt" in listing
    assert "the log that grilse wrote" in bst("artifact", "log", "deep er/tree.bst")
    assert "cached" in bst("artifact", "show", "deep er/tree.bst")
    bst("artifact", "checkout", "--directory", str(tmp_path / "theirs"), "deep er/tree.bst")
    export_tree(store, files.digest(), str(tmp_path / "ours"))
    assert look(tmp_path / "theirs") == look(tmp_path / "ours")
    bst("artifact", "delete", "deep er/tree.bst")
    assert ArtifactCache(store).lookup("demo", "deep er/tree.bst", key) is None


def test_metadata_has_bst_s_bytes(bst: Bst) -> None:
    import yaml

    class TextLoader(yaml.BaseLoader):
        """Reads every scalar as text."""

    bst("build", "all.bst")
    cache = ArtifactCache(bst.store)
    for name in cache.list():
        artifact = cache.read(name)
        assert artifact is not None
        for digest in (artifact.public_data, artifact.low_diversity, artifact.high_diversity):
            assert digest is not None
            text = bst.store.read(digest).decode()
            assert dump_document(yaml.load(text, TextLoader)) == text


def test_casd_spares_what_a_session_of_grilse_uses(oracle: Oracle, tmp_path: Path) -> None:
    """BuildStream makes room while a session of grilse needs what was used least recently of all."""
    project, home = tmp_path / "project", tmp_path / "home"
    (project / "elements").mkdir(parents=True)
    home.mkdir()
    (project / "project.conf").write_text("name: demo\nmin-version: 2.0\nelement-path: elements\n")
    for number in range(3):
        (project / f"f{number}").write_bytes(os.urandom(2_000_000))
        (project / "elements" / f"e{number}.bst").write_text(
            f"kind: import\nsources:\n- kind: local\n  path: f{number}\n"
        )
    store = Store(str(home / "cache"))
    cache = ArtifactCache(store)
    needed = CasDirectory(store)
    with needed.open_file("needed", mode="wb") as file:
        file.write(os.urandom(3_000_000))
    cache.write("demo", "needed.bst", Artifact("n" * 64, "n" * 64, "n" * 64, files=needed.digest()))
    other = store.add_bytes(os.urandom(8_000_000))
    for path in [*Path(store.objects).glob("*/*"), *Path(cache.base).glob("*/*/*")]:
        os.utime(path, (2000.0, 2000.0) if path.name == other.hash[2:] else (1000.0, 1000.0))

    settings = USER_CONFIGURATION + "cache:\n  quota: 14M\n  low-watermark: 80%\n"
    stop = threading.Event()
    keeper = Keeper(store, Limits())
    assert cache.lookup("demo", "needed.bst", "n" * 64) is not None
    keeper.tend()

    def tend() -> None:
        while not stop.is_set():
            keeper.tend()
            stop.wait(0.01)

    thread = threading.Thread(target=tend)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tools, "USER_CONFIGURATION", settings)
            done, refusal = oracle.run(["-C", str(project), "build", *(f"e{n}.bst" for n in range(3))], home)
    finally:
        stop.set()
        thread.join()
        keeper.close()
    assert refusal is None, done.stderr.decode()
    assert not store.contains(other), "BuildStream has made no room, so that this test proves nothing"
    artifact = cache.lookup("demo", "needed.bst", "n" * 64)
    assert artifact is not None and cache.is_cached(artifact)


def test_grilse_spares_what_a_session_of_bst_uses(bst: Bst, tmp_path: Path) -> None:
    """BuildStream is held in the middle of a checkout, by a pipe that nobody reads, while room is made."""
    bst("build", "all.bst")
    digest = parse_digest(bst.show("artifact-cas-digest"))
    unused = bst.store.add_bytes(b"nobody needs this")
    for path in Path(bst.store.cachedir).glob("**/*"):
        if path.is_file():
            os.utime(path, (1000.0, 1000.0))
    settings = bst.home / "user.conf"
    environment = {**os.environ, **bst.oracle.environment}
    environment |= {f"XDG_{name}_HOME": str(bst.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    environment["GRILSE_ORACLE_ERROR"] = str(bst.home / "error.json")
    words = [*bst.oracle.command, "--config", str(settings), "--no-interactive", "-C", str(bst.project)]
    words += ["artifact", "checkout", "--tar", "-", "deep er/tree.bst"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        begin = process.stdout.read(1)
        assert begin, "BuildStream has failed"
        assert bst_sessions(bst.store.cachedir)
        removed = expire(bst.store, Limits(quota=1))
        archive = begin + process.stdout.read()
        assert process.wait(30) == 0
    assert removed.blobs > 0 and not bst.store.contains(unused) and removed.records == []
    assert Presence(bst.store).tree(digest)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        members.extractall(tmp_path / "theirs", filter="fully_trusted")
    export_tree(bst.store, digest, str(tmp_path / "ours"))
    assert look(tmp_path / "theirs") == look(tmp_path / "ours")
