"""The pytest fixture ``assert_crosses``: fails a test whose object does not cross to a spawned process.

Registered as an entry point, so it is there wherever this package is installed; imports the audit only when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from .model import Report

# Blockers that a failing test names.
_NAMED = 20


class AssertCrosses(Protocol):
    """The function that the fixture gives."""

    def __call__(self, obj: object, max_bytes: int | None = None, *, name: str | None = None) -> Report:
        """The audit of an object that crosses, in at most ``max_bytes``.

        :raises pytest.fail.Exception: if it does not cross, or not in so few.
        """


@pytest.fixture
def assert_crosses() -> AssertCrosses:
    """A function that fails the test unless an object crosses to a spawned interpreter: see ``AssertCrosses``."""

    def check(obj: object, max_bytes: int | None = None, *, name: str | None = None) -> Report:
        __tracebackhide__ = True
        from .auditor import audit

        report = audit(obj, name=name)
        if not report.crosses:
            lines = [f"{report.name} does not cross to a spawned process:"]
            for blocker in report.blockers[:_NAMED]:
                todo = f" ({blocker.advice.remedy})" if blocker.advice else ""
                lines.append(f"  {blocker.path}: {blocker.cause}: {blocker.reason}{todo}")
            if len(report.blockers) > _NAMED:
                lines.append(f"  and {len(report.blockers) - _NAMED:,} more")
            lines += [f"  left out: {part.path}: {part.why}" for part in report.left_out[:_NAMED]]
            lines += [f"  {note}" for note in report.notes]
            pytest.fail("\n".join(lines), pytrace=False)
        if max_bytes is not None and report.bytes > max_bytes:
            lines = [f"{report.name} crosses in {report.bytes:,} bytes, more than {max_bytes:,}; most of it is:"]
            rows = sorted(report.rows[1:], key=lambda row: -row.own_bytes)[:5] or list(report.rows)
            lines += [f"  {row.path}: {row.own_bytes:,} of its own, {row.total_bytes:,} with all below" for row in rows]
            pytest.fail("\n".join(lines), pytrace=False)
        return report

    return check
