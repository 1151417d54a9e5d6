"""Writes the screens of the live display, as text for a test and as pictures for the documentation.

Knows the recorded sessions of the tests and how a virtual terminal looks as SVG. A test holds the files to the code:

    python tools/screens.py            writes them
    python tools/screens.py --check    says whether they are current
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "tests" / "unit" / "frontend" / "screens"
PICTURES = ROOT / "docs" / "screens"

SIZES = ((80, 24), (140, 40))
# Seconds into the session that are shown: while all goes well, after a failure, and (None) the end.
MOMENTS: dict[str, float | None] = {"building": 15.2, "failure": 43.2, "summary": None}

# Size of a cell in a picture, in pixels, and its colours.
CELL = (8.4, 18)
COLOURS = {
    "default": "#d8dee9",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
}


def stages() -> Iterator[tuple[str, Any]]:
    """Name and stage of every screen."""
    from tests.unit.frontend.stage import Stage
    from tests.unit.frontend.streams import START, build_session

    for columns, rows in SIZES:
        for moment, seconds in MOMENTS.items():
            stage = Stage(columns, rows)
            stage.play(build_session(), None if seconds is None else START + seconds)
            if seconds is None:
                stage.display.finish(255)
            yield f"{moment}-{columns}x{rows}", stage


def picture(screen: Any) -> str:
    """A virtual terminal's screen as SVG."""
    rows = max((row for row in range(screen.lines) if screen.display[row].strip()), default=0) + 1
    width, height = screen.columns * CELL[0] + 24, rows * CELL[1] + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}">',
        '<rect width="100%" height="100%" rx="6" fill="#20242c"/>',
        '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
    ]
    for row in range(rows):
        for start, text, style in _runs(screen, row):
            x, y = 12 + start * CELL[0], 12 + (row + 0.75) * CELL[1]
            length = f'textLength="{len(text) * CELL[0]:.1f}" lengthAdjust="spacingAndGlyphs"'
            lines.append(f'<text x="{x:.1f}" y="{y:.1f}" {length} {style}>{escape(text)}</text>')
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _runs(screen: Any, row: int) -> Iterator[tuple[int, str, str]]:
    """Pieces of a row in one style: first column, text, attributes."""
    place = 0
    while place < screen.columns:
        style = _style(screen.buffer[row][place])
        end = place
        while end < screen.columns and _style(screen.buffer[row][end]) == style:
            end += 1
        text = "".join(screen.buffer[row][column].data for column in range(place, end))
        if text.strip():
            blanks = len(text) - len(text.lstrip())
            yield place + blanks, text.strip(), style
        place = end


def _style(cell: Any) -> str:
    weight = ' font-weight="bold"' if cell.bold else ""
    return f'fill="{COLOURS.get(cell.fg, COLOURS["default"])}"{weight}'


def main() -> int:
    files: dict[Path, str] = {}
    for name, stage in stages():
        files[TEXTS / f"{name}.txt"] = stage.text
        files[PICTURES / f"{name}.svg"] = picture(stage.screen)
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: python tools/screens.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    sys.exit(main())
