"""Loads broken projects, one after the other, in this process; run as a program by `runner`.

Knows how grilse loads a project, and nothing of what should come out. Reads seeds from standard input, one a line, and
answers each with a line of JSON: what came of it ("loads", "refused" or "crash"), domain, reason, place, message or
traceback, seconds of the processor, and the most memory that the process has had, in bytes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from grilse.project.api import open_session
from grilse.project.planning import Planner
from grilse.protocol.errors import GrilseError
from grilse.protocol.requests import Invocation

from .mutations import broken_project


def load(directory: Path, home: Path) -> list[str]:
    """Load and resolve `main.bst` of the project with all that it needs; the names of the elements."""
    config = home / "user.conf"
    config.write_text(f"cachedir: {home}/cache\nlogdir: {home}/logs\nsourcedir: {home}/sources\n")
    invocation = Invocation(argv=(), directory=str(directory), config=str(config))
    session = open_session(invocation, dict(os.environ), warn=lambda message, detail: None, cached=False)
    planner = Planner(session, say=lambda kind, text, detail, element: None, remember=False)
    planner.open()
    elements = planner.load(["main.bst"])
    planner.close()
    return [element.name for element in elements]


def attempt(seed: int) -> dict[str, object]:
    """Make the project of a seed, load it, and say what came of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        project = Path(folder) / "project"
        project.mkdir()
        broken_project(seed).write(project)
        start = time.process_time()
        answer: dict[str, object] = {"seed": seed}
        try:
            load(project, Path(folder))
            answer["outcome"] = "loads"
        except GrilseError as error:
            answer |= {"outcome": "refused", "domain": error.domain.name, "reason": error.reason}
            answer |= {"where": error.where, "message": error.message[:500]}
        except Exception:
            answer |= {"outcome": "crash", "message": traceback.format_exc()[-3000:]}
        answer["seconds"] = time.process_time() - start
    return answer


def peak_memory() -> int:
    """The most memory that this process has had, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    for line in sys.stdin:
        answer = attempt(int(line))
        answer["memory"] = peak_memory()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
