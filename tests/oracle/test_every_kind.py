"""Every core kind of element and source, and autotools: what one tool built, the other tells alike of one cache.

The elements are those of ``KINDS``; what is compared of them stands in `QUESTIONS` and in the checkouts.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.faults.surroundings import CampaignFailed, base_system

from .test_shared_cache import said
from .tools import Oracle, Tool, grilse
from .trees import snapshot

pytestmark = [pytest.mark.oracle, pytest.mark.sandbox, pytest.mark.slow, pytest.mark.timeout(1500)]

PROJECT_CONF = """\
name: kinds
min-version: 2.0
element-path: elements
plugins:
- origin: pip
  package-name: buildstream-plugins
  elements: [autotools]
"""
# Elements, by what is special about them; PLACE is where files are that are downloaded, REF-… their digests.
KINDS = {
    "base.bst": "kind: import\nsources:\n- kind: local\n  path: base\n",
    "local.bst": "kind: import\nsources:\n- kind: local\n  path: files/local\nconfig:\n  source: /\n  target: /opt\n",
    "remote.bst": "kind: import\nsources:\n- kind: remote\n  url: file://PLACE/program\n  ref: REF-program\n"
    "  filename: started\n  directory: usr/bin\n- kind: remote\n  url: file://PLACE/text\n  ref: REF-text\n",
    "tar.bst": "kind: import\nsources:\n- kind: tar\n  url: file://PLACE/archive.tar.gz\n  ref: REF-archive.tar.gz\n"
    "  directory: usr/share\n",
    "opened.bst": "kind: manual\nbuild-depends: [base.bst]\nsources:\n- kind: local\n  path: files/local\nconfig:\n"
    "  install-commands:\n  - mkdir -p %{install-root}%{datadir}\n  - cp -a . %{install-root}%{datadir}/opened\n",
    "manual.bst": "kind: manual\nbuild-depends: [base.bst]\ndepends: [local.bst]\nvariables: {strip-binaries: 'true'}\n"
    "config:\n  install-commands:\n  - mkdir -p %{install-root}%{bindir} %{install-root}%{includedir} -m 755\n"
    "  - echo 'int made(void);' > %{install-root}%{includedir}/made.h\n"
    "  - cp /bin/true %{install-root}%{bindir}/made\n  - chmod 4755 %{install-root}%{bindir}/made\n"
    "  - ln %{install-root}%{bindir}/made %{install-root}%{bindir}/made-again\n"
    "  - ln -s made %{install-root}%{bindir}/link\n  - mkfifo %{install-root}/pipe\n"
    "public:\n  bst:\n    integration-commands: ['true > /integrated']\n"
    "    split-rules:\n      extra: [/usr/bin/link]\n",
    "autotools.bst": "kind: autotools\nbuild-depends: [base.bst]\nsources:\n- kind: local\n  path: files/autotools\n"
    "variables: {make: sh build.sh, make-install: 'sh build.sh install %{install-root}', strip-binaries: 'true'}\n",
    "script.bst": "kind: script\nbuild-depends:\n- base.bst\n- filename: manual.bst\n  config: {location: /in}\n"
    "config:\n  commands:\n  - cp -a /in/usr/bin/made %{install-root}/copied\n  - ls /in > %{install-root}/seen\n",
    "stack.bst": "kind: stack\ndepends: [local.bst, remote.bst, tar.bst, manual.bst, autotools.bst]\n",
    "compose.bst": "kind: compose\nbuild-depends: [base.bst, stack.bst]\nconfig:\n  integrate: true\n"
    "  exclude: [devel]\n",
    "orphans.bst": "kind: compose\nbuild-depends: [manual.bst]\nconfig:\n  integrate: false\n  include: [extra]\n"
    "  include-orphans: false\n",
    "filter.bst": "kind: filter\nbuild-depends: [manual.bst]\nconfig:\n  include: [devel, extra]\n",
    "whole.bst": "kind: stack\ndepends: [opened.bst, script.bst, compose.bst, orphans.bst, filter.bst,"
    " 'below.bst:plain.bst']\n",
}
# They have no artifact: a junction, and a link that stands for another element
WITHOUT = {
    "below.bst": "kind: junction\nsources:\n- kind: local\n  path: below\n",
    "linked.bst": "kind: link\nconfig:\n  target: manual.bst\n",
}
BELOW = "below.bst:plain.bst"
SOURCES = ["base.bst", "local.bst", "remote.bst", "tar.bst", "opened.bst", "autotools.bst", BELOW]
SHOW = "%{name} %{kind} %{state} %{full-key} %{artifact-cas-digest}"
QUESTIONS = {
    "show": ["show", "--deps", "none", "--format", SHOW],
    "artifact show": ["artifact", "show", "--deps", "none"],
    "list-contents": ["artifact", "list-contents"],
    "list-contents --long": ["artifact", "list-contents", "--long"],
    "log": ["artifact", "log"],
}
AUTOTOOLS = {
    "configure": '#!/bin/sh\necho configured with "$@"\n',
    "build.sh": 'set -e\nif [ "$1" = install ]; then mkdir -p $2/usr/bin; cp made $2/usr/bin/auto; '
    "else cp /bin/true made; fi\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of them all."""
    try:
        base = base_system()
    except CampaignFailed as error:
        pytest.skip(str(error))
    root, place = tmp_path / "project", tmp_path / "downloads"
    (root / "elements").mkdir(parents=True)
    (root / "project.conf").write_text(PROJECT_CONF)
    shutil.copytree(base, root / "base", symlinks=True)
    below = root / "below"
    (below / "elements").mkdir(parents=True)
    (below / "project.conf").write_text("name: below\nmin-version: 2.0\nelement-path: elements\n")
    (below / "elements" / "plain.bst").write_text("kind: import\nsources:\n- kind: local\n  path: files\n")
    write(below / "files", {"below/file": "below\n", "below/run": "#!/bin/sh\n"})
    write(root / "files" / "local", {"plain": "text\n", "run": "#!/bin/sh\n", "d/ünïcode": "ß\n", "empty": ""})
    (root / "files" / "local" / "link").symlink_to("d/ünïcode")
    (root / "files" / "local" / "nothing").mkdir()
    write(root / "files" / "autotools", AUTOTOOLS)
    (root / "files" / "autotools" / "configure").chmod(0o755)
    write(place, {"program": "#!/bin/sh\n", "text": "downloaded\n"})
    with tarfile.open(place / "archive.tar.gz", "w:gz") as archive:
        for name, mode in (("top/run", 0o755), ("top/d/file", 0o640), ("top/set", 0o4755)):
            member = tarfile.TarInfo(name)
            member.mode, member.size, member.mtime = mode, len(name), 1_300_000_000
            archive.addfile(member, io.BytesIO(name.encode()))
        member = tarfile.TarInfo("top/link")
        member.type, member.linkname = tarfile.SYMTYPE, "d/file"
        archive.addfile(member)
    for name, text in (KINDS | WITHOUT).items():
        text = text.replace("PLACE", str(place))
        for file in place.iterdir():
            text = text.replace(f"REF-{file.name}\n", f"{hashlib.sha256(file.read_bytes()).hexdigest()}\n")
        (root / "elements" / name).write_text(text)
    return root


