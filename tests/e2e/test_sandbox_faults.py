"""A command in a sandbox floods output.

FLOOD_MEGABYTES says how much it writes; ``python -m tests.faults.flood`` does it with a gigabyte.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest

from .projects import Program, until, write_project
from .test_worker_faults import FLOOD_MEGABYTES, GROWTH_LIMIT, largest

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(180 + int(FLOOD_MEGABYTES))]

LINE = "a line that a compiler may well print, sixty-four bytes of it ..."


@pytest.fixture
def root(tmp_path: Path, base: Path) -> Path:
    elements = {"base.bst": "kind: import\nsources:\n- kind: local\n  path: base\n"}
    commands = {"quiet": "true", "flood": f"yes '{LINE}' | head -c {int(FLOOD_MEGABYTES) << 20}"}
    for name, command in commands.items():
        elements[f"{name}.bst"] = (
            "kind: manual\nbuild-depends: [base.bst]\n"
            f"config:\n  build-commands:\n  - {command}\n"
            "  install-commands:\n  - mkdir -p %{install-root}/here\n"
        )
    root = write_project(tmp_path / "p", elements)
    shutil.copytree(base, root / "base", symlinks=True)
    return root


def watched(root: Path, name: str) -> tuple[dict[str, int], Program]:
    """The sizes of a session that builds an element, as `largest` gives them, and the session, which has ended."""
    program = Program(root, "build", name, quiet=True)
    try:
        sizes = largest(program)
        assert program.finish()[0] == 0
    finally:
        program.close()
    return sizes, program


def test_a_command_that_floods_output_takes_no_memory_and_ends(root: Path) -> None:
    usual, _ = watched(root, "quiet.bst")
    sizes, program = watched(root, "flood.bst")
    for role, size in sizes.items():
        print(f"sandbox, {FLOOD_MEGABYTES} MB: the {role} grew to {size >> 20} MB, else {usual[role] >> 20} MB")
        assert size - usual[role] < GROWTH_LIMIT, (role, size, usual)
    (log,) = (one for one in (program.cachedir / "logs").rglob("*-build.*.log") if one.stat().st_size > 10_000)
    assert log.stat().st_size >= int(FLOOD_MEGABYTES) << 20
    until(lambda: not any(LINE in " ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])))
