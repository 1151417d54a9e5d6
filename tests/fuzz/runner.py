"""Loads thousands of broken projects and judges what came of it: no traceback, no hang, no flood of memory.

Knows the limits and, where there is a `bst` to ask, which reason is the right one. From the repository's folder:

    python -m tests.fuzz.runner --seeds 0:10000
    python -m tests.fuzz.runner --seeds 0:10000 --bst PATH --every 20        compare each twentieth with BuildStream
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..oracle.compare import oracle_from
from ..oracle.tools import REPOSITORY, Answer, Oracle, Question
from .mutations import broken_project

SECONDS_LIMIT = 2.0
MEMORY_LIMIT = 500_000_000
# A process that says nothing for this long is taken to hang
HANG_SECONDS = 60.0
# A process is replaced after so many: plugins and what they keep add up
SEEDS_PER_PROCESS = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed: "loads", "refused", "crash", "died" or "hangs"; the error's names; cost."""

    seed: int
    outcome: str
    domain: str | None = None
    reason: str | None = None
    where: str = ""
    message: str = ""
    seconds: float = 0.0
    memory: int = 0

    @property
    def fault(self) -> str | None:
        """What is wrong with this outcome, or None."""
        if self.outcome not in ("loads", "refused"):
            return self.outcome
        if self.seconds > SECONDS_LIMIT:
            return f"took {self.seconds:.1f} s"
        if self.memory > MEMORY_LIMIT:
            return f"took {self.memory / 1e6:.0f} MB"
        return None


class Child:
    """A process that answers seeds; `ask` replaces it when it dies or hangs."""

    def __init__(self) -> None:
        self._answers: queue.Queue[str] = queue.Queue()
        self._asked = 0
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.attempt"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        threading.Thread(target=self._read, args=(process, self._answers), daemon=True).start()
        return process

    @staticmethod
    def _read(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                answers.put(line)
        answers.put("")

    def ask(self, seed: int) -> Outcome:
        """The outcome of a seed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=HANG_SECONDS)
        except queue.Empty:
            self._replace()
            return Outcome(seed, "hangs")
        if not line:
            status = self._process.wait()
            self._replace()
            return Outcome(seed, "died", message=f"status {status}")
        outcome = Outcome(**json.loads(line))
        self._asked += 1
        if outcome.memory > MEMORY_LIMIT or self._asked == SEEDS_PER_PROCESS:
            self._replace()  # its memory would be held against the seeds that follow
        return outcome

    def _replace(self) -> None:
        self.close()
        self._asked = 0
        self._answers = queue.Queue()
        self._process = self._start()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def outcomes(seeds: Iterable[int]) -> Iterator[Outcome]:
    """The outcome of each seed, in order."""
    child = Child()
    try:
        for seed in seeds:
            yield child.ask(seed)
    finally:
        child.close()


def disagreement(outcome: Outcome, bst: Answer) -> str | None:
    """How the outcome differs from BuildStream's answer, or None. BuildStream's own crashes have no say."""
    if bst.refusal is None:
        return None if outcome.outcome == "loads" else "bst loads it"
    if bst.refusal.domain is None:
        return None
    theirs = f"{bst.refusal.domain} {bst.refusal.reason}"
    if outcome.outcome == "loads":
        return f"bst refuses: {theirs}: {bst.refusal.message[:200]}"
    # What a command says that needs a project is the backend's to say
    ours = f"{outcome.domain} {outcome.reason}".replace("LOAD MISSING_PROJECT_CONF", "STREAM project-not-loaded")
    return None if ours == theirs else f"bst says {theirs}: {bst.refusal.message[:200]}"


def ask_bst(oracle: Oracle, seed: int) -> Answer:
    """BuildStream's answer for a seed."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        # Always the same place, as the answer is kept by the content and place of the project
        project = Path(folder).parent / "grilse-fuzz" / str(seed)
        if not project.exists():
            project.mkdir(parents=True)
            broken_project(seed).write(project)
        return oracle.ask(Question(project, ("main.bst",), (), ("full-key",)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz.runner", description="Load broken projects.")
    parser.add_argument("--seeds", default="0:1000", help="FIRST:LAST, the last not included")
    parser.add_argument("--bst", help="compare with this program (default: GRILSE_ORACLE, if set)")
    parser.add_argument("--memory", help="folder for BuildStream's answers")
    parser.add_argument("--every", type=int, default=20, help="compare every n-th seed")
    words = parser.parse_args(arguments)
    first, _, last = words.seeds.partition(":")
    oracle = oracle_from(words.bst, words.memory)
    counts: Counter[str] = Counter()
    slowest = 0.0
    for outcome in outcomes(range(int(first), int(last))):
        counts[outcome.outcome] += 1
        slowest = max(slowest, outcome.seconds)
        what = outcome.fault
        if what is None and oracle is not None and outcome.seed % words.every == 0:
            counts["compared"] += 1
            what = disagreement(outcome, ask_bst(oracle, outcome.seed))
        if what is not None:
            counts["faults"] += 1
            print(f"seed {outcome.seed} ({', '.join(broken_project(outcome.seed).done)}): {what}")
            print(
                f"    {outcome.outcome} {outcome.domain} {outcome.reason} {outcome.where} {outcome.message}", flush=True
            )
    print(f"{sum(counts[name] for name in ('loads', 'refused', 'crash', 'died', 'hangs'))} projects: {dict(counts)};"
          f" the slowest took {slowest:.2f} s")  # fmt: skip
    return 1 if counts["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
