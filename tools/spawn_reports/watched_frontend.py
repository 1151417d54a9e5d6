"""Runs grilse with ``watched_backend.py`` in place of its backend's own script: so a session is recorded."""

from __future__ import annotations

from pathlib import Path

from grilse.__main__ import entry
from grilse.frontend import backend_process

SCRIPT = Path(__file__).with_name("watched_backend.py")


def main() -> None:
    """Run the command line."""
    backend_process.backend_script = lambda: str(SCRIPT)
    entry()


if __name__ == "__main__":
    main()
