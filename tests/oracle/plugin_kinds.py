"""Every kind of a release of a plugin package, loaded and configured by both tools; also a program that reports them.

    python -m tests.oracle.plugin_kinds --bst PROGRAM RELEASE…

A release is a directory, or a source archive as the package index has it: its kinds are used through a junction,
unmodified.  Knows the least configuration that each kind takes, nothing of what plugins do.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .tools import REPOSITORY, Oracle, Tool

SHA1, SHA256 = "a" * 40, "b" * 64

# The least that each source must be told.
SOURCES = {
    "anitya": f"project-id: 7, url: 'up:x-{{version}}.tar', ref: {{version: '1', sha256sum: {SHA256}}}",
    "bazel_file": f"url: 'up:file', ref: {SHA256}",
    "bazel_source": f"ref: {SHA256}",
    "bzr": "url: 'up:b', track: trunk, ref: '7'",
    "cargo": f"ref: [{{name: tiny, version: 1.0.0, sha: {SHA256}}}]",
    "cargo2": f"ref: [{{name: tiny, version: 1.0.0, sha: {SHA256}}}]",
    "cpan": f"name: X, sha256sum: {SHA256}, suffix: X-1.tar.gz",
    "deb": f"url: 'up:x.deb', ref: {SHA256}",
    "docker": f"registry-url: 'up:', image: some/image, track: latest, ref: 'sha256:{SHA256}'",
    "gen_cargo_lock": f"ref: {SHA256}",
    "git": f"url: 'up:g', track: main, ref: {SHA1}",
    "git_module": f"url: 'up:g', path: sub, ref: {SHA1}",
    "git_repo": f"url: 'up:g', track: main, ref: v1-0-g{SHA1}",
    "git_tag": f"url: 'up:g', track: main, ref: v1-0-g{SHA1}",
    # It takes no ref in its declaration, and without one it ends in an error of its own
    "gnu": "name: hello",
    "go_module": f"url: 'up:g', module: example.org/g, ref: {{go-version: v1.0.0, git-ref: v1.0.0-0-g{SHA1}}}",
    "ostree": f"url: 'up:o', track: main, ref: {SHA256}",
    "patch": "path: patches/one.patch",
    "patch_queue": "path: patches",
    "pip": "url: 'up:index', packages: [tiny], ref: tiny==1.0",
    "pypi": f"name: tiny, ref: {{suffix: a/tiny-1.tar.gz, sha256sum: {SHA256}}}",
    "quilt": "",
    "zip": f"url: 'up:x.zip', ref: {SHA256}",
}
# What older releases must be told instead: kind, a word that tells them by having it in the plugin, or "not" having it.
OLDER = (
    ("cpan", "not", '"suffix"', f"name: X, sha256sum: {SHA256}"),
    (
        "go_module",
        "has",
        '"explicit"',
        f"url: 'up:g', module: example.org/g, ref: {{go-version: v1.0.0, git-ref: v1.0.0-0-g{SHA1}, explicit: true}}",
    ),
)
# Sources that see those before them, and may not be the first.
SECOND = (
    "bazel_source",
    "cargo",
    "cargo2",
    "gen_cargo_lock",
    "patch",
    "patch_queue",
    "pip",
    "quilt",
    "git_module",
    "go_module",
)
# What elements must be told, and on what they must depend.
ELEMENTS = {
    "check_forbidden": "build-depends: [base.bst]\nconfig: {forbidden: [x]}",
    "collect_integration": "build-depends: [base.bst]\nconfig: {script-path: /integrate}",
    "collect_manifest": "build-depends: [base.bst]\nconfig: {path: /manifest.json}",
    "dpkg_deploy": "build-depends: [{filename: base.bst, config: {input: true}}]",
    "fastboot_bootimg": "build-depends: [base.bst, {filename: other.bst, config: {input: true}}]",
    "fastboot_ext4": "build-depends: [base.bst, {filename: other.bst, config: {input: true}}]",
    "flatpak_image": """build-depends: [base.bst]
config: {directory: /x, include: [], exclude: [], metadata: {Runtime: {name: x}}}""",
    "flatpak_repo": """variables: {arch: x86_64, branch: stable}
