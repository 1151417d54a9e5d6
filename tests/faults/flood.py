"""A job that floods output with a gigabyte: what that costs frontend and backend.

Runs the tests of floods with that much; prints pytest's report and ends with its status.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from .surroundings import REPOSITORY

TESTS = ("tests/e2e/test_worker_faults.py", "tests/e2e/test_sandbox_faults.py")


def main(arguments: list[str] | None = None) -> int:
    """Run them."""
    words = argparse.ArgumentParser(prog="python -m tests.faults.flood", description=__doc__.splitlines()[0])
    words.add_argument("--megabytes", type=int, default=1024, help="how much each job writes (default: %(default)s)")
    chosen = words.parse_args(arguments)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:randomly", "-k", "flood", "--timeout", "3600", *TESTS],
        cwd=REPOSITORY,
        env={**os.environ, "FLOOD_MEGABYTES": str(chosen.megabytes), "PYTHONPATH": str(REPOSITORY / "src")},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
