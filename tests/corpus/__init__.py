"""Small projects, sound and faulty, and what BuildStream 2.8.1 says of each.

Shared by the unit tests, which hold loading to the outcomes in ``expected.txt``, and by the oracle tests, which hold
these outcomes to BuildStream.  The module knows nothing of either tool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

EXPECTED = Path(__file__).with_name("expected.txt")


@dataclass(frozen=True)
class Case:
    """A project and what is asked of it.

    Attributes:
        files: contents by path; a tuple of one path is a symbolic link to it.
        targets: element names to show.
        options: words before the command, such as ``-o debug True``.
        plugins: the outcome depends on plugins, so that loading alone does not reach it.
    """

    files: dict[str, str | bytes | tuple[str]]
    targets: tuple[str, ...] = ("a.bst",)
    options: tuple[str, ...] = ()
    plugins: bool = field(default=False, kw_only=True)

    def write(self, directory: Path) -> Path:
        """Write the project, and return its directory."""
        for name, content in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                path.symlink_to(content[0])
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return directory


def cases() -> dict[str, Case]:
    """All cases by name."""
    from . import basics, composition, junctions, resolving

    return {**basics.CASES, **composition.CASES, **junctions.CASES, **resolving.CASES}


def expected() -> dict[str, str]:
    """The outcome of each case: "loads", or domain, reason and place if there is one."""
    lines = EXPECTED.read_text().splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))
