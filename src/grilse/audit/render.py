"""Show the sections of a report as text, Markdown or HTML, and the report itself as JSON.

Knows nothing of what the sections say.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from .model import Report
from .tables import Code, Section, Table, sections

FORMATS = ("text", "json", "markdown", "html")
# The version of the JSON's shape; it changes when a reader of an older one would misread a newer one.
JSON_FORMAT = 1
_UNDERLINES = {1: "=", 2: "-"}
_WRAPPED = 60

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #1c1c1c; }
table { border-collapse: collapse; margin: 0.6rem 0 1.4rem; }
th, td { border-bottom: 1px solid #d8d8d8; padding: 0.2rem 0.7rem; text-align: left; vertical-align: top; }
td.right, th.right { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: #f5f5f2; padding: 0.7rem 1rem; overflow-x: auto; }
"""


def render(report: Report, form: str, *, every: bool = False) -> str:
    """The report as text of the form: one of ``FORMATS``.

    :raises ValueError: if there is no such form.
    """
    if form == "json":
        return as_json(report, "object")
    return render_sections(sections(report, every=every), form)


def as_json(report: Any, kind: str) -> str:
    """Any report's data as JSON text, with its kind and the version of the shape."""
    return json.dumps({"kind": kind, "format": JSON_FORMAT, **asdict(report)}, indent=1, ensure_ascii=False) + "\n"


def render_sections(parts: Iterable[Section], form: str) -> str:
    """Sections as text of the form: text, markdown or html.

    :raises ValueError: if there is no such form.
    """
    makers: dict[str, Callable[[Iterable[Section]], str]] = {"text": _text, "markdown": _markdown, "html": _html}
    if form not in makers:
        raise ValueError(f"There is no format '{form}'; there are {', '.join(FORMATS)}")
    return makers[form](parts)


def _text(parts: Iterable[Section]) -> str:
    lines: list[str] = []
    for section in parts:
        if lines:
            lines.append("")
        lines.append(section.title)
        if section.level in _UNDERLINES:
            lines.append(_UNDERLINES[section.level] * len(section.title))
        for part in section.parts:
            if isinstance(part, Table):
                lines.extend(_text_table(part))
            elif isinstance(part, Code):
                lines.extend(f"    {line}" if line else "" for line in part.text.splitlines())
            else:
                lines.extend(textwrap.wrap(part, 110, break_long_words=False))
    return "\n".join(lines) + "\n"


def _text_table(table: Table) -> list[str]:
    columns = [column for column in range(len(table.columns)) if any(row[column] for row in table.rows)]
    if not columns:
        return []
    cells = [[table.columns[column] for column in columns]]
    cells += [[row[column] for column in columns] for row in table.rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    lines = []
    # Wide columns of words go on lines of their own below the row.
    wide = [place for place, width in enumerate(widths) if width > _WRAPPED and place]
    for number, row in enumerate(cells):
        shown = []
        for place, text in enumerate(row):
            if place in wide:
                continue
            right = columns[place] in table.right
            width = min(widths[place], _WRAPPED)
            shown.append(text.rjust(width) if right else text.ljust(width))
        lines.append(("  " + "  ".join(shown)).rstrip())
        if number:
            for place in wide:
                lines.extend(
                    textwrap.wrap(
                        row[place],
                        110,
                        initial_indent="        ",
                        subsequent_indent="          ",
                        break_long_words=False,
                    )
                )
    return lines


def _markdown(parts: Iterable[Section]) -> str:
    lines: list[str] = []
    for section in parts:
        if lines:
            lines.append("")
        lines.append(f"{'#' * section.level} {section.title}")
        for part in section.parts:
            lines.append("")
            if isinstance(part, Table):
                lines.extend(_markdown_table(part))
            elif isinstance(part, Code):
                lines.extend(("```python", part.text.rstrip("\n"), "```"))
            else:
                lines.append(part)
    return "\n".join(lines) + "\n"


def _markdown_table(table: Table) -> list[str]:
    columns = [column for column in range(len(table.columns)) if any(row[column] for row in table.rows)]
    if not columns:
        return []
    rule = ["---:" if column in table.right else "---" for column in columns]
    lines = [_markdown_row([table.columns[column] for column in columns]), _markdown_row(rule)]
    lines += [_markdown_row([_markdown_cell(row[column]) for column in columns]) for row in table.rows]
    return lines


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(text: str) -> str:
    for special in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(special, "\\" + special)
    return text.replace("\n", " ")


def _html(parts: Iterable[Section]) -> str:
    listed = list(parts)
    title = html.escape(listed[0].title) if listed else ""
    lines = ["<!doctype html>", '<html lang="en">', '<meta charset="utf-8">', f"<title>{title}</title>"]
    lines += [f"<style>{_STYLE}</style>", "<body>"]
    for section in listed:
        lines.append(f"<h{section.level}>{html.escape(section.title)}</h{section.level}>")
        for part in section.parts:
            if isinstance(part, Table):
                lines.extend(_html_table(part))
            elif isinstance(part, Code):
                lines.append(f"<pre>{html.escape(part.text)}</pre>")
            else:
                lines.append(f"<p>{html.escape(part)}</p>")
    return "\n".join([*lines, "</body>", "</html>"]) + "\n"


def _html_table(table: Table) -> list[str]:
    def row(cells: tuple[str, ...], tag: str) -> str:
        shown = []
        for column, text in enumerate(cells):
            mark = ' class="right"' if column in table.right else ""
            shown.append(f"<{tag}{mark}>{html.escape(text)}</{tag}>")
        return f"<tr>{''.join(shown)}</tr>"

    return ["<table>", row(table.columns, "th"), *(row(cells, "td") for cells in table.rows), "</table>"]
