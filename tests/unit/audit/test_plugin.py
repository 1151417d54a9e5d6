"""The pytest fixture ``assert_crosses``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .corpus import audit_home

pytestmark = pytest.mark.timeout(120)


def _pytest(folder: Path, text: str) -> str:
    (folder / "test_it.py").write_text("import threading\n" + text)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "grilse.audit.pytest_plugin",
        "-c",
        "/dev/null",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), str(folder)],
        # Named here, and not once more by the entry point that an installed grilse has.
        env={"PYTHONPATH": audit_home(), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_an_object_that_crosses_passes(tmp_path: Path) -> None:
    shown = _pytest(
        tmp_path, "def test_x(assert_crosses):\n    assert assert_crosses({'a': 1}, max_bytes=100).bytes < 100\n"
    )
    assert "1 passed" in shown


def test_an_object_that_does_not_cross_fails_with_the_path_and_what_to_do(tmp_path: Path) -> None:
    shown = _pytest(
        tmp_path, "def test_x(assert_crosses):\n    assert_crosses({'a': [threading.Lock()]}, name='job')\n"
    )
    assert "1 failed" in shown
    assert "job['a'][0]: lock" in shown
    assert "drop it and recompute after the spawn" in shown


def test_an_object_that_is_too_large_fails_with_its_largest_parts(tmp_path: Path) -> None:
    text = (
        "def test_x(assert_crosses):\n    assert_crosses({'a': list(range(1000)), 'b': 1}, max_bytes=100, name='job')\n"
    )
    shown = _pytest(tmp_path, text)
    assert "1 failed" in shown
    assert "more than 100" in shown
    assert "job['a']" in shown


def test_the_fixture_is_registered_as_an_entry_point() -> None:
    import tomllib

    project = Path(__file__).parents[3] / "pyproject.toml"
    points = tomllib.loads(project.read_text())["project"]["entry-points"]["pytest11"]
    assert points["grilse_audit"] == "grilse.audit.pytest_plugin"
