"""Runs every check of the project, one after the other, and the tests last.

Knows which tools judge the code and in which order; what they ask is written in `pyproject.toml`. More words go to
pytest. With `--oracle` BuildStream is installed into `.cache` first, unless GRILSE_ORACLE names one, so that the tests
which compare with it are not skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# More test processes than this only fight over the machine: the tests start processes of their own
MOST_TEST_PROCESSES = 4
CHECKS = (
    ("ruff", ("ruff", "check", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("mypy", ("mypy", "-p", "grilse")),
    ("mypy of the tools", ("mypy", "tools", "bench", "tests/oracle")),
    ("import-linter", ("lint-imports",)),
)
CHECK_LIMIT_SECONDS = 300
TESTS_LIMIT_SECONDS = 1200


def run_check(name: str, command: tuple[str, ...]) -> bool:
    """Run one tool of the environment; its words are shown only when it finds something."""
    start = time.monotonic()
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run(
        [str(program), *command[1:]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CHECK_LIMIT_SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    good = done.returncode == 0
    print(f"{name}: {'ok' if good else 'FAILED'} ({time.monotonic() - start:.1f} s)", flush=True)
    if not good:
        print(done.stdout, flush=True)
    return good


def run_tests(words: list[str]) -> bool:
    """Run pytest with `words` added to its command line; in parallel unless they say how many processes to use."""
    processes = min(os.cpu_count() or 1, MOST_TEST_PROCESSES)
    command = [sys.executable, "-m", "pytest", "-q"]
    if not any(word.startswith(("-n", "--numprocesses")) for word in words):
        command += ["-n", str(processes)]
    return subprocess.run([*command, *words], cwd=ROOT, timeout=TESTS_LIMIT_SECONDS).returncode == 0


def install_oracle() -> None:
    """Let GRILSE_ORACLE name a BuildStream, installed when it is not there yet.

    Raises:
        NoBuildStream: it cannot be installed.
    """
    if "GRILSE_ORACLE" not in os.environ:
        sys.path.insert(0, str(ROOT))
        from bench.buildstream import ensure_buildstream

        os.environ["GRILSE_ORACLE"] = str(ensure_buildstream(ROOT / ".cache"))


def main() -> int:
    words = sys.argv[1:]
    if "--oracle" in words:
        words.remove("--oracle")
        install_oracle()
    results = [run_check(name, command) for name, command in CHECKS]
    failed = [name for (name, _), good in zip(CHECKS, results, strict=True) if not good]
    if failed:
        print(f"checks that failed: {', '.join(failed)}", flush=True)
    # The last words are pytest's
    tests = run_tests(words)
    return 0 if tests and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
