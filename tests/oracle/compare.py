"""Compares what grilse and BuildStream say of whole projects, field by field.

Judges answers of the tools, and does not know how they are run.

    tools/compare-with-bst --projects DIR… [--only NAME …] [--fields name,…] [--warm] [--failures] [--report FILE]

Without --bst, GRILSE_ORACLE names the `bst` to compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .tools import FIELDS, FIELDS_WITH_REFERENCE, REPOSITORY, Answer, Oracle, Question, Refusal, Tool, grilse

# A difference shows this much of each side, unless the report file is asked for
SHOWN_CHARACTERS = 300
SHOWN_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one element that the tools do not agree on. `spelling`: the same value, written differently."""

    element: str
    field: str
    bst: str
    grilse: str
    spelling: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result for one project: counts, the differences, and the refusals if there were any.

    Two refusals that agree are no difference: both tools find the same fault in the project.
    """

    project: str
    elements: int
    fields: int
    differences: tuple[Difference, ...]
    bst_refusal: Refusal | None
    grilse_refusal: Refusal | None
    bst_seconds: float
    grilse_seconds: float

    @property
    def equal(self) -> bool:
        return not self.differences


def same_value(left: str, right: str) -> bool:
    """Whether two texts are the same YAML value."""
    import yaml

    try:
        return bool(yaml.safe_load(left) == yaml.safe_load(right))
    except yaml.YAMLError:
        return False


def same_refusal(bst: Refusal, ours: Refusal) -> tuple[Difference, ...]:
    """Where two refusals differ: exit status, domain, reason, or a place that bst names and grilse does not.

    Where BuildStream ends in a traceback it gives no reason: then any orderly refusal will do.
    """
    if bst.domain is None:
        return () if ours.status == bst.status else (Difference("", "exit status", str(bst.status), str(ours.status)),)
    pairs = [
        ("exit status", str(bst.status), str(ours.status)),
        ("domain", str(bst.domain), str(ours.domain)),
        ("reason", str(bst.reason), str(ours.reason)),
    ]
    found = [Difference("", field, theirs, mine) for field, theirs, mine in pairs if theirs != mine]
    if bst.places and not set(bst.places) & set(ours.places):
        found.append(Difference("", "place", "; ".join(bst.places), "; ".join(ours.places)))
    return tuple(found)


def compare_answers(project: str, bst: Answer, ours: Answer) -> Comparison:
    """Judge two answers to the same question."""
    found: list[Difference] = []
    fields = 0
    if bst.refusal is not None and ours.refusal is not None:
        found += same_refusal(bst.refusal, ours.refusal)
    elif bst.refusal is not None or ours.refusal is not None:
        found.append(Difference("", "loads", _refused(bst), _refused(ours)))
    else:
        order = list(bst.elements), list(ours.elements)
        if order[0] != order[1]:
            first = next((pair for pair in zip(*order) if pair[0] != pair[1]), (str(len(order[0])), str(len(order[1]))))
            found.append(Difference(first[0], "order", first[0], first[1]))
        for name, values in bst.elements.items():
            mine = ours.elements.get(name)
            if mine is None:
                found.append(Difference(name, "name", name, "(absent)"))
                continue
            for field, value in values.items():
                fields += 1
                if mine.get(field) != value:
                    text = mine.get(field, "(absent)")
                    found.append(Difference(name, field, value, text, same_value(value, text)))
        found += [Difference(name, "name", "(absent)", name) for name in ours.elements if name not in bst.elements]
    refusals = bst.refusal, ours.refusal
    return Comparison(project, len(bst.elements), fields, tuple(found), *refusals, bst.seconds, ours.seconds)


def _refused(answer: Answer) -> str:
    if answer.refusal is None:
        return "loads"
    return f"{answer.refusal.domain} {answer.refusal.reason}: {answer.refusal.message}"


def compare_project(
    path: Path,
    targets: Sequence[str],
    *,
    oracle: Oracle,
    tool: Tool | None = None,
    options: Sequence[str] = (),
    fields: Sequence[str] = FIELDS,
    deps: str = "all",
    home: Path | None = None,
) -> Comparison:
    """Ask both tools for `fields` of every element in the closure of `targets`, and compare.

    `options` come before the command (`--option NAME VALUE`, `--no-strict`). With `home`, grilse keeps its caches
    there, so that a second comparison finds what the first one left. Fields that BuildStream cannot show of elements
    without a reference are asked in a second question, of the elements that have one.
    """
    tool = tool or grilse()
    first = tuple(dict.fromkeys([field for field in fields if field not in FIELDS_WITH_REFERENCE] + ["full-key"]))
    question = Question(path, tuple(targets), tuple(options), first, deps)
    bst, ours = oracle.ask(question), tool.ask(question, home)
    second = tuple(field for field in fields if field in FIELDS_WITH_REFERENCE)
    if second and bst.refusal is None and ours.refusal is None:
        complete = tuple(name for name, values in bst.elements.items() if _has_key(values))
        if complete:
            question = replace(question, targets=complete, fields=second, deps="none")
            bst, ours = _joined(bst, oracle.ask(question)), _joined(ours, tool.ask(question, home))
    return compare_answers(str(path), bst, ours)


def _has_key(values: dict[str, str]) -> bool:
    """Whether the element and all it depends on have their references: else its key is a row of question marks."""
    return values.get("state") != "junction" and "?" not in values["full-key"]


def _joined(first: Answer, second: Answer) -> Answer:
    seconds = first.seconds + second.seconds
    if second.refusal is not None:
        return Answer({}, second.refusal, seconds)
    joined = {name: {**values, **second.elements.get(name, {})} for name, values in first.elements.items()}
    return Answer(joined, None, seconds)


def element_path(project: Path) -> Path:
    """Where the project's elements are, read as simply as can be."""
    match = re.search(r"^element-path:\s*(\S+)", (project / "project.conf").read_text(errors="replace"), re.M)
    return project / (match.group(1).strip("'\"") if match else ".")


