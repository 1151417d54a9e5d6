"""What is not for POSIX alone can be imported where POSIX is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .hidden_posix import NOT_PORTABLE

SCRIPT = Path(__file__).with_name("hidden_posix.py")
SOURCE = Path(__file__).parents[2] / "src"


def import_all(source: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=50, env=environment)


@pytest.mark.timeout(60)
def test_every_portable_module_imports_without_what_only_posix_has() -> None:
    done = import_all(SOURCE)
    assert done.returncode == 0, f"after {done.stdout.split()[-1:]}: {done.stderr}"
    imported = set(done.stdout.split())
    assert {"grilse.protocol.channel", "grilse.platform", "grilse.platform.windows"} <= imported
    assert not [name for name in imported if name.startswith(NOT_PORTABLE)]


@pytest.mark.parametrize("line", ["import fcntl", "import os; os.fork", "import signal; signal.SIGTSTP"])
def test_a_module_that_needs_posix_is_found_out(tmp_path: Path, line: str) -> None:
    package = tmp_path / "grilse"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "needs.py").write_text(line)
    done = import_all(tmp_path)
    assert done.returncode == 1
    assert "needs.py" in done.stderr
