"""grilse and BuildStream on one cache directory: each uses what the other made, and shows and checks it out alike."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .tools import Oracle, Tool, grilse
from .trees import snapshot

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(240)]

PROJECT_CONF = """\
name: shared
min-version: 2.0
element-path: elements
"""
ELEMENTS = {
    "plain.bst": "kind: import\nsources:\n- kind: local\n  path: files/plain\n",
    "more.bst": "kind: import\nsources:\n- kind: local\n  path: files/more\nconfig:\n  target: /usr\n"
    "depends:\n- plain.bst\n",
    "all.bst": "kind: stack\ndepends:\n- plain.bst\n- more.bst\n",
    "composed.bst": "kind: compose\nbuild-depends:\n- all.bst\nconfig:\n  integrate: false\n  include: [runtime]\n"
    "  include-orphans: true\n",
    "filtered.bst": "kind: filter\nbuild-depends:\n- more.bst\nconfig:\n  include: [devel]\n",
    "linked.bst": "kind: link\nconfig:\n  target: more.bst\n",
    "described.bst": "kind: stack\ndepends:\n- composed.bst\npublic:\n  notes:\n    said: [one, two]\n",
}
BUILT = ["all.bst", "composed.bst", "filtered.bst", "described.bst"]
SHOWN = ["plain.bst", "more.bst", *BUILT]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with each kind that needs no sandbox, and with each sort of file."""
    root = tmp_path / "project"
    (root / "elements").mkdir(parents=True)
    (root / "project.conf").write_text(PROJECT_CONF)
    for name, text in ELEMENTS.items():
        (root / "elements" / name).write_text(text)
    for name, files in {
        "plain": {"usr/bin/tool": "#!/bin/sh\n", "etc/tool.conf": "colour = blue\n", "usr/share/ünïcode/ß.txt": "ß\n"},
        "more": {"bin/other": "#!/bin/sh\nexit 1\n", "include/other.h": "int other(void);\n", "share/empty": ""},
    }.items():
        for path, text in files.items():
            place = root / "files" / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            place.chmod(0o755 if "bin/" in path else 0o644)
            os.utime(place, (1_400_000_000, 1_400_000_000))
    (root / "files" / "plain" / "usr" / "bin" / "same").symlink_to("tool")
    (root / "files" / "plain" / "usr" / "nowhere").symlink_to("/does/not/exist")
    (root / "files" / "plain" / "var" / "lib").mkdir(parents=True)
    return root


def said(tool: Tool, home: Path, project: Path, *words: str) -> str:
    """What a command prints; it must succeed."""
    done, refusal = tool.run(["-C", str(project), *words], home)
    assert refusal is None, f"{tool.command} {words}: {refusal}\n{done.stderr.decode(errors='replace')[-3000:]}"
    return done.stdout.decode()


@pytest.mark.parametrize("first", ["bst", "grilse"])
def test_what_one_tool_built_the_other_shows_lists_and_checks_out_alike(
    oracle: Oracle, project: Path, tmp_path: Path, first: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    tools: dict[str, Tool] = {"bst": oracle, "grilse": grilse()}
    said(tools[first], home, project, "build", *BUILT)
    compared = 0
    wanted = {
        "show": ["show", "--deps", "all", "--format", "%{name} %{state} %{full-key} %{artifact-cas-digest}", *BUILT],
        "artifact show": ["artifact", "show", "--deps", "all", *BUILT],
    }
    wanted |= {f"list {name}": ["artifact", "list-contents", "--long", name] for name in SHOWN}
    for what, words in wanted.items():
        outputs = {name: said(tool, home, project, *words) for name, tool in tools.items()}
        assert outputs["grilse"] == outputs["bst"], what
        compared += 1
    shown = said(tools["grilse"], home, project, *wanted["show"]).splitlines()
    assert [line.split()[1] for line in shown] == ["cached"] * len(SHOWN)
    for element, deps in [*((name, "none") for name in SHOWN), ("described.bst", "run")]:
        trees = {}
        for name, tool in tools.items():
            place = tmp_path / f"{name}-{deps}-{element}"
            said(tool, home, project, "artifact", "checkout", "--deps", deps, "--directory", str(place), element)
            trees[name] = snapshot(place)
        assert trees["grilse"] == trees["bst"], (element, deps)
        compared += 1
    assert compared == 3 + 2 * len(SHOWN)


def test_both_tools_make_the_same_artifacts(oracle: Oracle, project: Path, tmp_path: Path) -> None:
    answers = {}
    for name, tool in {"bst": oracle, "grilse": grilse()}.items():
        home = tmp_path / name
        home.mkdir()
        said(tool, home, project, "build", *BUILT)
        words = ["show", "--deps", "all", "--format", "%{name} %{state} %{full-key} %{artifact-cas-digest}", *BUILT]
        answers[name] = said(tool, home, project, *words)
    assert answers["grilse"] == answers["bst"]
    assert len(answers["bst"].splitlines()) == len(SHOWN)


SANDBOXED = {
    "scripted.bst": "kind: script\nbuild-depends:\n- base.bst\n- filename: hello.bst\n  config: {location: /in}\n"
    "config:\n  commands:\n  - cp /in/usr/bin/hello %{install-root}/copy\n",
    "below.bst": "kind: junction\nsources:\n- kind: local\n  path: below\n",
    "whole.bst": "kind: stack\ndepends:\n- hello.bst\n- scripted.bst\n- below.bst:plain.bst\n",
}


@pytest.fixture
def compiling(tmp_path: Path, project: Path) -> Path:
    """``examples/compile``, with a script that uses what was compiled, and a junction to the other project."""
    from tests.faults.surroundings import REPOSITORY, CampaignFailed, base_system

    try:
        base = base_system()
    except CampaignFailed as error:
        pytest.skip(str(error))
    root = tmp_path / "compiling"
    shutil.copytree(REPOSITORY / "examples" / "compile", root, symlinks=True, ignore=shutil.ignore_patterns("base"))
    shutil.copytree(base, root / "base", symlinks=True)
    shutil.copytree(project, root / "below", symlinks=True)
    for name, text in SANDBOXED.items():
        (root / "elements" / name).write_text(text)
    return root


@pytest.mark.sandbox
@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", ["bst", "grilse"])
def test_what_one_tool_compiled_the_other_shows_lists_and_checks_out_alike(
    oracle: Oracle, compiling: Path, tmp_path: Path, first: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    tools: dict[str, Tool] = {"bst": oracle, "grilse": grilse()}
    said(tools[first], home, compiling, "build", "whole.bst")
    elements = ["base.bst", "greeting.bst", "hello.bst", "scripted.bst", "below.bst:plain.bst", "whole.bst"]
    wanted = [
        ["show", "--deps", "all", "--format", "%{name} %{state} %{full-key} %{artifact-cas-digest}", "whole.bst"],
        ["artifact", "show", "--deps", "all", "whole.bst"],
        *(["artifact", "list-contents", "--long", name] for name in elements),
        *(["artifact", "log", name] for name in elements),
    ]
    for words in wanted:
        outputs = {name: said(tool, home, compiling, *words) for name, tool in tools.items()}
        assert outputs["grilse"] == outputs["bst"], words
    for element in elements:
        trees = {}
        for name, tool in tools.items():
            place = tmp_path / f"{name}-{element.replace(':', '-')}"
            said(tool, home, compiling, "artifact", "checkout", "--deps", "none", "--directory", str(place), element)
            trees[name] = snapshot(place)
        assert trees["grilse"] == trees["bst"], element