def targets_of(project: Path) -> list[str]:
    """The elements to ask for: those of a list beside the project's folder if there is one, else all of them.

    The list is `../../expected/NAME.targets`; without one, all `.bst` files whose kind can be shown alone.
    """
    listed = project.parent.parent / "expected" / f"{project.name}.targets"
    if listed.exists():
        return listed.read_text().splitlines()
    root = element_path(project)
    names = []
    for path in sorted(root.rglob("*.bst")):
        inside = path.relative_to(root)
        if path.is_file() and ".bst" not in inside.parts and "offline-junctions" not in inside.parts:
            kind = re.search(r"^kind:\s*(\S+)", path.read_text(errors="replace"), re.M)
            if not kind or kind.group(1) not in ("junction", "link"):
                names.append(str(inside))
    return names


def failing_of(project: Path) -> list[str]:
    """Elements that are known not to load under BuildStream: `../../expected/NAME.failed`, one a line."""
    listed = project.parent.parent / "expected" / f"{project.name}.failed"
    if not listed.exists():
        return []
    return [line.split(": ", 1)[0] for line in listed.read_text().splitlines() if ": " in line]


def summary_line(result: Comparison) -> str:
    """One line for people."""
    spelling = sum(difference.spelling for difference in result.differences)
    wrong = len(result.differences) - spelling
    if result.bst_refusal is not None and result.grilse_refusal is not None:
        counts = f"both refuse: {result.bst_refusal.domain} {result.bst_refusal.reason}"
    else:
        counts = f"{result.elements} elements, {result.fields} fields"
    times = f"bst {result.bst_seconds:.1f} s, grilse {result.grilse_seconds:.1f} s"
    verdict = "equal" if result.equal else f"{wrong} DIFFERENCES" + (f", {spelling} in spelling" if spelling else "")
    return f"{result.project}: {counts}; {verdict} ({times})"


def show_differences(result: Comparison, say: Callable[[str], None]) -> None:
    """The first differences of each field, cut to a readable length."""
    shown: dict[str, int] = {}
    for difference in result.differences:
        count = shown[difference.field] = shown.get(difference.field, 0) + 1
        if count > SHOWN_DIFFERENCES:
            continue
        say(f"  {difference.element or '(project)'}: {difference.field}{' (spelling)' if difference.spelling else ''}")
        left, right = _from_first_difference(difference.bst, difference.grilse)
        say(f"    bst:    {left!r}")
        say(f"    grilse: {right!r}")
    for field, count in shown.items():
        if count > SHOWN_DIFFERENCES:
            say(f"  ... {field}: {count} in all")


