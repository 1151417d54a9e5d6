"""``plugin list``: the plugins that elements use, where they come from and in which version.

Knows factories; nothing of what plugins do.
"""

from __future__ import annotations

from ...protocol.requests import PluginList
from ..pipeline import Pipeline
from ..session import Session


def list_(session: Session, action: PluginList) -> int:
    """List the plugins that the targets, and all they depend on, use.

    Raises:
        GrilseError: an element cannot be loaded.
    """
    pipeline = Pipeline(session)
    pipeline.open_project()
    pipeline.load_targets(action.targets)
    rows = []
    for project, tag, plugin in pipeline.planner.factories.used():
        record = plugin.record
        junction = project.junction
        rows.append(
            {
                "project": junction.full_name if junction is not None else project.name,
                "type": tag,
                "kind": record.kind,
                "origin": record.origin,
                "version": record.package or None,
                "file": record.path or record.module,
            }
        )
    rows.sort(key=lambda row: (row["project"] or "", row["type"] or "", row["kind"] or ""))
    if session.request.output_json:
        session.reporter.values(rows)
    else:
        session.reporter.output(_table(rows))
    pipeline.close()
    return 0


def _table(rows: list[dict[str, str | None]]) -> str:
    columns = ("project", "type", "kind", "origin", "version", "file")
    texts = [[column.upper() for column in columns]]
    texts += [[row[column] or "-" for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in texts) for index in range(len(columns))]
    return "".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() + "\n" for line in texts)
