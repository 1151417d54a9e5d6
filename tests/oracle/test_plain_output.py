"""Without a terminal both tools say the same: heading, log lines, failures and summary, in the same form.

What differs on purpose is taken out by name in `told`: nothing else may differ.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from grilse.sandbox.means import find_means

from .base_system import make_base_system
from .tools import REPOSITORY, Oracle

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(120)]

PROJECT = {
    "project.conf": """
name: demo
min-version: 2.0
element-path: elements
aliases: {here: 'file:///dev/'}
options:
  debugging: {type: bool, description: Whether to build for debugging, default: False}
  flavour: {type: enum, description: What it tastes like, values: [sweet, sour], default: sweet}
""",
    "files/a/x": "x\n",
    "files/b/x": "other\n",
    "thing": "thing\n",
    "elements/base.bst": "kind: import\nsources: [{kind: local, path: base}]\n",
    "elements/a.bst": "kind: import\nsources: [{kind: local, path: files/a}]\n",
    "elements/b.bst": "kind: import\nsources: [{kind: local, path: files/b}]\n",
    "elements/overlap.bst": "kind: compose\nbuild-depends: [a.bst, b.bst]\n",
    "elements/make.bst": """
kind: manual
build-depends: [base.bst, a.bst]
config:
  build-commands:
  - echo made > made
  install-commands:
  - cp made %{install-root}
""",
    "elements/fail.bst": """
kind: manual
build-depends: [base.bst]
config:
  build-commands:
  - for i in $(seq 30); do echo $i; done; exit 3
