"""A message is all that a job needs: saved to a file it runs anywhere, for every kind and every origin of plugins.

A project is built, its jobs are saved, the whole cache is thrown away, and the replayed jobs make the same artifacts.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from grilse.sandbox.means import find_means

from . import projects
from .conftest import SOURCE
from .projects import run

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(300)]

SAVE = Path(__file__).with_name("save_jobs.py")

# One plugin for each origin: it stages what it depends on and its sources, and writes where it came from.
PLUGIN = """
from buildstream import Element
from ._words import WORDS

class Maker(Element):
    BST_MIN_VERSION = "2.0"
    BST_RUN_COMMANDS = False
    def configure(self, node):
        node.validate_keys(["text"])
        self.text = node.get_str("text")
    def preflight(self): pass
    def get_unique_key(self): return [self.text, WORDS]
    def configure_sandbox(self, sandbox): pass
    def stage(self, sandbox):
        self.stage_dependency_artifacts(sandbox)
        self.stage_sources(sandbox, "/sources")
    def assemble(self, sandbox):
        with sandbox.get_virtual_directory().open_file("made", mode="w") as file:
            file.write(f"{WORDS} {self.text}\\n")
        return "/"

def setup(): return Maker
"""
SOURCE_PLUGIN = """
import os
from buildstream import Source
from ._words import WORDS

class Writer(Source):
    BST_MIN_VERSION = "2.0"
    def configure(self, node): pass
    def preflight(self): pass
    def get_unique_key(self): return None
    def load_ref(self, node): pass
    def get_ref(self): return "always"
    def set_ref(self, ref, node): pass
    def is_cached(self): return True
    def fetch(self): pass
    def stage(self, directory):
        with open(os.path.join(directory, "written"), "w") as file:
            file.write(WORDS)

def setup(): return Writer
"""
PROGRAMS = ("sh", "cat", "mkdir", "cp", "rm", "env", "true", "touch")

CONF = """\
name: replayed
min-version: 2.4
element-path: elements
plugins:
- origin: local
  path: plugins
  elements: [made_locally]
  sources: [written_locally]
- origin: pip
  package-name: replayed-plugins
  elements: [made_by_package]
- origin: junction
  junction: sub.bst
  elements: [made_by_sub]
"""
SUB_CONF = """\
name: sub
min-version: 2.4
element-path: elements
plugins:
- origin: local
  path: plugins
  elements: [made_by_sub]
"""
ELEMENTS = {
    "base": "kind: import\nsources: [{kind: local, path: base}]",
    "sub": "kind: junction\nsources: [{kind: local, path: sub}]",
    "packed": "kind: junction\nsources: [{kind: tar, url: 'file://ROOT/sub.tar', ref: REF}]",
    "linked": "kind: link\nconfig: {target: local.bst}",
    "local": "kind: import\nsources: [{kind: local, path: files}, {kind: local, path: files, directory: again}]",
    "remote": "kind: import\nsources: [{kind: remote, url: 'file://ROOT/one.txt', ref: ONE, filename: two.txt}]",
    "tar": "kind: import\nsources: [{kind: tar, url: 'file://ROOT/sub.tar', ref: REF}]",
    "opened": "kind: import\nsources: [{kind: local, path: files}]",
    "manual": """
kind: manual
build-depends: [base.bst, linked.bst]
config:
  install-commands: ['mkdir -p %{install-root}/usr/bin; cp /a %{install-root}/usr/bin/%{element-name}']