def contents(root: Path) -> dict[str, str]:
    """A snapshot without times and with one permission only, to execute.

    bst gives checked out sources the mode 0444 and a time in 2011; with grilse they can be written to.
    """
    found = {}
    for path, line in snapshot(root).items():
        mode, _, rest = line.partition(" ")
        found[path] = line if mode == "link" else f"{mode[0]}{'x' in mode} {rest.partition(' ')[0]}"
    return found


def write(root: Path, files: dict[str, str]) -> None:
    """Files of another day, those named "run" executable."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if path.name == "run" else 0o644)
        os.utime(path, (1_400_000_000, 1_400_000_000))


@pytest.mark.parametrize("first", ["bst", "grilse"])
def test_of_every_kind_that_one_tool_built_the_other_tells_the_same(
    oracle: Oracle, project: Path, tmp_path: Path, first: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    tools: dict[str, Tool] = {"bst": oracle, "grilse": grilse()}
    workspace = tmp_path / "workspace"
    said(tools[first], home, project, "workspace", "open", "--directory", str(workspace), "opened.bst")
    (workspace / "edited").write_text("by the user\n")
    said(tools[first], home, project, "build", "whole.bst")
    elements = [*KINDS, BELOW]
    compared, differences = 0, []
    for what, words in QUESTIONS.items():
        named = [*elements, *WITHOUT] if what == "show" else [*elements, "linked.bst"]
        outputs = {name: said(tool, home, project, *words, *named) for name, tool in tools.items()}
        compared += len(named)
        if outputs["grilse"] != outputs["bst"]:
            differences.append((what, outputs))
        if what == "show":
            states = {line.split()[0]: line.split()[2] for line in outputs["grilse"].splitlines()}
            assert {states[name] for name in elements} == {"cached"}
    checkouts = [*(("artifact", name, "none") for name in elements), ("artifact", "compose.bst", "run")]
    checkouts += [("artifact", "linked.bst", "none"), *(("source", name, "none") for name in SOURCES)]
    for kind, element, deps in checkouts:
        trees = {}
        for name, tool in tools.items():
            place = tmp_path / f"{kind}-{name}-{deps}-{element.replace(':', '-')}"
            # What is checked out without the base cannot run integration commands.
            more = ["--no-integrate"] if (kind, deps) == ("artifact", "none") else []
            words = [kind, "checkout", *more, "--deps", deps, "--directory", str(place), element]
            said(tool, home, project, *words)
            trees[name] = snapshot(place) if kind == "artifact" else contents(place)
            assert trees[name] or element in ("stack.bst", "whole.bst"), (kind, element)
            shutil.rmtree(place)
        compared += 1
        if trees["grilse"] != trees["bst"]:
            ours, theirs = set(trees["grilse"].items()), set(trees["bst"].items())
            some = {"bst": str(sorted(theirs - ours)[:5]), "grilse": str(sorted(ours - theirs)[:5])}
            differences.append((f"{kind} checkout {element}", some))
    print(
        f"{first} first: {len(elements) + len(WITHOUT)} elements, {compared} compared, {len(differences)} differences"
    )
    assert not differences
    # The questions, of which `show` is about the junction too, and the checkouts
    assert compared == 5 * (len(elements) + 1) + 1 + len(elements) + 2 + len(SOURCES)