""",
    "elements/after.bst": "kind: compose\nbuild-depends: [fail.bst]\n",
    "elements/unref.bst": "kind: import\nsources: [{kind: remote, url: 'here:null'}]\n",
    "elements/sub.bst": "kind: junction\nsources: [{kind: local, path: sub}]\n",
    "elements/all.bst": "kind: stack\ndepends: ['sub.bst:leaf.bst', overlap.bst]\n",
    "sub/project.conf": "name: subproject\nmin-version: 2.0\n",
    "sub/leaf.bst": "kind: import\nsources: [{kind: local, path: f}]\n",
    "sub/f/leaf": "leaf\n",
}

PROGRAMS = ("sh", "seq", "cp", "true", "mkdir", "rm")

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def both(oracle: Oracle, tmp_path: Path) -> Run:
    """Run a command with both tools, each on a project and in a home of its own: what they told, and wrote."""
    for name in ("bst", "grilse"):
        for path, text in PROJECT.items():
            place = tmp_path / name / "demo" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text.lstrip())

    def run(*words: str, conf: str = "", status: int = 0) -> tuple[str, str]:
        texts = []
        for name, command in (("bst", [str(oracle.bst)]), ("grilse", [sys.executable, "-m", "grilse"])):
            home = tmp_path / name / "home"
            home.mkdir(exist_ok=True)
            (home / "buildstream.conf").write_text(conf)
            done = subprocess.run(
                [*command, *words],
                cwd=tmp_path / name / "demo",
                env={
                    **os.environ,
                    "PYTHONPATH": str(REPOSITORY / "src"),
                    "XDG_CONFIG_HOME": str(home),
                    "XDG_CACHE_HOME": str(home / "cache"),
                    "HOME": str(home),
                    "LC_ALL": "C.UTF-8",
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == status, done.stderr
            texts.append(told(done.stderr.replace(str(tmp_path / name), "/PLACE")))
        return texts[0], texts[1]

    return run


@pytest.fixture
def sandboxed(tmp_path: Path, both: Run) -> Run:
    """As `both`, with a base system that commands can run in."""
    means = find_means(str(tmp_path / "means"))
    if means.bwrap is None:
        pytest.skip(f"no sandbox: {means.problem}")
    for name in ("bst", "grilse"):
        make_base_system(tmp_path / name / "demo" / "base", PROGRAMS)
    return both


def told(text: str) -> str:
    """What was told, without what differs from run to run and without what differs on purpose."""
    text = re.sub(r"\d\d:\d\d:\d\d(\.\d+)?", "TIME", text)
    text = re.sub(r"\d{8}-\d{6}", "DATE", text)
    text = re.sub(r"Session Start: .*", "Session Start: NOW", text)
    # grilse always says how many subtasks there were, BuildStream when they took long.
    text = re.sub(r"\n\n    \d+ (of \d+ )?subtasks processed\n(?=\n)", "", text)
    # The sandbox of BuildStream has a word to say in the log of a job, so that its last lines begin later.
    text = re.sub(r".*\[buildboxcommon.*\n", "", text)
    text = re.sub(r"^ +\d+\n", "", text, flags=re.MULTILINE)
    # grilse says last what went wrong, where BuildStream ends with an empty line.
    text = re.sub(r"\n\n[^\n]*(build failed:|jobs failed)[^\n]*\n\Z", "\n\n\n", text)
    # The plugin of a junction with a local source is not needed.
    text = re.sub(r" +junction: +core plugin\n", "", text)
    text = re.sub(r"^( {8}[\w-]+:) +", r"\1 ", text, flags=re.MULTILINE)
    # What is fetched of local sources, or of elements without any, is nobody's business.
    lines = [
        line.rstrip()
        for line in text.splitlines()
        if "   fetch:" not in line and not line.startswith("    Fetch Queue")
    ]
    return "\n".join(lines)


def parts(text: str) -> tuple[str, list[str], str]:
    """Heading and summary as they are; what jobs say in between happens at once, so it is sorted."""
    heading, rule, rest = text.partition("=" * 79)
    jobs, mark, summary = rest.partition("core activity                 ] ")
    return heading + rule, sorted(jobs.splitlines()), mark + summary


def in_sections(heading: str) -> list[str]:
    """The sections of a heading, plugins in alphabetical order: each tool loads them as it comes to them."""
    sections = re.split(r"\n\n", heading)
    return ["\n".join(sorted(part.splitlines())) if "Plugins\n" in part else part for part in sections]


def assert_same(texts: tuple[str, str]) -> None:
    (their_heading, theirs, their_end), (our_heading, ours, our_end) = map(parts, texts)
    assert in_sections(our_heading) == in_sections(their_heading)
    assert ours == theirs
    assert our_end == their_end


def test_a_build_with_a_junction_is_told_alike(both: Run) -> None:
    texts = both("build", "all.bst")
    assert "Junction path: sub.bst" in texts[1] and "Build Queue: processed 5" in texts[1]
    assert_same(texts)


def test_what_is_cached_is_told_alike(both: Run) -> None:
    both("build", "all.bst")
    texts = both("build", "all.bst")
    assert "Session:     1" not in texts[0] or "Total:       5" in texts[0]
    assert_same(texts)


@pytest.mark.parametrize("words", [(), ("--no-verbose",), ("--error-lines", "1"), ("--message-lines", "2")])
def test_a_failing_build_is_told_alike(sandboxed: Run, words: Sequence[str]) -> None:
    texts = sandboxed(*words, "--on-error", "continue", "build", "after.bst", "make.bst", status=255)
    assert "Failure Summary" in texts[1]
    assert_same(texts)


def test_a_cached_failure_is_told_with_its_log(sandboxed: Run) -> None:
    sandboxed("build", "after.bst", status=255)
    theirs, ours = sandboxed("build", "after.bst", status=255)
    # BuildStream adds a line to the log each time that it is told of.
    again = re.compile(r" +\[TIME\] FAILURE \[\w+\] fail.bst: Command failed\n")
    assert "Printing the last 20 lines" in ours
    assert_same((again.sub("", theirs), again.sub("", ours)))


@pytest.mark.parametrize(
    "conf",
    [
        "logging: {message-format: '%{wallclock} %{action} %{element} %{message}'}",
        "logging: {message-format: '%{elapsed-us}|%{key}|%{message}', key-length: 12}",
        "logging: {element-format: '%{name} %{kind} %{key} %{state}'}",
        "logging: {element-format: '%{name: >20}|%{description}|%{deps}'}",
        "logging: {verbose: False, message-lines: 2, error-lines: 1, throttle-ui-updates: False}",
    ],
)
def test_the_users_logging_is_obeyed_alike(both: Run, conf: str) -> None:
    theirs, ours = both("build", "overlap.bst", conf=conf)

    def comparable(text: str) -> list[str]:
        return sorted(line for line in text.splitlines() if "-fetch." not in line and "Plugins" not in line)

    assert comparable(ours) == comparable(theirs)


def test_tracking_is_told_alike(both: Run) -> None:
    theirs, ours = both("source", "track", "unref.bst", "a.bst")
    assert "no reference ????" in ours and "SKIPPED Element sources are not trackable" in ours
    resolved = re.search(r"\nResolved key Summary\n.*unref.bst\n\nPipeline Summary\n", ours)
    assert resolved is not None
    # BuildStream does not look into the cache here.
    states = re.compile(r"^(   buildable|fetch needed) ", re.MULTILINE)
    assert_same((theirs, states.sub("     waiting ", ours)))


def test_tracking_what_has_a_ref_already_is_told_alike(both: Run) -> None:
    both("source", "track", "unref.bst")
    theirs, ours = both("source", "track", "unref.bst")
    assert "Resolved key Summary" not in ours
    states = re.compile(r"^(   buildable|fetch needed) ", re.MULTILINE)
    assert_same((theirs, states.sub("     waiting ", ours)))


@pytest.mark.parametrize(
    "words",
    [
        ("artifact", "pull", "a.bst"),
        ("artifact", "push", "a.bst"),
        ("build", "unref.bst"),
    ],
)
def test_what_cannot_be_done_is_told_alike(both: Run, words: Sequence[str]) -> None:
    theirs, ours = both(*words, status=255)
    assert ours.rstrip() == theirs.rstrip().replace("`bst ", "`")
