"""buildstream-plugins and buildstream-plugins-community do the same under both tools: track, fetch, stage, keys.

Both tools use the packages of the oracle's own environment, unmodified.  Each works on a copy of the project, with
caches of its own, against servers and repositories that the test makes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import (
    WebServer,
    bzr,
    docker_image,
    git,
    git_commit,
    git_daemon,
    git_repository,
    tarball,
    zipped,
)
from .tools import REPOSITORY, Oracle, Tool

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(300)]

CONF = """\
name: packages
min-version: 2.4
element-path: elements
plugins:
- origin: pip
  package-name: buildstream-plugins
  elements: [autotools, cmake, make, meson, pip, setuptools]
  sources: [bzr, cargo, docker, git, patch, pip]
- origin: pip
  package-name: buildstream-plugins-community
  sources: [cargo2, git_module, git_repo, patch_queue, zip]
aliases:
"""


class Pair:
    """Both tools, each with a copy of a project."""

    def __init__(self, oracle: Oracle, packages: Path, root: Path) -> None:
        self.root = root
        self.aliases: dict[str, str] = {}
        path = os.pathsep.join([str(REPOSITORY / "src"), *filter(None, sys.path), str(packages)])
        self.tools: dict[str, Tool] = {
            "bst": oracle,
            "grilse": Tool([sys.executable, "-m", "grilse"], {"PYTHONPATH": path}),
        }
        for name in self.tools:
            (root / name / "elements").mkdir(parents=True)
            (root / f"home-{name}").mkdir()

    def write(self, files: dict[str, str]) -> None:
        """Write `files` and the project's configuration into both copies."""
        aliases = "".join(f"  {name}: '{url}'\n" for name, url in self.aliases.items())
        for name in self.tools:
            (self.root / name / "project.conf").write_text(CONF + (aliases or "  none: 'file:///'\n"))
            for path, text in files.items():
                target = self.root / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)

    def run(self, *words: str) -> dict[str, str]:
        """What both print; neither may fail."""
        printed = {}
        for name, tool in self.tools.items():
            done, refusal = tool.run(["-C", str(self.root / name), *words], self.root / f"home-{name}")
            assert refusal is None, f"{name}: {done.stderr.decode()[-6000:]}"
            printed[name] = done.stdout.decode()
        return printed

    def refuse(self, *words: str) -> dict[str, str | None]:
        """The reasons with which both refuse."""
        reasons = {}
        for name, tool in self.tools.items():
            _, refusal = tool.run(["-C", str(self.root / name), *words], self.root / f"home-{name}")
            assert refusal is not None, name
            reasons[name] = refusal.reason
        return reasons

    def text(self, path: str) -> str:
        """The content of a file, which must be the same in both copies."""
        texts = {name: (self.root / name / path).read_text() for name in self.tools}
        assert texts["grilse"] == texts["bst"]
        return texts["bst"]

    def checkout(self, name: str, element: str) -> dict[str, bytes]:
        """The files of an artifact of one tool, without what git keeps for itself: times and places."""
        target = self.root / f"checkout-{name}-{element}"
        words = ["-C", str(self.root / name), "artifact", "checkout", "--deps", "none", "--no-integrate"]
        done, refusal = self.tools[name].run([*words, "--directory", str(target), element], self.root / f"home-{name}")
        assert refusal is None, done.stderr.decode()[-6000:]
        return {
            str(path.relative_to(target)): path.read_bytes()
            for path in sorted(target.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(target).parts
        }

    def check(self, element: str, *, digest: bool = True) -> str:
        """Track, fetch and build `element` with both, and compare; gives its file with the ref.

        Args:
            element: its name.
            digest: whether the artifacts must have the same digest; else their files, git's own left out.
        """
        self.run("source", "track", element)
        self.run("source", "fetch", element)
        self.run("build", element)
        fields = "%{state} %{full-key} %{artifact-cas-digest}" if digest else "%{state} %{full-key}"
        shown = self.run("show", "--deps", "none", "--format", fields + "\n%{source-info}", element)
        if not digest:
            assert self.checkout("bst", element) == self.checkout("grilse", element)
        assert shown["grilse"] == shown["bst"]
        assert shown["bst"].startswith("cached "), shown["bst"]
        return self.text(f"elements/{element}")


@pytest.fixture(scope="module")
def packages(oracle: Oracle) -> Path:
    """Where the oracle's Python packages are."""
    (found,) = (oracle.bst.parent.parent / "lib").glob("python3*/site-packages")
    for name in ("buildstream_plugins", "buildstream_plugins_community"):
        if not (found / name).is_dir():
            pytest.skip(f"the oracle's environment has no {name}")
    if found.parent.name != f"python{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip("the oracle's packages are for another Python")
    return found


@pytest.fixture
def pair(oracle: Oracle, packages: Path, tmp_path: Path) -> Pair:
    """Both tools with an empty project."""
    return Pair(oracle, packages, tmp_path)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server."""
    server = WebServer()
    yield server
    server.close()


def needs(*modules: str, packages: Path) -> None:
    """Skip when a package that a plugin imports is not there."""
    for module in modules:
        if not (packages / module).exists() and importlib.util.find_spec(module) is None:
            pytest.skip(f"there is no {module}")


def imported(*sources: str) -> str:
    """An import element with these sources."""
    return "kind: import\n\nsources:\n" + "".join(sources)


def test_tar_zip_and_remote(pair: Pair, web: WebServer) -> None:
    web.put("/a-1.2.tar.gz", tarball({"a-1.2/hello": "hello\n", "a-1.2/sub/x": "x\n"}), ETag='"one"')
    web.put("/b.zip", zipped({"b/there": "there\n"}))
    web.put("/plain.txt", b"plain\n")
    pair.aliases["web"] = f"{web.url}/"
    pair.write(
        {
            "elements/e.bst": imported(
                "- kind: tar\n  url: web:a-1.2.tar.gz\n",
                "- kind: zip\n  url: web:b.zip\n  directory: zipped\n",
                "- kind: remote\n  url: web:plain.txt\n  filename: renamed\n  executable: true\n",
            )
        }
    )
    assert pair.check("e.bst").count("ref:") == 3


def test_git_with_submodules_and_patches(pair: Pair, tmp_path: Path) -> None:
    git_repository(tmp_path / "repos" / "sub", {"s.txt": "sub\n"})
    main = tmp_path / "repos" / "main"
    git_repository(main, {"a.txt": "one\n"})
    git(main, "submodule", "-q", "add", (tmp_path / "repos" / "sub").as_uri(), "sub")
    head = git_commit(main, {"b.txt": "two\n"})
    pair.aliases["repos"] = f"{(tmp_path / 'repos').as_uri()}/"
    patch = "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+patched\n"
    pair.write(
        {
            "patches/p.patch": patch,
            "elements/e.bst": imported(
                "- kind: git\n  url: repos:main\n  track: main\n", "- kind: patch\n  path: patches/p.patch\n"
            ),
        }
    )
    assert head in pair.check("e.bst")


def test_git_repo_and_patch_queue(pair: Pair, packages: Path, tmp_path: Path) -> None:
    needs("dulwich", packages=packages)
    git_repository(tmp_path / "repos" / "sub", {"s.txt": "sub\n"})
    main = tmp_path / "repos" / "main"
    git_repository(main, {"a.txt": "one\n"})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with git_daemon(tmp_path / "repos", port) as url:
        git(main, "submodule", "-q", "add", (tmp_path / "repos" / "sub").as_uri(), "sub")
        head = git_commit(main, {"b.txt": "two\n"})
        pair.aliases["repos"] = f"{url}/"
        pair.write(
            {
                "queue/p.patch": "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+patched\n",
                "elements/e.bst": imported(
                    "- kind: git_repo\n  url: repos:main\n  track: main\n",
                    "- kind: git_module\n  url: repos:sub\n  path: sub\n",
                    "- kind: patch_queue\n  path: queue\n",
                ),
            }
        )
        assert head in pair.check("e.bst", digest=False)


def test_bzr(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("bzr")
    if program is None:
        pytest.skip("there is no bzr")
    # It is written in Python, and is not to look where grilse and the plugins are found here
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "bzr").write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {program} "$@"\n')
    (tmp_path / "programs" / "bzr").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}")
    trunk = tmp_path / "repos" / "trunk"
    trunk.mkdir(parents=True)
    bzr(trunk, "init", "-q")
    for number in ("1", "2"):
        (trunk / "a.txt").write_text(f"{number}\n")
        bzr(trunk, "add", "-q")
        bzr(trunk, "commit", "-q", "-m", "change")
    pair.aliases["repos"] = f"{(tmp_path / 'repos').as_uri()}/"
    pair.write({"elements/e.bst": imported("- kind: bzr\n  url: 'repos:'\n  track: trunk\n")})
    assert "ref: 2" in pair.check("e.bst").replace("'", "")


def test_docker(pair: Pair, web: WebServer, packages: Path) -> None:
    needs("requests", packages=packages)
    layers = [
        tarball({"etc/base": "base\n", "etc/gone": "gone\n"}),
        tarball({"etc/top": "top\n", "etc/.wh.gone": ""}),
    ]
    docker_image(web, "some/image", "latest", layers)
    pair.aliases["registry"] = web.url
    pair.write(
        {
            "elements/e.bst": imported(
                "- kind: docker\n  registry-url: 'registry:'\n  image: some/image\n  track: latest\n"
                "  architecture: amd64\n  os: linux\n"
            )
        }
    )
    assert "ref:" in pair.check("e.bst")


@pytest.mark.parametrize("kind", ["cargo", "cargo2"])
def test_crates(pair: Pair, web: WebServer, packages: Path, kind: str) -> None:
    if kind == "cargo2":
        needs("dulwich", packages=packages)
    crate = tarball({"tiny-1.0.0/Cargo.toml": '[package]\nname = "tiny"\nversion = "1.0.0"\n'})
    sha = web.put("/tiny/tiny-1.0.0.crate", crate)
    web.put("/crates/tiny/tiny-1.0.0.crate", crate)
    pair.aliases["crates"] = f"{web.url}/"
    lock = (
        '[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = [\n "tiny",\n]\n\n'
        '[[package]]\nname = "tiny"\nversion = "1.0.0"\n'
        f'source = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{sha}"\n'
    )
    pair.write(
        {
            "files/Cargo.lock": lock,
            "elements/e.bst": imported("- kind: local\n  path: files\n", f"- kind: {kind}\n  url: 'crates:'\n"),
        }
    )
    assert sha in pair.check("e.bst")


def test_python_packages_from_an_index(pair: Pair, web: WebServer) -> None:
    if shutil.which("pip3") is None and shutil.which("pip") is None:
        pytest.skip("there is no pip")
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    # A build back end of its own, so that nothing has to be downloaded to look at it
    backend = (
        "def prepare_metadata_for_build_wheel(directory, config=None):\n"
        "    import os\n"
        "    os.mkdir(os.path.join(directory, 'tiny-1.0.dist-info'))\n"
        "    with open(os.path.join(directory, 'tiny-1.0.dist-info', 'METADATA'), 'w') as file:\n"
        f"        file.write({metadata!r})\n"
        "    return 'tiny-1.0.dist-info'\n"
        "def build_wheel(directory, config=None, metadata=None):\n    raise SystemExit('not to be built')\n"
    )
    archive = tarball(
        {
            "tiny-1.0/PKG-INFO": metadata,
            "tiny-1.0/pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'back'\nbackend-path = ['.']\n",
            "tiny-1.0/back.py": backend,
        }
    )
    sha = web.put("/files/tiny-1.0.tar.gz", archive)
    link = f'<a href="../../files/tiny-1.0.tar.gz#sha256={sha}">tiny-1.0.tar.gz</a>'
    page = f"<!DOCTYPE html><html><body>{link}</body></html>"
    web.put("/simple/tiny/", page.encode(), Content_Type="text/html")
    pair.aliases["index"] = f"{web.url}/simple/"
    pair.write(
        {
            "files/a": "a\n",
            "elements/e.bst": imported(
                "- kind: local\n  path: files\n", "- kind: pip\n  url: 'index:'\n  packages:\n  - tiny\n"
            ),
        }
    )
    assert "tiny==1.0" in pair.check("e.bst")


def test_a_missing_file_and_a_wrong_ref_are_refused_alike(pair: Pair, web: WebServer) -> None:
    web.put("/a.tar.gz", tarball({"a/b": "b\n"}))
    pair.aliases["web"] = f"{web.url}/"
    pair.write(
        {
            "elements/gone.bst": imported(f"- kind: tar\n  url: web:gone.tar.gz\n  ref: {'a' * 64}\n"),
            "elements/wrong.bst": imported(f"- kind: tar\n  url: web:a.tar.gz\n  ref: {'a' * 64}\n"),
            "elements/alias.bst": imported(f"- kind: tar\n  url: nope:a.tar.gz\n  ref: {'a' * 64}\n"),
        }
    )
    for element in ("gone.bst", "wrong.bst", "alias.bst"):
        reasons = pair.refuse("source", "fetch", element)
        assert reasons["grilse"] == reasons["bst"]
