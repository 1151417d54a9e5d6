"""Small pieces of Markdown.

Knows nothing of what stands in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> str:
    """A table; the columns at the places ``right`` are aligned to the right."""
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("| " + " | ".join("---:" if place in right else "---" for place in range(len(columns))) + " |")
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """A text set as code, within a line."""
    return f"`{text}`"


def milliseconds(us: float | None) -> str:
    """Microseconds as text, rounded as measurements of one machine deserve."""
    if us is None:
        return ""
    if us >= 10_000:
        return f"{us / 1000:,.0f} ms"
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:,.0f} µs"
