"""The contents of a report on a start as headings, lines and tables.

Knows no format.
"""

from __future__ import annotations

from .tables import Section, Table, milliseconds
from .timeline import StartReport

# Imports that are listed, the costliest first.
_IMPORTS = 60


def start_sections(report: StartReport) -> list[Section]:
    """The sections of a report on a start."""
    lines = [f"Python {report.python}. Times are medians; the first start of each method is given apart."]
    lines.extend(f"Note: {note}." for note in report.notes)
    found = [Section(1, f"Spawn audit of the start: {report.name}", (*lines, _methods(report)))]
    found.append(Section(2, "Phases", (_phases(report),)))
    if report.messages:
        rows = tuple((message.direction, f"{message.bytes:,}", milliseconds(message.us)) for message in report.messages)
        table = Table(("direction", "bytes", "at"), rows, frozenset((1, 2)))
        found.append(Section(2, "What crosses", (table,)))
    if report.imports:
        found.append(_imports(report))
    return found


def _methods(report: StartReport) -> Table:
    rows = []
    for run in report.runs:
        if run.problem is not None:
            rows.append((run.method, "", "", "", "", "", "", run.problem))
            continue
        rows.append(
            (
                run.method,
                milliseconds(run.first_message_us),
                milliseconds(run.cold_us),
                milliseconds(run.start_us),
                "" if run.bytes_sent is None else f"{run.bytes_sent:,}",
                _megabytes(run.shared_bytes),
                _megabytes(run.private_bytes),
                "",
            )
        )
    columns = (
        "method",
        "first message",
        "first of all",
        "the starter waits",
        "bytes sent",
        "shared",
        "private",
        "problem",
    )
    return Table(columns, tuple(rows), frozenset(range(1, 7)))


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.1f} MB"


def _phases(report: StartReport) -> Table:
    names: dict[str, None] = {}
    for run in report.runs:
        names.update((phase.name, None) for phase in run.phases)
    times = [{phase.name: phase.us for phase in run.phases} for run in report.runs]
    rows = tuple((name, *(milliseconds(of[name]) if name in of else "" for of in times)) for name in names)
    columns = ("phase", *(run.method for run in report.runs))
    return Table(columns, rows, frozenset(range(1, len(columns))))


def _imports(report: StartReport) -> Section:
    later = [cost for cost in report.imports if not cost.needed]
    own = sum(cost.own_us for cost in report.imports)
    spare = sum(cost.own_us for cost in later)
    explained = (
        f"{len(report.imports)} modules take {milliseconds(own)} before the first message. Of {len(later)} of them "
        f"({milliseconds(spare)}) no function ran by then: they may come later, unless only types of theirs are used."
    )
    rows = tuple(
        (
            milliseconds(cost.total_us),
            milliseconds(cost.own_us),
            "" if cost.needed else "later",
            cost.module,
            cost.imported_by,
        )
        for cost in report.imports[:_IMPORTS]
    )
    table = Table(("with its own imports", "own", "needed", "module", "imported by"), rows, frozenset((0, 1)))
    return Section(2, "Imports before the first message", (explained, table))
