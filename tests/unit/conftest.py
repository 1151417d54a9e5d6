"""Small projects, written and planned by tests of resolving and of plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grilse.project.api import open_session
from grilse.project.planning import Planner
from grilse.project.resolved import ResolvedElement
from grilse.protocol.requests import Invocation

PROJECT = "name: test\nmin-version: 2.0\nelement-path: elements\n"


class Planned:
    """A project on disk, whose elements are resolved when they are asked for.

    Attributes:
        directory: the project's directory.
        home: where caches are.
        said: what plugins and loading said, as (kind, text).
        planner: what resolves elements.
    """

    def __init__(self, directory: Path, home: Path, **invocation: object) -> None:
        self.directory = directory
        self.home = home
        self.said: list[tuple[str, str]] = []
        environment = {"XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home)}
        session = open_session(
            Invocation(argv=("show",), directory=str(directory), **invocation),  # type: ignore[arg-type]
            environment,
            warn=lambda message, detail: self.said.append(("warn", message)),
        )
        self.planner = Planner(session, say=lambda kind, text, detail, element: self.said.append((kind, text)))

    def load(self, *names: str) -> list[ResolvedElement]:
        """Open the project, and resolve elements."""
        self.planner.open()
        return self.planner.load(names)

    def one(self, name: str) -> ResolvedElement:
        """Open the project, and resolve one element."""
        return self.load(name)[0]


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Planned]:
    """Write a project: `project({"app.bst": …, "files/a": …}, conf=…)`; elements are named without their directory."""

    def write(files: dict[str, str], conf: str = "", **invocation: object) -> Planned:
        root = tmp_path / "project"
        (root / "elements").mkdir(parents=True, exist_ok=True)
        (root / "project.conf").write_text(PROJECT + conf)
        for name, text in files.items():
            path = root / ("elements" if name.endswith(".bst") and "/" not in name else ".") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Planned(root, tmp_path / "home", **invocation)

    return write
