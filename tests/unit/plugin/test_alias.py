"""What plugins find under the name ``buildstream``, in an interpreter of its own: a process has but one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import grilse

# The names that BuildStream 2.8 documents for plugins, by module.
DOCUMENTED = {
    "buildstream": (
        "AliasSubstitution BuildElement CoreWarnings DependencyConfiguration Directory DownloadableFileSource Element "
        "ElementError FileType MappingNode Node OverlapAction Plugin ProvenanceInformation Sandbox SandboxCommandError "
        "ScalarNode ScriptElement SequenceNode Source SourceError SourceFetcher SourceInfo SourceInfoMedium "
        "SourceMirror SourceVersionType utils types"
    ),
    "buildstream.buildelement": "BuildElement",
    "buildstream.downloadablefilesource": "DownloadableFileSource",
    "buildstream.element": "DependencyConfiguration Element ElementError",
    "buildstream.exceptions": "BstError ErrorDomain LoadErrorReason",
    "buildstream.node": "MappingNode Node ProvenanceInformation ScalarNode SequenceNode",
    "buildstream.plugin": "Plugin",
    "buildstream.sandbox": "Sandbox SandboxCommandError",
    "buildstream.scriptelement": "ScriptElement",
    "buildstream.source": "AliasSubstitution Source SourceError SourceFetcher SourceInfo",
    "buildstream.sourcemirror": "SourceMirror SourceMirrorError",
    "buildstream.storage": "Directory FileType",
    "buildstream.storage.directory": "Directory DirectoryError FileStat FileType",
    "buildstream.types": "CoreWarnings FastEnum OverlapAction SourceRef",
    "buildstream.utils": (
        "DirectoryExistsError FileListResult ProgramNotFoundError UtilError copy_files get_bst_version "
        "get_host_tool get_umask glob link_files move_atomic safe_copy safe_link safe_remove save_file_atomic "
        "sha256sum url_directory_name"
    ),
}


def run(program: str, *directories: Path) -> str:
    """What a program prints that has installed the alias."""
    places = [str(Path(grilse.__file__).parent.parent), *map(str, directories)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"from grilse.plugin.alias import install; install()\n{program}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", DOCUMENTED)
def test_every_documented_name_is_there(module: str) -> None:
    names = DOCUMENTED[module].split()
    program = f"import {module}\nprint([n for n in {names!r} if not hasattr({module}, n)])"
    assert run(program) == "[]"


def test_the_api_is_ours_where_the_real_package_is_installed(tmp_path: Path) -> None:
    (tmp_path / "buildstream").mkdir()
    (tmp_path / "buildstream" / "__init__.py").write_text("raise SystemExit('the real package was imported')\n")
    (tmp_path / "buildstream" / "utils.py").write_text("raise SystemExit('the real module was imported')\n")
    program = "import buildstream, buildstream.utils\nprint(buildstream.Element.__module__)"
    assert run(program, tmp_path).split()[0] == "grilse.plugin.element"


def test_modules_are_there_with_the_package_and_it_lists_its_names() -> None:
    program = "import buildstream\nprint(buildstream.utils.__name__, 'Element' in dir(buildstream))"
    assert run(program) == "buildstream.utils True"
