"""Loading in this process, from projects written inline."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from grilse.project.api import LoadSession, open_session
from grilse.protocol.requests import Invocation

Open = Callable[..., LoadSession]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files below a new directory, by path; returns the directory."""

    def write_files(files: dict[str, str], name: str = "project") -> Path:
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return tmp_path / name

    return write_files


@pytest.fixture
def open_project(tmp_path: Path) -> Open:
    """Open the project in a directory: `open_project(directory, options=…, config=…, cached=…)`."""

    def open_one(
        directory: Path, *, options: tuple[tuple[str, str], ...] = (), config: str = "", cached: bool = False
    ) -> LoadSession:
        settings = tmp_path / "user.conf"
        settings.write_text(f"cachedir: {tmp_path}/cache\nlogdir: {tmp_path}/logs\nsourcedir: {tmp_path}/s\n{config}")
        invocation = Invocation(argv=(), directory=str(directory), config=str(settings), options=options)
        session = open_session(invocation, dict(os.environ), warn=_no_warning, cached=cached)
        session.open_project()
        return session

    return open_one


def _no_warning(message: str, detail: str | None) -> None:
    """Warnings are not what these tests are about."""
