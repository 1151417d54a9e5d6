"""Runs grilse with the scripted backend of this directory in place of its own: for tests of the frontend."""

from __future__ import annotations

from pathlib import Path

from grilse.__main__ import entry
from grilse.frontend import backend_process

SCRIPT = Path(__file__).with_name("backend.py")


def main() -> None:
    backend_process.backend_script = lambda: str(SCRIPT)
    entry()


if __name__ == "__main__":
    main()