build-depends: [{filename: base.bst, config: {flatpak-image: true}}]
config: {repo-mode: bare}""",
    "oci": "build-depends: [base.bst]\nconfig: {images: [{os: linux, architecture: amd64, layer: [base.bst]}]}",
    "ostree": "build-depends: [base.bst, {filename: other.bst, config: {sysroot: true}}]\nconfig: {ostree-branch: b}",
    "snap_image": "config: {directory: /x, include: [], exclude: [], include-orphans: true, metadata: {name: x}}",
    "x86image": "build-depends: [base.bst, {filename: other.bst, config: {input: true}}]",
}
# Modules that plugins import, and programs of the host that they look for; here nobody uses them.
MODULES = ("arpy", "dulwich", "packaging", "requests")
PROGRAMS = ("bazel", "bzr", "cargo", "git", "ostree", "patch", "pip3", "quilt", "go", "ar")

_NAME = re.compile(r"\b((?:element|source)-\w+)\.bst")
TAGS = ("element", "source")


@dataclass(frozen=True, slots=True)
class Release:
    """A release: the directories of its plugins by tag, laid out below `path`."""

    name: str
    path: Path
    kinds: dict[str, tuple[str, ...]] = field(hash=False)


@dataclass(slots=True)
class Report:
    """What a tool said of a release: the keys by ``TAG-KIND``, and why it refused the others."""

    keys: dict[str, str]
    refused: dict[str, str]


def lay_out(release: Path, target: Path) -> Release:
    """Make a project of the plugins of a release, a directory or an archive, which are copied as they are.

    Raises:
        ValueError: there are no plugins in it.
    """
    name = release.name.removesuffix(".tar.gz")
    if release.is_file():
        with tarfile.open(release) as archive:
            archive.extractall(target / "unpacked", filter="data")
        release = target / "unpacked"
    found = next((path.parent for path in sorted(release.rglob("sources/__init__.py"))), None)
    if found is None:
        raise ValueError(f"there are no plugins in '{release}'")
    shutil.copytree(found.parent, target / "package", ignore=shutil.ignore_patterns("__pycache__"))
    kinds, lines = {}, ["name: plugins", "min-version: 2.0", "plugins:"]
    for tag in TAGS:
        files = sorted((target / "package" / f"{tag}s").glob("[a-z]*.py"))
        kinds[tag] = tuple(file.stem for file in files)
        lines += ["- origin: local", f"  path: package/{tag}s", f"  {tag}s: [{', '.join(kinds[tag])}]"]
    (target / "project.conf").write_text("\n".join(lines) + "\n")
    return Release(name, target, kinds)


def write_project(release: Release, root: Path) -> list[str]:
    """Write a project with an element for each kind of the release; gives their names."""
    kinds = release.kinds
    (root / "elements").mkdir(parents=True)
    (root / "patches").mkdir()
    (root / "patches" / "one.patch").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n")
    shutil.copytree(release.path, root / "plugins", ignore=shutil.ignore_patterns("unpacked"))
    conf = "name: kinds\nmin-version: 2.0\nelement-path: elements\naliases: {up: 'https://example.org/'}\nplugins:\n"
    conf += "- origin: junction\n  junction: plugins.bst\n  allow-deprecated: true\n"
    conf += "".join(f"  {tag}s: [{', '.join(kinds[tag])}]\n" for tag in TAGS)
    (root / "project.conf").write_text(conf)
    local = "sources: [{kind: local, path: patches}]\n"
    texts = {
        "plugins": "kind: junction\nsources: [{kind: local, path: plugins}]\n",
        "base": f"kind: import\n{local}",
        "other": f"kind: import\nconfig: {{target: /other}}\n{local}",
    }
    for kind in kinds["element"]:
        texts[f"element-{kind}"] = f"kind: {kind}\n{ELEMENTS.get(kind, '')}\n"
    for kind in kinds["source"]:
        first = "- {kind: local, path: patches}\n" if kind in SECOND else ""
        told = _told(kind, (release.path / "package" / "sources" / f"{kind}.py").read_text())
        told = f", {told}" if told else ""
        texts[f"source-{kind}"] = f"kind: import\nsources:\n{first}- {{kind: {kind}{told}}}\n"
    for name, text in texts.items():
        (root / "elements" / f"{name}.bst").write_text(text)
    return [name for name in texts if name.startswith(TAGS)]


def _told(kind: str, plugin: str) -> str:
    for name, how, word, told in OLDER:
        if kind == name and (word in plugin) == (how == "has"):
            return told
    return SOURCES[kind]


def ask(tool: Tool, root: Path, home: Path, names: Sequence[str]) -> Report:
    """What a tool says of these elements, each by itself as far as others are refused."""
    report = Report({}, {})
    left = list(names)
    while left:
        words = ["-C", str(root), "show", "--deps", "none", "--format", "%{name} %{full-key}"]
        done, refusal = tool.run([*words, *(f"{name}.bst" for name in left)], home)
        if refusal is None:
            report.keys = dict(line.split(".bst ") for line in done.stdout.decode().splitlines())
            break
        told = [name for name in _NAME.findall(refusal.message) if name in left]
        if not told and len(left) > 1:
            # The message does not say which: each half by itself
            half = len(left) // 2
            halves = [ask(tool, root, home, part) for part in (left[:half], left[half:])]
            for part in halves:
                report.keys |= part.keys
                report.refused |= part.refused
            break
        told = told or list(left)
        left.remove(told[0])
        report.refused[told[0]] = f"{refusal.reason}: {refusal.message}"
    return report


def tools_for(oracle: Oracle, folder: Path) -> dict[str, Tool]:
    """Both tools, with the oracle's packages and programs to be found."""
    (packages,) = (oracle.bst.parent.parent / "lib").glob("python3*/site-packages")
    programs = folder / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        if shutil.which(name) is None:
            (programs / name).write_text("#!/bin/sh\nexit 1\n")
            (programs / name).chmod(0o755)
    stubs = folder / "modules"
    stubs.mkdir()
    for name in MODULES:
        if not (packages / name).exists() and not (packages / f"{name}.py").exists():
            (stubs / f"{name}.py").write_text("")
    path = os.pathsep.join([os.environ.get("PATH", ""), str(programs)])
    oracle.environment |= {"PATH": path, "PYTHONPATH": str(stubs)}
    modules = os.pathsep.join([str(REPOSITORY / "src"), *filter(None, sys.path), str(packages), str(stubs)])
    return {
        "bst": oracle,
        "grilse": Tool([sys.executable, "-m", "grilse"], {"PYTHONPATH": modules, "PATH": path}),
    }


