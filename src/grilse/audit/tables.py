"""The contents of a report as headings, lines and tables, for any way of showing them.

Knows no format: text, Markdown and HTML are made of the same sections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .model import Blocker, Report

# Paths of one pattern that are shown, unless all are asked for.
_LIKE = 3


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under column names; ``right`` are the columns whose figures are aligned to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Code:
    """Source text."""

    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it; level 1 is the title."""

    level: int
    title: str
    parts: tuple[str | Table | Code, ...]


def sections(report: Report, *, every: bool = False) -> list[Section]:
    """The sections of a report; with ``every``, blockers of one pattern are listed one by one."""
    found = [_summary(report)]
    if report.blockers:
        found.append(_blockers(report, every))
    found.append(_costs(report))
    if report.classes:
        found.append(_classes(report))
    if report.proposals:
        found.extend(_proposals(report))
    if report.left_out:
        table = Table(
            ("objects", "below", "why"),
            tuple((f"{part.objects:,}", part.path, part.why) for part in report.left_out),
            frozenset((0,)),
        )
        found.append(Section(2, "Left out", (table,)))
    return found


def _summary(report: Report) -> Section:
    size = f"{report.bytes:,} bytes" + ("" if report.bytes_measured else " (reckoned, since it cannot be dumped)")
    lines = [
        f"An object of class {report.type}; Python {report.python}, pickle protocol {report.protocol}.",
        f"Can be pickled: {_answer(report.picklable)}.  Crosses to a spawned process: {_answer(report.crosses)}.",
        f"{report.nodes:,} objects, numbers and strings; {size}.",
    ]
    if report.dump_us is not None:
        loading = f", to load {milliseconds(report.load_us)}" if report.load_us is not None else ""
        first = f" (the first time, with imports, {milliseconds(report.first_load_us)})" if report.first_load_us else ""
        lines.append(f"To dump {milliseconds(report.dump_us)}{loading}{first if loading else ''}.")
    if not report.complete:
        lines.append("The audit is not complete: a bound was met, see what was left out below.")
    lines.extend(f"Note: {note}." for note in report.notes)
    return Section(1, f"Spawn audit of {report.name}", tuple(lines))


def _answer(value: bool | None) -> str:
    return "not known" if value is None else "yes" if value else "no"


def milliseconds(us: float | None) -> str:
    """Microseconds as text."""
    if us is None:
        return "?"
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:,.0f} µs"


def groups(blockers: Sequence[Blocker]) -> list[list[Blocker]]:
    """Blockers that differ only by indices and keys, together; in the order of their first paths."""
    found: dict[tuple[str, str, str, str], list[Blocker]] = {}
    for blocker in blockers:
        key = (blocker.pattern, blocker.cause.value, blocker.type, blocker.stage.value)
        found.setdefault(key, []).append(blocker)
    return list(found.values())


def _blockers(report: Report, every: bool) -> Section:
    rows = []
    for group in [[blocker] for blocker in report.blockers] if every else groups(report.blockers):
        first = group[0]
        like = f" and {len(group) - 1:,} more like it" if len(group) > 1 else ""
        rows.append((first.path + like, first.cause.value, first.type, _held(group), _todo(first)))
    return Section(
        2,
        f"What cannot cross: {len(report.blockers):,}",
        (Table(("path", "cause", "type", "also held by", "what to do"), tuple(rows)),),
    )


def _held(group: list[Blocker]) -> str:
    first = group[0]
    words = list(first.holders[:_LIKE])
    more = len(first.holders) - len(words) + first.holders_left_out
    if more > 0:
        words.append(f"{more:,} more")
    words.extend(first.outside[:_LIKE])
    if first.through is not None and first.through != first.path:
        words.append(f"(only by the method {first.through})")
    return "; ".join(words)


def _todo(blocker: Blocker) -> str:
    advice = "" if blocker.advice is None else f"{blocker.advice.remedy.value}: {blocker.advice.text}"
    return f"{advice} [{blocker.reason}]"


def _costs(report: Report) -> Section:
    columns = ("bytes", "own", "alone", "nodes", "dump", "load", "crosses", "path", "type", "what to do")
    rows = tuple(
        (
            f"{row.total_bytes:,}",
            f"{row.own_bytes:,}",
            "" if row.exclusive_bytes is None else f"{row.exclusive_bytes:,}",
            f"{row.nodes:,}",
            "" if row.total_dump_us is None else milliseconds(row.total_dump_us),
            "" if row.total_load_us is None else milliseconds(row.total_load_us),
            _answer(row.picklable),
            row.path,
            row.type,
            "" if row.advice is None else f"{row.advice.remedy.value}: {row.advice.text}",
        )
        for row in report.rows
    )
    explained = (
        "Shared parts count once, where the shortest path leads to them; 'own' is without what is below, 'alone' is "
        "what would not cross if this path were cut. Times are shares of the measured whole."
    )
    return Section(2, "What it costs", (explained, Table(columns, rows, frozenset(range(6)))))


def _classes(report: Report) -> Section:
    rows = tuple(
        (
            f"{cost.own_bytes:,}",
            f"{cost.instances:,}",
            _answer(cost.found_after_spawn),
            cost.name,
            cost.problem or "",
        )
        for cost in report.classes
    )
    table = Table(("own bytes", "instances", "found after the spawn", "class", "why not"), rows, frozenset((0, 1)))
    return Section(2, "By class", (table,))


def _proposals(report: Report) -> list[Section]:
    verified = sum(proposal.verified for proposal in report.proposals)
    title = f"Proposed states: {len(report.proposals)}, of which {verified} verified in a spawned interpreter"
    found = [Section(2, title, ())]
    for proposal in report.proposals:
        cost = ""
        if proposal.bytes is not None:
            cost = f" {proposal.bytes:,} bytes with all below it, {milliseconds(proposal.dump_us)} to dump"
            cost += f", {milliseconds(proposal.load_us)} to load." if proposal.load_us is not None else "."
        verdict = "Verified" if proposal.verified else "Not verified"
        lines = f"{verdict}: {proposal.detail}.{cost} First met at {proposal.path}."
        table = Table(
            ("attribute", "what becomes of it", "why"),
            tuple((change.name, change.remedy.value, change.why) for change in proposal.changes),
        )
        found.append(Section(3, proposal.cls, (lines, table, Code(proposal.sketch))))
    return found
