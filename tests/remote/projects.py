"""Projects that both tools build: one with every core kind, and the compile of the examples; knows no test."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile
from pathlib import Path

from tests.oracle.tools import REPOSITORY

FILES = {
    "files/plain/usr/bin/tool": "#!/bin/sh\n",
    "files/plain/usr/share/ünïcode/ß.txt": "ß\n",
    "files/more/include/other.h": "int other(void);\n",
    "files/more/share/empty": "",
    "files/more/share/large": "large " * 1_000_000,
    "files/one.txt": "one\n",
    "sub/project.conf": "name: below\nmin-version: 2.0\n",
    "sub/inner.bst": "kind: import\nsources:\n- kind: local\n  path: data\n",
    "sub/data/inner.txt": "inner\n",
}
ELEMENTS = {
    "imported": "kind: import\nsources:\n- kind: local\n  path: files/plain\n",
    "dir/more": "kind: import\nsources:\n- kind: local\n  path: files/more\nconfig:\n  target: /usr\n",
    "fetched": "kind: import\nsources:\n- kind: remote\n  url: FILE\n  ref: FILEREF\n"
    "- kind: tar\n  url: TAR\n  ref: TARREF\n",
    "stacked": "kind: stack\ndepends:\n- imported.bst\n- dir/more.bst\n",
    "composed": "kind: compose\nbuild-depends:\n- stacked.bst\nconfig:\n  integrate: false\n",
    "filtered": "kind: filter\nbuild-depends:\n- dir/more.bst\nconfig:\n  include: [devel]\n",
    "sub": "kind: junction\nsources:\n- kind: local\n  path: sub\n",
    "linked": "kind: link\nconfig:\n  target: sub.bst:inner.bst\n",
    "base": "kind: import\nsources:\n- kind: local\n  path: base\n",
    "scripted": "kind: script\nbuild-depends: [base.bst]\nconfig:\n  commands:\n"
    "  - mkdir -p %{install-root}/etc\n  - echo written > %{install-root}/etc/written\n",
    "failing": "kind: manual\nbuild-depends: [base.bst]\nconfig:\n  install-commands:\n  - echo lost; false\n",
}
# What is pushed and pulled: all but the base, which is only large, and what has no artifact.
SHARED = (
    *("imported.bst", "dir/more.bst", "fetched.bst", "stacked.bst", "composed.bst", "filtered.bst"),
    *("sub.bst:inner.bst", "linked.bst", "scripted.bst", "greeting.bst", "hello.bst"),
)


def write_kinds(root: Path, base: Path) -> Path:
    """A project with an element of every core kind, and the compile of the examples, on a base system."""
    compile = REPOSITORY / "examples" / "compile"
    shutil.copytree(compile / "src", root / "src")
    for name, text in FILES.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(0o755 if "bin/" in name else 0o644)
    (root / "files" / "plain" / "usr" / "bin" / "same").symlink_to("tool")
    (root / "files" / "plain" / "empty").mkdir()
    copy_base(base, root / "base")
    conf = (compile / "project.conf").read_text(encoding="utf-8").replace("name: compile", "name: kinds")
    (root / "project.conf").write_text(conf, encoding="utf-8")
    archive = root / "files" / "more.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("top/from-tar.txt")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"tar\n"))
    words = {"FILEREF": _sha(root / "files" / "one.txt"), "TARREF": _sha(archive)}
    words |= {"FILE": (root / "files" / "one.txt").as_uri(), "TAR": archive.as_uri()}
    (root / "elements" / "dir").mkdir(parents=True)
    for name, text in ELEMENTS.items():
        for word, value in words.items():
            text = text.replace(f": {word}\n", f": {value}\n")
        (root / "elements" / f"{name}.bst").write_text(text, encoding="utf-8")
    for name in ("greeting.bst", "hello.bst"):
        shutil.copy(compile / "elements" / name, root / "elements")
    return root


def copy_base(base: Path, place: Path) -> None:
    """Put a base system somewhere else, by hard links."""
    shutil.copytree(base, place, symlinks=True, copy_function=os.link)


def make_base(place: Path) -> str:
    """Make a base system with a C compiler at `place`; returns why that cannot be done, or ""."""
    sys.path.insert(0, str(REPOSITORY / "tools"))
    try:
        import make_base_system

        make_base_system.make(place, make_base_system.PACKAGES, make_base_system.cache_directory())
    except make_base_system.MakeFailed as error:
        return str(error)
    finally:
        sys.path.remove(str(REPOSITORY / "tools"))
    return ""


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
