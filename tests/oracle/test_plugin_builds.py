"""The elements of buildstream-plugins build real packages, and both tools make the same artifacts of them.

The base system is made of Debian packages, for which the package lists of the machine, and once a network, are needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grilse.sandbox.means import find_means

from .test_plugin_packages import Pair, packages  # noqa: F401 - a fixture
from .tools import REPOSITORY, Oracle

pytestmark = [pytest.mark.oracle, pytest.mark.sandbox, pytest.mark.slow, pytest.mark.timeout(900)]

PACKAGES = ("autoconf", "automake", "libtool", "cmake", "meson", "ninja-build", "python3-pip", "python3-setuptools")
# What Debian makes of packages when they are configured, which these are not
LINKS = {"aclocal": "aclocal-*", "automake": "automake-*", "awk": "mawk", "cc": "gcc"}

HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello from " KIND); return 0; }\n'
LIBRARY_C = "int answer(void) { return 42; }\n"
SETUP_PY = "from setuptools import setup\nsetup(name='hello', version='1.0', packages=['hello'], scripts=['say'])\n"
PYTHON_FILES = {
    "setup.py": SETUP_PY,
    "hello/__init__.py": "WORDS = 'hello'\n",
    "say": "#!/usr/bin/env python3\nimport hello\nprint(hello.WORDS)\n",
}
FILES = {
    "autotools": {
        "configure.ac": "AC_INIT([hello], [1.0])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\n"
        "AC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
        "Makefile.am": "bin_PROGRAMS = hello\nhello_SOURCES = hello.c\nAM_CPPFLAGS = -DKIND='\"autotools\"'\n",
        "hello.c": HELLO_C,
    },
    "cmake": {
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(hello C)\n"
        "add_library(answer SHARED answer.c)\nadd_executable(hello hello.c)\n"
        'target_compile_definitions(hello PRIVATE KIND="cmake")\n'
        "install(TARGETS hello answer RUNTIME DESTINATION bin LIBRARY DESTINATION lib)\n",
        "hello.c": HELLO_C,
        "answer.c": LIBRARY_C,
    },
    "make": {
        "Makefile": "hello: hello.c\n\t$(CC) -DKIND='\"make\"' -o $@ $<\n"
        "install: hello\n\tmkdir -p $(DESTDIR)$(PREFIX)/bin\n\tcp hello $(DESTDIR)$(PREFIX)/bin/\n",
        "hello.c": HELLO_C,
    },
    "meson": {
        "meson.build": "project('hello', 'c')\nshared_library('answer', 'answer.c', install: true)\n"
        "executable('hello', 'hello.c', c_args: ['-DKIND=\"meson\"'], install: true)\n",
        "hello.c": HELLO_C,
        "answer.c": LIBRARY_C,
    },
    "pip": PYTHON_FILES,
    "setuptools": PYTHON_FILES,
}
# Nothing may be downloaded in the sandbox, where there is no network
VARIABLES = {
    "pip": "pip-flags: >\n    %{pip} install --no-build-isolation --no-index --no-deps"
    " --root=%{install-root} --prefix=%{prefix}"
}
# A program that each package must have, and how it begins
MADE = {
    **dict.fromkeys(("autotools", "cmake", "make", "meson"), ("/bin/hello", b"\x7fELF")),
    **dict.fromkeys(("pip", "setuptools"), ("/bin/say", b"#!")),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base system with the tools that these elements run."""
    means = find_means(str(tmp_path_factory.mktemp("means")))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    if not os.environ.get("GRILSE_TEST_BASE"):
        made = tmp_path_factory.mktemp("base") / "base"
        words = [word for package in PACKAGES for word in ("--package", package)]
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "tools" / "make-base-system"), *words, str(made)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"no base system can be made: {done.stderr.strip()[-400:]}")
    else:
        made = Path(os.environ["GRILSE_TEST_BASE"])
    for name, pattern in LINKS.items():
        link = made / "usr" / "bin" / name
        if not os.path.lexists(link):
            link.symlink_to(next((made / "usr" / "bin").glob(pattern)).name)
    return made


@pytest.fixture(scope="module")
def built(oracle: Oracle, packages: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:  # noqa: F811
    """Both tools, after they have built a package with each kind of element."""
    pair = Pair(oracle, packages, tmp_path_factory.mktemp("builds"))
    files = {"elements/base.bst": "kind: import\nsources: [{kind: local, path: base}]\n"}
    for kind, contents in FILES.items():
        files |= {f"files/{kind}/{name}": text for name, text in contents.items()}
        files[f"elements/{kind}.bst"] = (
            f"kind: {kind}\nbuild-depends: [base.bst]\nsources: [{{kind: local, path: files/{kind}}}]\n"
            + (f"variables:\n  {VARIABLES[kind]}\n" if kind in VARIABLES else "")
        )
    pair.write(files)
    for name in pair.tools:
        # Links to the same files: nobody writes to sources
        shutil.copytree(base, pair.root / name / "base", symlinks=True, copy_function=os.link)
    pair.run("build", *(f"{kind}.bst" for kind in FILES))
    return pair


@pytest.mark.parametrize("kind", FILES)
def test_a_package_becomes_the_same_artifact(built: Pair, kind: str) -> None:
    words = ("show", "--deps", "none", "--format", "%{state} %{full-key} %{artifact-cas-digest}")
    shown = built.run(*words, f"{kind}.bst")
    assert shown["bst"].startswith("cached ")
    ours, theirs = (built.checkout(name, f"{kind}.bst") for name in ("grilse", "bst"))
    program, begin = MADE[kind]
    assert [content.startswith(begin) for path, content in ours.items() if path.endswith(program)] == [True]
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert shown["grilse"] == shown["bst"]
