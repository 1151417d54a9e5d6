"""Run the audit alone: ``python -m grilse.audit object MODULE:CALLABLE``."""

from __future__ import annotations

import sys

from .command import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
