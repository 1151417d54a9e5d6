"""What BuildStream pushes to a cache server we pull, and the reverse, with no difference."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grilse.remote.artifacts import pull_artifact, push_artifact, query_artifact
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connections
from grilse.remote.session import Exchange
from grilse.remote.sources import pull_source, push_source
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.sources import SourceCache
from grilse.storage.store import Store
from tests.oracle.tools import Oracle, Tool
from tests.oracle.trees import snapshot
from tests.remote.servers import Server

pytestmark = [pytest.mark.remote, pytest.mark.oracle, pytest.mark.timeout(240)]

PROJECT = {
    "project.conf": "name: shared\nmin-version: 2.0\nelement-path: elements\n",
    "elements/plain.bst": "kind: import\nsources:\n- kind: local\n  path: files/plain\n",
    "elements/dir/more.bst": "kind: import\nsources:\n- kind: local\n  path: files/more\nconfig:\n  target: /usr\n",
    "elements/all.bst": "kind: stack\ndepends:\n- plain.bst\n- dir/more.bst\n",
    "elements/composed.bst": "kind: compose\nbuild-depends:\n- all.bst\nconfig:\n  integrate: false\n",
    "elements/filtered.bst": "kind: filter\nbuild-depends:\n- dir/more.bst\nconfig:\n  include: [devel]\n",
    "files/plain/usr/bin/tool": "#!/bin/sh\n",
    "files/plain/usr/share/ünïcode/ß.txt": "ß\n",
    "files/more/include/other.h": "int other(void);\n",
    "files/more/share/empty": "",
    "files/more/share/large": "large " * 1_000_000,
}
BUILT = ["plain.bst", "dir/more.bst", "all.bst", "composed.bst", "filtered.bst"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in PROJECT.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(0o755 if "bin/" in name else 0o644)
    (root / "files" / "plain" / "usr" / "bin" / "same").symlink_to("tool")
    (root / "files" / "plain" / "empty").mkdir()
    return root


@pytest.fixture
def exchange(cache_server: Server) -> Iterator[Exchange]:
    def say(kind: str, text: str, *, detail: str | None = None) -> None:
        assert kind != "warn", text

    with Connections() as connections:
        yield Exchange(connections, (RemoteConfig(url=cache_server.url, push=True),), say)


def run(tool: Tool, home: Path, project: Path, *words: str) -> str:
    home.mkdir(exist_ok=True)
    done, refusal = tool.run(["-C", str(project), *words], home)
    assert refusal is None, f"{words}: {refusal}\n{done.stderr.decode(errors='replace')[-3000:]}"
    return done.stdout.decode()


def keys(oracle: Oracle, home: Path, project: Path) -> dict[str, str]:
    shown = run(oracle, home, project, "show", "--deps", "none", "--format", "%{name} %{full-key}", *BUILT)
    return dict(line.split() for line in shown.splitlines())  # type: ignore[misc]


def checkout(tool: Tool, home: Path, project: Path, element: str, place: Path) -> dict[str, str]:
    shutil.rmtree(place, ignore_errors=True)
    run(tool, home, project, "artifact", "checkout", "--deps", "none", "--directory", str(place), element)
    return snapshot(place)


def test_what_bst_pushes_we_pull(
    oracle: Oracle, project: Path, tmp_path: Path, cache_server: Server, exchange: Exchange
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    run(oracle, there, project, "build", *BUILT)
    run(oracle, there, project, "artifact", "push", "--artifact-remote", cache_server.url, *BUILT)
    cache = ArtifactCache(Store(str(here / "cache")))
    wanted = keys(oracle, there, project)
    assert len(wanted) == len(BUILT)
    for element, key in wanted.items():
        artifact = pull_artifact(exchange, cache, "shared", element, key, required=True)
        assert artifact is not None
        assert cache.is_cached(artifact)
        assert artifact.strong_key == key
    # BuildStream uses what we pulled, without a remote, as if it had built it.
    here.mkdir(exist_ok=True)
    for element in BUILT:
        expected = checkout(oracle, there, project, element, tmp_path / "out")
        assert checkout(oracle, here, project, element, tmp_path / "out") == expected
    records = "artifacts/refs/shared"
    for name in sorted(path.relative_to(there / "cache") for path in (there / "cache" / records).rglob("*")):
        if (there / "cache" / name).is_file():
            assert (here / "cache" / name).read_bytes() == (there / "cache" / name).read_bytes()


def test_what_we_push_bst_pulls(
    oracle: Oracle, project: Path, tmp_path: Path, cache_server: Server, exchange: Exchange
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    run(oracle, here, project, "build", *BUILT)
    cache = ArtifactCache(Store(str(here / "cache")))
    for element, key in keys(oracle, here, project).items():
        artifact = cache.lookup("shared", element, key)
        assert artifact is not None
        assert push_artifact(exchange, cache, "shared", element, artifact)
        assert query_artifact(exchange, "shared", element, artifact.weak_key)
        assert not push_artifact(exchange, cache, "shared", element, artifact)
    run(oracle, there, project, "artifact", "pull", "--artifact-remote", cache_server.url, *BUILT)
    for element in BUILT:
        expected = checkout(oracle, here, project, element, tmp_path / "out")
        assert checkout(oracle, there, project, element, tmp_path / "out") == expected
    # What is there already, BuildStream does not push again: both mean the same names and records.
    done, refusal = oracle.run(
        ["-C", str(project), "artifact", "push", "--artifact-remote", cache_server.url, *BUILT], there
    )
    assert refusal is None
    assert b"Pushed artifact" not in done.stderr
    assert done.stderr.count(b"already has artifact") == len(BUILT)


@pytest.mark.parametrize("direction", ["bst pushes", "we push"])
def test_sources_go_both_ways(
    oracle: Oracle, project: Path, tmp_path: Path, cache_server: Server, exchange: Exchange, direction: str
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    elements = ["plain.bst", "dir/more.bst"]
    first = there if direction == "bst pushes" else here
    run(oracle, first, project, "source", "fetch", *elements)
    singles = sorted(
        str(path.relative_to(first / "cache" / "source_protos"))
        for path in (first / "cache" / "source_protos").rglob("*")
        if path.is_file()
    )
    together = sorted(os.listdir(first / "cache" / "elementsources"))
    assert len(together) == 2
    names = [(False, name) for name in singles] + [(True, name) for name in together]
    if direction == "bst pushes":
        run(oracle, there, project, "source", "push", "--source-remote", cache_server.url, *elements)
        for whole, name in names:
            cache = SourceCache(Store(str(here / "cache")), together=whole)
            assert pull_source(exchange, cache, name, required=True) is not None
            assert cache.is_cached(name)
            kind = "elementsources" if whole else "source_protos"
            assert (here / "cache" / kind / name).read_bytes() == (there / "cache" / kind / name).read_bytes()
        return
    for whole, name in names:
        assert push_source(exchange, SourceCache(Store(str(here / "cache")), together=whole), name)
    # Local sources are always at hand, so that BuildStream shows that it pulls by what it finds already there.
    run(oracle, there, project, "source", "fetch", *elements)
    done, refusal = oracle.run(
        ["-C", str(project), "source", "push", "--source-remote", cache_server.url, *elements], there
    )
    assert refusal is None
    assert b"Pushed source" not in done.stderr
    assert done.stderr.count(b"already has source") == len(names)
