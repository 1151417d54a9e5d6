"""What the frontend imports: little, and nothing that belongs to the other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"

HEAVY = ("yaml", "ruamel", "grpc", "google", "psutil", "asyncio", "email", "http", "urllib.request")
FOREIGN = ("project", "plugin", "plugins", "storage", "sandbox", "remote", "backend", "worker")


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=15,
        check=True,
    )
    return set(done.stderr.split())


def every_frontend_module() -> list[str]:
    root = SOURCE / "grilse" / "frontend"
    return [
        ".".join(("grilse", *path.relative_to(SOURCE / "grilse").with_suffix("").parts)).removesuffix(".__init__")
        for path in root.rglob("*.py")
    ]


def test_nothing_of_the_frontend_imports_what_other_processes_do() -> None:
    found = modules_after("import " + ", ".join(every_frontend_module()))
    assert not [name for name in found if name.startswith(tuple(f"grilse.{room}" for room in FOREIGN))]
    assert not [name for name in found if name in HEAVY or name.startswith(tuple(f"{heavy}." for heavy in HEAVY[:4]))]


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["build", "--help"]], ids=lambda arguments: " ".join(arguments)
)
def test_quick_answers_need_no_parser_and_no_messages(arguments: list[str]) -> None:
    found = modules_after(
        f"sys.argv = ['grilse', *{arguments!r}]\nfrom grilse.__main__ import main\nassert main() == 0"
    )
    assert not found & {"click", "msgspec", "multiprocessing", "threading", "socket", "grilse.platform"}


def test_the_backend_is_started_before_the_parser_is_imported() -> None:
    found = modules_after("import grilse.__main__\nimport grilse.frontend.backend_process")
    assert not found & {"click", "msgspec", "multiprocessing.connection", "subprocess", "socket"}


def test_completion_needs_no_parser() -> None:
    environment = {"_BST_COMPLETION": "complete", "COMP_WORDS": "grilse build ", "COMP_CWORD": "2"}
    found = modules_after(f"from grilse.frontend.completion import complete\ncomplete({environment!r}, [])")
    assert not found & {"click", "msgspec", "multiprocessing"}


STANDARD = {"multiprocessing", "socket", "subprocess", "tempfile", "shutil", "pickle", "dataclasses", "random"}


def test_a_session_imports_nothing_large_that_it_does_not_use() -> None:
    found = modules_after("import grilse.frontend.app, grilse.frontend.conduct, grilse.frontend.console")
    assert not found & STANDARD
    assert "grilse.frontend.display.live" not in found


def test_a_backend_that_recalls_imports_nothing_large_that_it_does_not_use() -> None:
    found = modules_after("import grilse.backend.session, grilse.backend.commands.show, grilse.project.recall")
    assert not found & {*(STANDARD - {"shutil", "tempfile", "random"}), "importlib.abc", "secrets", "yaml"}