def _from_first_difference(left: str, right: str) -> tuple[str, str]:
    same = next((place for place, pair in enumerate(zip(left, right)) if pair[0] != pair[1]), 0)
    start = max(0, left.rfind("\n", 0, same) + 1) if same > SHOWN_CHARACTERS else 0
    return left[start : start + SHOWN_CHARACTERS], right[start : start + SHOWN_CHARACTERS]


def oracle_from(bst: str | None, memory: str | None) -> Oracle | None:
    """The oracle named on the command line or by GRILSE_ORACLE, or None."""
    named = bst or os.environ.get("GRILSE_ORACLE")
    if not named:
        return None
    folder = memory or os.environ.get("GRILSE_ORACLE_MEMORY") or str(REPOSITORY / ".cache" / "oracle-answers")
    return Oracle(Path(named), Path(folder))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compare-with-bst", description="Compare grilse with BuildStream on projects."
    )
    parser.add_argument("--projects", type=Path, nargs="+", required=True, help="projects, or folders of projects")
    parser.add_argument("--only", nargs="+", default=[], help="names of the projects to compare")
    parser.add_argument("--targets", nargs="+", default=[], help="elements, instead of all that load")
    parser.add_argument("--fields", default=",".join(FIELDS), help="fields to compare, with commas")
    parser.add_argument("--option", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--no-strict", action="store_true")
    parser.add_argument("--warm", action="store_true", help="ask grilse a second time, with what it then has cached")
    parser.add_argument("--failures", action="store_true", help="compare also the refusals of elements known to fail")
    parser.add_argument("--bst", help="program to compare with (default: GRILSE_ORACLE)")
    parser.add_argument("--grilse", nargs="+", help="command to compare (default: grilse of this repository)")
    parser.add_argument("--memory", help="folder for BuildStream's answers (default: GRILSE_ORACLE_MEMORY or .cache)")
    parser.add_argument("--report", type=Path, help="write every result to this file, as JSON")
    return parser


def _compare_one(project: Path, words: argparse.Namespace, oracle: Oracle, tool: Tool) -> list[Comparison]:
    import tempfile

    options = [word for name, value in words.option for word in ("--option", name, value)]
    options += ["--no-strict"] if words.no_strict else []
    fields = words.fields.split(",")
    results = []
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        for _ in range(2 if words.warm else 1):
            results.append(
                compare_project(
                    project,
                    words.targets or targets_of(project),
                    oracle=oracle,
                    tool=tool,
                    options=options,
                    fields=fields,
                    home=Path(folder),
                )
            )
    for target in failing_of(project) if words.failures else []:
        result = compare_project(project, [target], oracle=oracle, tool=tool, options=options, fields=["key"])
        results.append(replace(result, project=f"{project} {target}"))
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    words = _parser().parse_args(arguments)
    oracle = oracle_from(words.bst, words.memory)
    if oracle is None:
        print("compare-with-bst: name a bst with --bst or GRILSE_ORACLE", file=sys.stderr)
        return 2
    projects = []
    for folder in words.projects:
        inside = [path.parent for path in sorted(folder.glob("*/project.conf"))]
        projects += [folder] if (folder / "project.conf").exists() else inside
    results: list[Comparison] = []
    for project in projects:
        if words.only and project.name not in words.only:
            continue
        for result in _compare_one(project.resolve(), words, oracle, grilse(words.grilse)):
            results.append(result)
            print(summary_line(result), flush=True)
            show_differences(result, print)
    if words.report is not None:
        words.report.write_text(json.dumps([asdict(result) for result in results], indent=1))
    elements, fields = sum(r.elements for r in results), sum(r.fields for r in results)
    spelling = sum(d.spelling for r in results for d in r.differences)
    wrong = sum(len(r.differences) for r in results) - spelling
    refused = sum(r.bst_refusal is not None for r in results), sum(r.grilse_refusal is not None for r in results)
    print(
        f"{len(results)} comparisons, {elements} elements, {fields} fields: {wrong} differences, {spelling} in"
        f" spelling; refused by bst {refused[0]}, by grilse {refused[1]}"
    )
    return 1 if wrong or spelling else 0


if __name__ == "__main__":
    sys.exit(main())