public:
  bst:
    integration-commands: ['touch /integrated']
    split-rules: {extra: [/usr/bin/*]}
""",
    "compose": "kind: compose\nbuild-depends: [base.bst, manual.bst, local.bst]\nconfig: {include: [extra]}",
    "filter": "kind: filter\nbuild-depends: [manual.bst]\nconfig: {include: [extra]}",
    "stack": "kind: stack\ndepends: [filter.bst, compose.bst]",
    "script": """
kind: script
build-depends: [base.bst, {filename: local.bst, config: {location: /in}}]
config:
  commands: ['mkdir -p %{install-root}; cat /in/a > %{install-root}/out']
""",
    "by-local": "kind: made_locally\nbuild-depends: [local.bst]\nsources: [{kind: written_locally}]\nconfig: {text: x}",
    "by-package": "kind: made_by_package\nconfig: {text: x}",
    "by-junction": "kind: made_by_sub\nconfig: {text: x}",
}
SUB_ELEMENTS = {"below": "kind: made_by_sub\nconfig: {text: below}"}

# Fetch jobs first, where there are sources; then builds, dependencies first.
JOBS = [
    *(f"fetch:{name}.bst" for name in ("base", "local", "remote", "tar", "opened", "packed", "by-local")),
    *(f"build:{name}.bst" for name in ("base", "local", "remote", "tar", "opened", "manual", "compose", "filter")),
    *(f"build:{name}.bst" for name in ("stack", "script", "by-local", "by-package", "by-junction")),
    "build:sub.bst:below.bst",
    "build:packed.bst:below.bst",
]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.strip() + "\n")


def pack(tree: Path, target: Path) -> None:
    """A tar file of a directory, the same each time."""
    with tarfile.open(target, "w") as tar:
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                info = tarfile.TarInfo(f"sub/{path.relative_to(tree)}")
                info.size = path.stat().st_size
                tar.addfile(info, io.BytesIO(path.read_bytes()))


def make_base(target: Path) -> None:
    """The host's shell and utilities, with their libraries."""
    programs = [found for name in PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))]
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    libraries = {word for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    for source, place in [(path, f"/usr/bin/{Path(path).name}") for path in programs] + [(x, x) for x in libraries]:
        (target / place.strip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target / place.strip("/"))
    (target / "bin").symlink_to("usr/bin")


def digest_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def root(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    means = find_means(str(tmp_path_factory.mktemp("means")))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    root = tmp_path / "project"
    write(
        root,
        {
            "plugins/made_locally.py": PLUGIN,
            "plugins/written_locally.py": SOURCE_PLUGIN,
            "plugins/_words.py": "WORDS = 'local'",
            "files/a": "a",
            "one.txt": "one",
            "sub/project.conf": SUB_CONF,
            "sub/plugins/made_by_sub.py": PLUGIN,
            "sub/plugins/_words.py": "WORDS = 'junction'",
            **{f"sub/elements/{name}.bst": text for name, text in SUB_ELEMENTS.items()},
            "project.conf": CONF,
        },
    )
    write(
        tmp_path / "packages",
        {
            "replayed_plugins/__init__.py": "",
            "replayed_plugins/made_by_package.py": PLUGIN,
            "replayed_plugins/_words.py": "WORDS = 'package'",
            "replayed_plugins-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: replayed-plugins\nVersion: 1.5",
            "replayed_plugins-1.5.dist-info/entry_points.txt": "[buildstream.plugins.elements]\n"
            "made_by_package = replayed_plugins.made_by_package:setup",
        },
    )
    make_base(root / "base")
    other = tmp_path / "other"
    shutil.copytree(root / "sub", other)
    write(other, {"project.conf": SUB_CONF.replace("name: sub", "name: packed")})
    pack(other, root / "sub.tar")
    values = {"ROOT": str(root), "REF": digest_of(root / "sub.tar"), "ONE": digest_of(root / "one.txt")}
    for name, text in ELEMENTS.items():
        for word, value in values.items():
            text = text.replace(word, value)
        write(root, {f"elements/{name}.bst": text})
    return root


def test_saved_jobs_make_the_same_artifacts_anywhere(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    built = [job.split(":", 1)[1] for job in JOBS if job.startswith("build:")]
    with monkeypatch.context() as patch:
        # The package is found where it is installed: while the project loads
        path = os.pathsep.join([str(SOURCE), str(tmp_path / "packages")])
        patch.setattr(projects, "SOURCE", path)
        status, _, err = run(root, "workspace", "open", "--directory", str(tmp_path / "open"), "opened.bst", home=home)
        assert status == 0, err
        status, _, err = run(root, "build", *built, home=home)
        assert status == 0, err
        status, out, err = run(
            root, "show", "--deps", "none", "--format", "%{name} %{artifact-cas-digest}", *built, home=home
        )
        assert status == 0, err
        places = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home)}
        environment = {**os.environ, "PYTHONPATH": path, **places}
        subprocess.run([sys.executable, str(SAVE), str(root), str(tmp_path), *JOBS], env=environment, check=True)
    expected = dict(line.split(" ") for line in out.splitlines())
    assert set(expected) == set(built)
    shutil.rmtree(home / "cache" / "buildstream")
    made = {}
    for number, job in enumerate(JOBS):
        task, element = job.split(":", 1)
        status, out, err = run(
            elsewhere, "job", "replay", str(tmp_path / f"{number}.job"), home=tmp_path / "other-home"
        )
        assert status == 0, f"{job}: {err}"
        how, _, values = out.partition(" ")
        # What another has fetched already need not be fetched.
        assert how == "ok" or (task, how) == ("fetch", "skipped"), job
        if task == "build":
            made[element] = json.loads(values)["files"]
    assert made == expected


def test_a_replayed_shell_is_run_by_the_frontend(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    status, _, err = run(root, "build", "base.bst", home=home)
    assert status == 0, err
    parameters = {
        "build": False,
        "use_buildtree": False,
        "isolate": True,
        "environment": {},
        "mounts": [],
        "command": ["sh", "-c", "echo inside; exit 7"],
        "prompt": "$ ",
        "interactive": False,
    }
    places = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home)}
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), **places}
    job = f"shell:base.bst {json.dumps(parameters)}"
    subprocess.run([sys.executable, str(SAVE), str(root), str(tmp_path), job], env=environment, check=True)
    status, out, err = run(tmp_path, "job", "replay", str(tmp_path / "0.job"), home=home)
    assert status == 0, err
    assert out.splitlines() == ["inside", 'ok {"status": 7}']
