"""Trees written as nested dictionaries, and sandboxes in a temporary cache directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grilse.sandbox.means import Means, find_means
from grilse.sandbox.workshop import Workshop
from grilse.storage.digest import Digest
from grilse.storage.messages import DirectoryNode, FileNode, Listing, Node, SymlinkNode
from grilse.storage.store import Store

# A directory is a dictionary, a file its content, an executable file ("x", content), a link ("->", target).
Tree = dict[str, "Tree | str | bytes | tuple[str, str | bytes]"]

_PROGRAMS = "sh cat chmod cp env false grep hostname id ln ls mkdir mkfifo mv readlink rm rmdir sleep stat touch true"


def put(store: Store, tree: Tree) -> Digest:
    """Digest of a tree that is put into the store."""
    nodes: dict[str, Node] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            nodes[name] = DirectoryNode(put(store, value))
        elif isinstance(value, str | bytes):
            nodes[name] = FileNode(store.add_bytes(_bytes(value)), False)
        elif value[0] == "x":
            nodes[name] = FileNode(store.add_bytes(_bytes(value[1])), True)
        else:
            assert isinstance(value[1], str)
            nodes[name] = SymlinkNode(value[1])
    return store.add_listing(Listing(nodes))


def get(store: Store, digest: Digest) -> Tree:
    """The tree that a digest names."""
    tree: Tree = {}
    for name, node in store.listing(digest).nodes.items():
        if isinstance(node, DirectoryNode):
            tree[name] = get(store, node.digest)
        elif isinstance(node, SymlinkNode):
            tree[name] = ("->", node.target)
        else:
            content = store.read(node.digest).decode()
            tree[name] = ("x", content) if node.executable else content
    return tree


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def means(tmp_path_factory: pytest.TempPathFactory) -> Means:
    return find_means(str(tmp_path_factory.mktemp("means")))


@pytest.fixture(params=["overlay", "copy"])
def workshop(request: pytest.FixtureRequest, store: Store, means: Means) -> Workshop:
    """Where real sandboxes are made, in either way; skips by name where there are none."""
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    if request.param == "overlay" and not means.overlay:
        pytest.skip("no sandbox on overlays: users cannot mount them here")
    return Workshop(store, os.path.join(store.cachedir, "grilse"), Means(means.bwrap, request.param == "overlay"))


@pytest.fixture(scope="session")
def tools() -> Tree:
    """The host's shell and a few utilities with the libraries they need, as a tree."""
    tree: Tree = {"etc": {"motd": "hello\n"}}
    programs = [path for name in _PROGRAMS.split() if (path := shutil.which(name, path="/usr/bin:/bin"))]
    assert len(programs) == len(_PROGRAMS.split())
    libraries = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    for path in programs:
        _place(tree, "/usr/bin/" + os.path.basename(path), Path(path).read_bytes())
    for path in {word for word in libraries.split() if word.startswith("/") and not word.endswith(":")}:
        _place(tree, path, Path(path).read_bytes())
    return tree


def _place(tree: Tree, path: str, content: bytes) -> None:
    *directories, name = path.strip("/").split("/")
    for directory in directories:
        below = tree.setdefault(directory, {})
        assert isinstance(below, dict)
        tree = below
    tree[name] = ("x", content)


@pytest.fixture
def root(store: Store, tools: Tree) -> Digest:
    """A root in which a shell runs."""
    return put(store, tools)


Make = Callable[[Tree], Digest]
