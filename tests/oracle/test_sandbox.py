"""Builds in both tools' sandboxes: what commands leave behind must become the same artifact, whatever they do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grilse.sandbox.means import find_means
from grilse.storage.artifact import Artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.store import Store

from .tools import REPOSITORY, Oracle

pytestmark = [pytest.mark.oracle, pytest.mark.sandbox, pytest.mark.timeout(300)]

_PROGRAMS = (
    *("sh", "cat", "chmod", "cp", "env", "false", "hostname", "id", "ln", "ls", "mkdir", "mkfifo", "mknod", "mv", "rm"),
    *("rmdir", "stat", "touch", "true", "test", "printf", "seq"),
)

_BASE = "build-depends: [base.bst]"
_INTEGRATED = "build-depends: [base.bst, integrated.bst]"
_SOURCES = "sources: [{kind: local, path: files}]"

ELEMENTS = {
    "base": "kind: import\nsources: [{kind: local, path: base}]",
    "integrated": f"""
kind: manual
{_BASE}
config:
  install-commands:
  - mkdir -p %{{install-root}}/usr/share; echo i > %{{install-root}}/usr/share/integrated
public:
  bst:
    integration-commands:
    - echo one > /etc/one; chmod 700 /etc/one; mkfifo /etc/pipe; rm /etc/gone; echo left > /tmp/left; touch /new
    - cat /tmp/left; mkdir /etc/dir; chmod 0 /etc/dir; ln /etc/one /etc/two; ln -sf /nowhere /etc/link; rm -r /opt
    - mv /etc/keep /etc/moved
""",
    "modes": rf"""
kind: manual
{_BASE}
config:
  install-commands:
  - |
    cd %{{install-root}}; umask 022
    for m in 000 001 010 100 600 644 755 4755 1777; do echo $m > f$m; chmod $m f$m; mkdir d$m; chmod $m d$m; done
    mkfifo pipe; echo h > h1; ln h1 h2; ln -s /abs abs; ln -s ../../../up up; ln -s nowhere dangling; mkdir -p a/b/c
    : > zero; echo n > "new
    line"; echo u > "$(printf '\303\251')"; touch -d 2001-01-01 old; mkdir closed; echo x > closed/x; chmod 0 closed
""",
    "moves": f"""
kind: manual
{_BASE}
{_SOURCES}
config:
  build-commands:
  - mkdir made; mv sub made/sub; ln f %{{install-root}}/linked; cp -a made %{{install-root}}/copied
  - mv made %{{install-root}}/moved; rm l; ln -s f l
  install-commands:
  - echo more >> f; chmod 755 %{{install-root}}/moved/sub/s
""",
    "sees": f"""
