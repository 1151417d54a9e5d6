"""Every kind of the plugin packages, old releases too, loads, is configured and has the same key under both tools.

`GRILSE_PLUGIN_RELEASES` names a directory of source archives of old releases, as made by
``pip download --no-deps --no-binary :all: buildstream-plugins==2.0.1`` and so on.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .plugin_kinds import compare, lines_of, tools_for
from .tools import Oracle

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(300)]

INSTALLED = ("buildstream_plugins", "buildstream_plugins_community")
# It takes no ref in its declaration, and has an error of its own without: BuildStream cannot load it either
BROKEN = {"source-gnu"}


def old_releases() -> list[Path]:
    folder = os.environ.get("GRILSE_PLUGIN_RELEASES")
    return sorted(Path(folder).glob("*.tar.gz")) if folder else []


def check(release: Path, oracle: Oracle, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Oracle(oracle.bst, folder / "memory")
    laid_out, reports = compare(release, tools_for(own, folder), folder)
    with capsys.disabled():
        print()
        for line in lines_of(laid_out, reports):
            print(line)
    kinds = {f"{tag}-{kind}" for tag, found in laid_out.kinds.items() for kind in found}
    assert kinds
    assert reports["grilse"].keys == reports["bst"].keys
    assert set(reports["grilse"].keys) == kinds - BROKEN
    assert set(reports["grilse"].refused) == set(reports["bst"].refused) == kinds & BROKEN


@pytest.mark.parametrize("package", INSTALLED)
def test_kinds_of_current_packages(
    package: str, oracle: Oracle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (packages,) = (oracle.bst.parent.parent / "lib").glob("python3*/site-packages")
    if not (packages / package).is_dir():
        pytest.skip(f"the oracle's environment has no {package}")
    check(packages / package, oracle, tmp_path, capsys)


@pytest.mark.parametrize("release", old_releases() or [None], ids=lambda path: path.name if path else "none")
def test_kinds_of_old_releases(
    release: Path | None, oracle: Oracle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if release is None:
        pytest.skip("GRILSE_PLUGIN_RELEASES names no directory of old releases")
    check(release, oracle, tmp_path, capsys)
