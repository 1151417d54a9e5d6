"""Runs grilse as a process of its own, with a backend that follows a script where a test wants one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bases import base_or_skip

from .terminal import VirtualTerminal

SOURCE = Path(__file__).parents[2] / "src"
# What to run in place of ``-m grilse`` for a backend that follows a script.
FAKE_FRONTEND = str(Path(__file__).parent / "fake" / "frontend.py")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The base system of builds in a sandbox."""
    return base_or_skip(tmp_path / "means")


@pytest.fixture
def fake_environment(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment in which grilse gets a backend that plays a script."""

    def make(script: str) -> dict[str, str]:
        play = tmp_path / "play.py"
        play.write_text(textwrap.dedent(script))
        return {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "FAKE_BACKEND": str(play),
            "FAKE_REQUEST": str(tmp_path / "request.json"),
            "FAKE_COMMANDS": str(tmp_path / "commands.json"),
        }

    return make


@pytest.fixture
def run_fake(fake_environment: Callable[[str], dict[str, str]]) -> Run:
    """Runs grilse with a scripted backend, not on a terminal."""

    def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, FAKE_FRONTEND, *words],
            env=fake_environment(script),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=15,
            check=False,
        )

    return run


@pytest.fixture
def on_terminal(fake_environment: Callable[[str], dict[str, str]]) -> Iterator[Callable[..., VirtualTerminal]]:
    """Runs grilse with a scripted backend on a virtual terminal."""
    opened: list[VirtualTerminal] = []

    def run(script: str, *words: str, **settings: Any) -> VirtualTerminal:
        environment = {**fake_environment(script), **settings.pop("environment", {})}
        terminal = VirtualTerminal([sys.executable, FAKE_FRONTEND, *words], environment, **settings)
        opened.append(terminal)
        return terminal

    yield run
    for terminal in opened:
        terminal.close()