kind: manual
{_INTEGRATED}
{_SOURCES}
config:
  install-commands:
  - |
    exec > %{{install-root}}/seen 2>&1
    id -u; id -g; hostname; pwd; umask; env; cat /tmp/left || true
    stat -c '%n %a %Y %u %g %F' /etc /etc/* /usr /usr/share/* /new . * sub/* /bin; stat -c '%n %Y %u %g' /
    stat -c '%n %a %u %g %F' /dev/* /tmp
    stat -c '%n %h %s' /etc/one /etc/two f l
    for path in /etc/new /usr/new /etc/one; do touch $path > /dev/null 2>&1 || echo "no $path"; done
    touch /other > /dev/null 2>&1 || echo no /other; mknod n c 1 3 > /dev/null 2>&1 || echo no node
    ls /proc/self/fd; cat /proc/net/dev | while read name rest; do echo "$name"; done
""",
    "another-user": f"""
kind: manual
{_BASE}
{_SOURCES}
sandbox: {{build-uid: 1234, build-gid: 2345}}
config:
  install-commands:
  - id -u > %{{install-root}}/f; stat -c '%n %u %g' / . * /usr /tmp /dev >> %{{install-root}}/f; chmod 700 f
""",
    "whole-root": f"""
kind: script
{_INTEGRATED}
config:
  root-read-only: False
  commands:
  - rm -r /usr/share /etc/two; echo n > /etc/n; chmod 600 /etc/n; cp -a /etc %{{install-root}}
  - stat -c '%n %a' /etc/* > %{{install-root}}/stat
""",
    "fails": f"""
kind: manual
{_INTEGRATED}
{_SOURCES}
config:
  build-commands:
  - echo new > made; mkdir sub/d; rm l; mkfifo pipe; chmod 000 made
  install-commands:
  - echo i > %{{install-root}}/i; exit 5
""",
    "fails-on-the-whole-root": f"""
kind: script
{_INTEGRATED}
config:
  root-read-only: False
  commands:
  - mkdir /made; rm -r /usr/share; echo x > %{{install-root}}/f; false
""",
}

TARGETS = ("modes", "moves", "sees", "another-user", "whole-root", "fails", "fails-on-the-whole-root")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose base system is the host's own shell and utilities."""
    means = find_means(str(tmp_path_factory.mktemp("means")))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    path = tmp_path_factory.mktemp("project")
    (path / "project.conf").write_text("name: both\nmin-version: 2.0\nelement-path: elements\n")
    (path / "elements").mkdir()
    for name, text in ELEMENTS.items():
        (path / "elements" / f"{name}.bst").write_text(text.strip() + "\n")
    programs = [found for name in _PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))]
    assert len(programs) == len(_PROGRAMS)
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    libraries = {word for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    targets = {found: f"usr/bin/{os.path.basename(found)}" for found in programs}
    for source, target in {**targets, **{library: library for library in libraries}}.items():
        place = path / "base" / target.strip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
    (path / "base/bin").symlink_to("usr/bin")
    for name in ("gone", "keep/deep/file"):
        (path / "base/etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "base/etc" / name).write_text(name)
    (path / "base/opt/x").mkdir(parents=True)
    (path / "base/usr/share/base").mkdir(parents=True)
    (path / "files/sub").mkdir(parents=True)
    (path / "files/empty").mkdir()
    for name in ("f", "sub/s"):
        (path / "files" / name).write_text(name)
    (path / "files/l").symlink_to("f")
    (path / "files/sub/s").chmod(0o711)
    return path


@pytest.fixture(scope="module")
def caches(project: Path, oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Cache directories of BuildStream and of grilse after both built everything."""
    made = []
    for words in ([str(oracle.bst)], [sys.executable, "-m", "grilse"]):
        home = tmp_path_factory.mktemp("home")
        (home / "buildstream.conf").write_text(f"cachedir: {home}/cache\nlogdir: {home}/logs\n")
        (home / "grilse.conf").write_text(f"cachedir: {home}/cache\nlogdir: {home}/logs\n")
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(home),
            "XDG_CACHE_HOME": str(home),
            "PYTHONPATH": str(REPOSITORY / "src"),
        }
        command = [*words, "--no-interactive", "--on-error", "continue", "--directory", str(project), "build"]
        done = subprocess.run(
            [*command, *(f"{name}.bst" for name in TARGETS)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # Two elements are made to fail.
        assert done.returncode == 255, done.stderr[-4000:]
        made.append(home / "cache")
    return made[0], made[1]


def artifact_of(cache: Path, name: str) -> tuple[str, Artifact]:
    """The only key under which an element is cached in strict mode, and its artifact."""
    artifacts = ArtifactCache(Store(str(cache)))
    keys = sorted(os.listdir(cache / "artifacts/refs/both" / name))
    found = [(key, artifacts.lookup("both", f"{name}.bst", key)) for key in keys]
    key, artifact = next((key, artifact) for key, artifact in found if artifact and artifact.strong_key == key)
    return key, artifact


@pytest.mark.parametrize("name", sorted(ELEMENTS))
def test_commands_leave_the_same_artifact_in_both_sandboxes(name: str, caches: tuple[Path, Path]) -> None:
    (their_key, theirs), (our_key, ours) = (artifact_of(cache, name) for cache in caches)
    assert our_key == their_key
    assert ours.success == theirs.success == (not name.startswith("fails"))
    if ours.files != theirs.files:
        pytest.fail(_difference(caches, theirs, ours))
    assert (ours.buildtree, ours.buildroot) == (theirs.buildtree, theirs.buildroot)


def _difference(caches: tuple[Path, Path], theirs: Artifact, ours: Artifact) -> str:
    """The files that differ, in full where they are short."""
    shown = []
    for cache, artifact in zip(caches, (theirs, ours)):
        store = Store(str(cache))
        nodes = store.listing(artifact.files).nodes if artifact.files is not None else {}
        shown.append("\n".join(f"{name}: {node}" for name, node in nodes.items()))
        if "seen" in nodes:
            shown.append(store.read(nodes["seen"].digest).decode())  # type: ignore[union-attr]
    return "\n----\n".join(shown)
