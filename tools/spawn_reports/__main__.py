"""Make or check the reports in docs/reports: ``python -m tools.spawn_reports [buildstream] [grilse] [--check]``.

Times are those of the machine: on one that does other things at the same time, begin with ``chrt -f 10``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from . import buildstream, current, own

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "docs" / "reports"


def main(argv: list[str]) -> int:
    """Run the command; 0 if all is well, 1 if a report is not current."""
    parser = argparse.ArgumentParser(prog="python -m tools.spawn_reports", description=__doc__)
    parser.add_argument("which", nargs="*", metavar="REPORT", help="buildstream, grilse (default: both)")
    parser.add_argument("--check", action="store_true", help="measure, and compare with what is there")
    parser.add_argument("--bst", type=Path, help="BuildStream's bst (default: GRILSE_ORACLE, else installed)")
    parser.add_argument("--large", nargs=3, metavar=("BST", "PROJECT", "TARGET"), help="a large project to add")
    parser.add_argument("--real", nargs="+", metavar=("PROJECT", "TARGET"), help="a real project to add, for grilse")
    parser.add_argument("--render", action="store_true", help="only write the pages anew from the data that are there")
    options = parser.parse_args(argv)
    which = options.which or ["buildstream", "grilse"]
    if unknown := set(which) - {"buildstream", "grilse"}:
        parser.error(f"no such report: {', '.join(sorted(unknown))}")
    good = True
    if "buildstream" in which:
        good &= _buildstream(options)
    if "grilse" in which:
        good &= _grilse(options)
    return 0 if good else 1


def _buildstream(options: argparse.Namespace) -> bool:
    kept = _kept("buildstream-2.8.1")
    if options.render:
        (REPORTS / "buildstream-2.8.1.md").write_text(buildstream.render(kept or {}))
        return True
    large = options.large
    data = buildstream.measure(
        _python_of(options.bst or _bst()),
        None if large is None else (_python_of(Path(large[0])), Path(large[1]).resolve(), large[2]),
    )
    return _written_or_current("buildstream-2.8.1", buildstream.render, kept, data, check=options.check)


def _grilse(options: argparse.Namespace) -> bool:
    kept = _kept("grilse")
    if options.render:
        (REPORTS / "grilse.md").write_text(own.render(kept or {}))
        return True
    real = options.real
    data = own.measure(None if real is None else (Path(real[0]), tuple(real[1:])))
    good = _written_or_current("grilse", own.render, kept, data, check=options.check)
    promises = own.broken(data)
    for line in promises:
        print(f"grilse.md: {line}")
    return good and not promises


def _kept(name: str) -> dict[str, Any] | None:
    path = REPORTS / f"{name}.json"
    kept: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return kept


def _written_or_current(
    name: str, render: Any, kept: dict[str, Any] | None, data: dict[str, Any], *, check: bool
) -> bool:
    data_path, page_path = REPORTS / f"{name}.json", REPORTS / f"{name}.md"
    if kept is not None and "large" not in data and "large" in kept:
        data["large"] = kept["large"]
    if check:
        return _current(page_path, render, kept, data)
    REPORTS.mkdir(parents=True, exist_ok=True)
    data_path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    page_path.write_text(render(data))
    print(f"written: {page_path.relative_to(ROOT)}, {data_path.relative_to(ROOT)}")
    return True


def _current(page: Path, render: Any, kept: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    if kept is None:
        print(f"{page.name}: there is no report yet")
        return False
    found = current.differences(kept, now)
    if render(kept) != page.read_text():
        found.append("the page is not what its data say: render it anew")
    for line in found:
        print(f"{page.name}: {line}")
    if not found:
        print(f"{page.name}: current")
    return not found


def _bst() -> Path:
    named = os.environ.get("GRILSE_ORACLE")
    if named:
        return Path(named)
    from bench.buildstream import ensure_buildstream

    return ensure_buildstream(ROOT / ".cache")


def _python_of(bst: Path) -> Path:
    """The interpreter of the environment that has ``bst``."""
    return bst.parent / "python"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