def compare(release: Path, tools: dict[str, Tool], folder: Path) -> tuple[Release, dict[str, Report]]:
    """What both tools say of all kinds of a release."""
    (folder / "release").mkdir()
    laid_out = lay_out(release, folder / "release")
    names = write_project(laid_out, folder / "project")
    reports = {}
    for name, tool in tools.items():
        home = folder / f"home-{name}"
        home.mkdir()
        reports[name] = ask(tool, folder / "project", home, names)
    return laid_out, reports


def lines_of(release: Release, reports: dict[str, Report]) -> Iterator[str]:
    """The report of a release, a line for each kind."""
    ours, theirs = reports["grilse"], reports["bst"]
    for tag in TAGS:
        for kind in release.kinds[tag]:
            name = f"{tag}-{kind}"
            if name in ours.keys and ours.keys.get(name) == theirs.keys.get(name):
                said = "same key"
            elif name in ours.refused and name in theirs.refused:
                said = f"refused by both: {ours.refused[name]}"
            else:
                said = f"DIFFERENT: {reports}"
            yield f"{release.name}  {tag:<8} {kind:<22} {said}"


def main(arguments: Sequence[str]) -> int:
    """Report on releases; status 1 if the tools differ."""
    parser = argparse.ArgumentParser(description="Load every kind of plugin package releases with both tools.")
    parser.add_argument("--bst", type=Path, required=True, help="BuildStream's program, in an environment of its own")
    parser.add_argument("releases", type=Path, nargs="+", help="directories, or source archives")
    chosen = parser.parse_args(arguments)
    status = 0
    for release in chosen.releases:
        with tempfile.TemporaryDirectory() as folder:
            tools = tools_for(Oracle(chosen.bst, Path(folder) / "memory"), Path(folder))
            for line in lines_of(*compare(release, tools, Path(folder))):
                print(line)
                status = status or int("DIFFERENT" in line)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
