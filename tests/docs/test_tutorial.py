"""Pages with commands work as they are written: these are run, and what they are said to print is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"tutorial.md": 20, "how-to/audit-a-program.md": 5}
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
DONE = "-- this command ends here --"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tutorial is written for a POSIX shell")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of all console blocks, each with the lines that it should print."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("> ") or line == ">":
                found[-1] = (found[-1][0] + "\n" + line[2:], [])
            else:
                found[-1][1].append(line)
    return found


def prints(output: str, expected: list[str]) -> bool:
    """Whether the expected lines stand in the output, in this order; `…` stands for anything, indents do not count."""
    lines = [
        r"^[ \t]*" + ".*".join(re.escape(part) for part in line.strip().split("…")) + "[ \t]*$" for line in expected
    ]
    return re.search(r"(?:.|\n)*?".join(lines), output, re.M) is not None


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    steps = commands((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(steps) >= PAGES[page]
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "grilse"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grilse "$@"\n')
    program.chmod(0o755)
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment |= {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    environment["PYTHONPATH"] = str(ROOT / "src")
    script = "\n".join(f"{command}\necho '{DONE}'" for command, _ in steps)
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=110,
    )  # fmt: skip
    outputs = done.stdout.split(DONE + "\n")
    assert done.returncode == 0, f"after {steps[len(outputs) - 1][0]}: {outputs[-1]}"
    for (command, expected), output in zip(steps, outputs):
        assert prints(output, expected), f"{command} printed:\n{output}\nand not:\n" + "\n".join(expected)


def test_a_line_that_is_not_printed_is_found_out() -> None:
    assert prints("one\ntwo: 5\nthree\n", ["one", "two: …", "three"])
    assert prints("one\n", ["…"])
    assert not prints("one\ntwo\n", ["two", "one"])
    assert not prints("one and more\n", ["one"])
    assert prints("\tfirst\n\tsecond \n", ["  first", "  second"])
